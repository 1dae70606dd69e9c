"""The commands `odoo-ops develop …`."""

from pathlib import Path
from typing import Annotated

import typer

from deployments.command_line import errors_told
from deployments.development.description import read_description
from deployments.development.site import Site

app = typer.Typer(no_args_is_help=True, help="An Odoo for development, without containers, in one folder.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The file that describes it.")]
_DEFAULT = Path("odoo-dev.yaml")
_FAILED = 2


@app.command("start")
def start(file: File = _DEFAULT) -> None:
    """Make what is missing, and start PostgreSQL and Odoo. Run it again after every change of the file."""
    with errors_told(_FAILED):
        site = Site(read_description(file), typer.echo)
        site.start()
    server = site.server
    typer.echo(f"Odoo runs at {server.url} (a new database: admin, admin). What it says: {server.log}")
    typer.echo(f"Its own commands: {server.program} shell. To stop it: odoo-ops develop stop {file}")


@app.command("stop")
def stop(file: File = _DEFAULT) -> None:
    """Stop Odoo and its PostgreSQL. All stays in the folder, which may be deleted then."""
    with errors_told(_FAILED):
        Site(read_description(file), typer.echo).stop()
