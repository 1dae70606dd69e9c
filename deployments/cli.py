"""The command `odoo-ops`: what is done once, by a person, beside the flows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from deployments.environment_files import load
from deployments.registration import register, registered_environments
from odoo_ops.errors import OdooOpsError

# Local variables hold secrets: typer's own tracebacks would print them.
app = typer.Typer(
    name="odoo-ops",
    help="Operate self-hosted Odoo with Prefect.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
environments = typer.Typer(no_args_is_help=True, help="The Odoo environments on which the flows work.")
app.add_typer(environments, name="environments")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the environment files (*.yaml).")]
DEFAULT_FOLDER = Path("deployments/environments")


@app.callback()
def main() -> None:
    """Operate self-hosted Odoo with Prefect."""


@environments.command("check")
def check_environments(
    directory: Folder = DEFAULT_FOLDER,
    secrets: Annotated[
        bool,
        typer.Option("--secrets/--no-secrets", help="Also look whether every named variable and secret file is there."),
    ] = True,
) -> None:
    """Find every mistake in the environment files. Asks no server and changes nothing."""
    with _errors_told():
        found = load(directory, look=secrets)
    typer.echo(
        f"{directory}: no mistakes. Hosts: {len(found.hosts)}, repositories: {len(found.repositories)}, "
        f"environments: {len(found.environments)}."
    )
    if not secrets:
        typer.echo("Not checked: whether the secrets that the files name are there.")


@environments.command("register")
def register_environments(directory: Folder = DEFAULT_FOLDER) -> None:
    """Check the environment files, then save them in Prefect. Run it again after every change."""
    with _errors_told():
        registration = register(directory)
    for change in registration.changes:
        typer.echo(f"{change.outcome:<9}  {change.kind:<17}  {change.name}")


@environments.command("list")
def list_environments() -> None:
    """Show the environments that are registered in Prefect."""
    with _errors_told():
        found = registered_environments()
    if not found:
        typer.echo("No environment is registered. Next step: `odoo-ops environments register`.")
        return
    rows = [tuple(type(found[0]).model_fields), *(tuple(environment.model_dump().values()) for environment in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@contextmanager
def _errors_told() -> Iterator[None]:
    """An error that was raised on purpose is told plainly and ends the command with status 2."""
    try:
        yield
    except OdooOpsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    app()
