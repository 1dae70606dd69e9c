"""Command line: `python -m deployments.engines --help`."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deployments.engines.folder import engines_folder
from deployments.engines.inventory import Engines
from deployments.engines.odoo import install_odoo
from deployments.engines.rest_server import install_rest_server
from deployments.engines.restic import install_restic
from odoo_ops.errors import OdooOpsError

app = typer.Typer(
    help="The real programs that the demo and the tests need. ODOO_OPS_ENGINES names their folder; "
    "ODOO_BIN names an Odoo 19 to use instead of installing one.",
    no_args_is_help=True,
    add_completion=False,
)

_INSTALLERS: dict[str, Callable[[Path], Path]] = {
    "restic": install_restic,
    "rest-server": install_rest_server,
    "odoo": install_odoo,
}


class Choice(StrEnum):
    """What to install."""

    ODOO = "odoo"
    RESTIC = "restic"
    REST_SERVER = "rest-server"
    ALL = "all"


@app.command()
def install(engine: Annotated[Choice, typer.Argument(help="Which engine.")] = Choice.ALL) -> None:
    """Install what is missing; what is there already is left alone."""
    for name in _INSTALLERS if engine is Choice.ALL else [engine.value]:
        started = time.monotonic()
        with _readable_errors():
            program = _INSTALLERS[name](engines_folder())
        typer.echo(f"{name}: {program} ({time.monotonic() - started:.1f} s)")


@app.command()
def show() -> None:
    """Print paths and versions as JSON; null: not there."""
    with _readable_errors():
        description = Engines.look(engines_folder()).describe()
    typer.echo(json.dumps(description, indent=2))


@contextmanager
def _readable_errors() -> Iterator[None]:
    try:
        yield
    except OdooOpsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app(prog_name="python -m deployments.engines")
