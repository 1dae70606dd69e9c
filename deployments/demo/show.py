"""Run the steps, say how each ended, and end what was started unless all was proved."""

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum

import typer

from deployments.demo.closing import Row, all_passed, closing_table, comparison
from deployments.demo.compose import held_engine, opened_compose, remove
from deployments.demo.layout import Layout
from deployments.demo.native import open_native
from deployments.demo.odoo_client import LOGIN, PASSWORD
from deployments.demo.ports import settle_ports
from deployments.demo.processes import end_marked
from deployments.demo.stage import Stage
from deployments.demo.steps import Steps
from deployments.engines.cluster import PostgresCluster
from odoo_ops.errors import OdooOpsError


class Runtime(StrEnum):
    """How Odoo runs in the demo."""

    NATIVE = "native"
    COMPOSE = "compose"


def show(layout: Layout, runtime: Runtime) -> bool:
    """Run the demo. Returns whether all was proved; then, and only then, its servers still run.

    Raises OdooOpsError when it cannot begin.
    """
    begun = time.monotonic()
    with _ended_unless_passed(layout) as passed, prepared(layout, runtime) as (stage, steps):
        rows = run_steps(stage, steps)
        if stage.nights:
            typer.echo(f"\nThe backup beside `pg_dump -Fc` + `tar -czf`:\n\n{comparison(stage.nights)}")
        typer.echo(f"\n{closing_table(rows)}\n")
        if all_passed(rows):
            typer.echo(farewell(stage, time.monotonic() - begun))
            passed.append(True)
        else:
            typer.echo(f"NOT everything was proved. The servers are ended; their logs are in {layout.logs}.")
    return bool(passed)


@contextmanager
def prepared(layout: Layout, runtime: Runtime) -> Iterator[tuple[Stage, Steps]]:
    """End what an earlier demo left running, delete what it left, and look for the engines."""
    clear(layout)
    if layout.run.exists():
        shutil.rmtree(layout.run)
    ports = settle_ports(layout.ports)
    if runtime is Runtime.NATIVE:
        yield open_native(layout, ports)
        return
    with opened_compose(layout, ports) as opened:
        yield opened


def clear(layout: Layout) -> int:
    """End all processes of the demo, and remove its containers. Returns how many there were, PostgreSQL's as one.

    The data of processes is kept; that of containers is deleted.
    """
    with ExitStack() as held:
        try:  # before its processes end: one of them keeps an engine of our own running
            engine = held.enter_context(held_engine(layout))
        finally:
            ended = _end_processes(layout)
        return ended + (remove(layout, engine) if engine else 0)


def _end_processes(layout: Layout) -> int:
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
    prefect, odoo = stage.site.ports.prefect_url, stage.site.odoo
    known = f"  the authority of its certificate, which no browser knows: {odoo.authority}\n" if odoo.authority else ""
    return (
        f"Everything was proved, in {seconds:.0f} s. These still run, for this machine only (127.0.0.1):\n\n"
        f"  Prefect's UI  {prefect}\n"
        f"  Odoo          {odoo.url}  (login `{LOGIN}`, password `{PASSWORD}`)\n{known}\n"
        f"`make demo-stop` ends them; the next `make demo` begins anew."
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
