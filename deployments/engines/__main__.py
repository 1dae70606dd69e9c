"""Command line: `python -m deployments.engines --help`."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deployments.command_line import errors_told
from deployments.engines.docker import docker_engine, install_docker
from deployments.engines.folder import engines_folder
from deployments.engines.inventory import Engines
from deployments.engines.odoo import install_odoo
from deployments.engines.rest_server import install_rest_server
from deployments.engines.restic import install_restic

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
    "docker": install_docker,
}


class Choice(StrEnum):
    """What to install."""

    ODOO = "odoo"
    RESTIC = "restic"
    REST_SERVER = "rest-server"
    DOCKER = "docker"


@app.command()
def install(
    engines: Annotated[list[Choice] | None, typer.Argument(help="Which engines; all if none is named.")] = None,
) -> None:
    """Install what is missing; what is there already is left alone."""
    for name in engines or _INSTALLERS:
        started = time.monotonic()
        with errors_told():
            program = _INSTALLERS[name](engines_folder())
        typer.echo(f"{name}: {program} ({time.monotonic() - started:.1f} s)")


@app.command()
def show() -> None:
    """Print paths and versions as JSON; null: not there."""
    with errors_told():
        description = Engines.look(engines_folder()).describe()
    typer.echo(json.dumps(description, indent=2))


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def with_docker(command: Annotated[list[str], typer.Argument(help="For instance: docker ps.")]) -> None:
    """Run a command, with a Docker engine that runs as long as it does; the status is the command's."""
    with errors_told(), docker_engine(engines_folder()) as engine:
        done = subprocess.run(command, env={**os.environ, **engine.variables}, check=False)
    raise typer.Exit(done.returncode)


if __name__ == "__main__":
    app(prog_name="python -m deployments.engines")
