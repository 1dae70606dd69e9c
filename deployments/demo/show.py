"""Run the steps, say how each ended, and end what was started unless all was proved."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer

from deployments.demo.closing import Row, all_passed, closing_table, comparison
from deployments.demo.layout import Layout
from deployments.demo.odoo_client import LOGIN, PASSWORD
from deployments.demo.ports import settle_ports
from deployments.demo.prefect_api import PrefectApi
from deployments.demo.processes import end_marked
from deployments.demo.site import Site
from deployments.demo.stage import Stage
from deployments.demo.steps import STEPS
from deployments.demo.variables import program_variables
from deployments.engines.cluster import PostgresCluster
from deployments.engines.folder import engines_folder
from deployments.engines.odoo import install_odoo
from deployments.engines.restic import install_restic
from odoo_ops.errors import OdooOpsError

Steps = Sequence[tuple[str, Callable[[Stage], str]]]


def show(layout: Layout) -> bool:
    """Run the demo. Returns whether all was proved; then, and only then, its servers still run.

    Raises OdooOpsError when it cannot begin.
    """
    begun = time.monotonic()
    with _ended_unless_passed(layout) as passed:
        stage = prepare(layout)
        rows = run_steps(stage, STEPS)
        if stage.nights:
            typer.echo(f"\nThe backup beside `pg_dump -Fc` + `tar -czf`:\n\n{comparison(stage.nights)}")
        typer.echo(f"\n{closing_table(rows)}\n")
        if all_passed(rows):
            typer.echo(farewell(stage, time.monotonic() - begun))
            passed.append(True)
        else:
            typer.echo(f"NOT everything was proved. The servers are ended; their logs are in {layout.logs}.")
    return bool(passed)


def prepare(layout: Layout) -> Stage:
    """End what an earlier demo left running, delete what it left, and look for the engines."""
    clear(layout)
    if layout.run.exists():
        shutil.rmtree(layout.run)
    engines, ports = engines_folder(), settle_ports(layout.ports)
    odoo, restic = install_odoo(engines).absolute(), install_restic(engines)
    site = Site(layout, ports, PostgresCluster(layout.postgres), odoo, restic)
    variables = program_variables(layout, ports, os.environ)
    return Stage(site, variables, PrefectApi(ports.prefect_url))


def clear(layout: Layout) -> int:
    """End all processes of the demo; data is kept. Returns how many there were, PostgreSQL's server as one."""
    ended = end_marked(str(layout.root))
    cluster = PostgresCluster(layout.postgres)
    if cluster.is_running():
        cluster.stop()
        ended += 1
    return ended


def run_steps(stage: Stage, steps: Steps) -> list[Row]:
    """Do one step after the other up to the first that fails; those after it are not run."""
    rows: list[Row] = []
    for number, (name, act) in enumerate(steps, start=1):
        if rows and rows[-1].verdict != "passed":
            rows += [Row(step=left, seconds=None, verdict="not run", proved="") for left, _act in steps[number - 1 :]]
            break
        typer.echo(f"[{number}/{len(steps)}] {name} …", nl=False)
        begun = time.monotonic()
        try:
            verdict, proved = "passed", act(stage)
        except OdooOpsError as error:
            typer.echo(f"\n{error}", err=True)
            verdict, proved = "FAILED", str(error).splitlines()[0]
        rows.append(Row(step=name, seconds=time.monotonic() - begun, verdict=verdict, proved=proved))
        typer.echo(f" {verdict} in {rows[-1].seconds:.1f} s: {proved}")
    return rows


def farewell(stage: Stage, seconds: float) -> str:
    """What still runs, where, and how it is ended."""
    ports = stage.site.ports
    return (
        f"Everything was proved, in {seconds:.0f} s. These still run, for this machine only (127.0.0.1):\n\n"
        f"  Prefect's UI  {ports.prefect_url}\n"
        f"  Odoo          {ports.odoo_url}  (login `{LOGIN}`, password `{PASSWORD}`)\n\n"
        "`make demo-stop` ends them; the next `make demo` begins anew."
    )


@contextmanager
def _ended_unless_passed(layout: Layout) -> Iterator[list[bool]]:
    passed: list[bool] = []
    try:
        yield passed
    finally:
        if not passed:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half of them
            clear(layout)
