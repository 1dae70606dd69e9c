"""The command `odoo-ops`: what is done once, by a person, beside the flows."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deployments.adoption import adopt_into
from deployments.backup_list import COLUMNS, listed_backups
from deployments.ci_command import render_ci
from deployments.command_line import errors_told
from deployments.development.command import app as develop
from deployments.environment_files import load
from deployments.recovery_sheets import confirm_key, described_place, generate_key, write_sheet
from deployments.registration import RegisteredEnvironment, register, registered_environments
from deployments.releases_command import list_releases
from deployments.webhook.command import app as webhook
from odoo_ops.errors import PermanentError

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
keys = typer.Typer(no_args_is_help=True, help="The passwords of backup repositories, on paper and kept elsewhere.")
app.add_typer(keys, name="keys")
app.add_typer(develop, name="develop")
app.command("render-ci")(render_ci)
app.command("releases")(list_releases)
app.add_typer(webhook, name="webhook")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the environment files (*.yaml).")]
RepositoryName = Annotated[str, typer.Argument(metavar="REPOSITORY", help="Name of the repository in the files.")]
Address = Annotated[
    str, typer.Option(help="Its address as restic writes it, for the sheet: /srv/backups, s3:https://…, sftp:…, rest:…")
]
Files = Annotated[
    Path | None,
    typer.Option(
        "--environments",
        metavar="DIR",
        help="Folder of environment files: address and environments are taken from them.",
    ),
]
DEFAULT_FOLDER = Path("deployments/environments")
_FAILED = 2


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
    with errors_told(_FAILED):
        found = load(directory, look=secrets)
    typer.echo(
        f"{directory}: no mistakes. Hosts: {len(found.hosts)}, repositories: {len(found.repositories)}, "
        f"environments: {len(found.environments)}, webhook sources: {len(found.webhooks)}."
    )
    if not secrets:
        typer.echo("Not checked: whether the secrets that the files name are there.")


@environments.command("register")
def register_environments(directory: Folder = DEFAULT_FOLDER) -> None:
    """Check the environment files, then save them in Prefect. Run it again after every change."""
    with errors_told(_FAILED):
        registration = register(directory)
    for change in registration.changes:
        typer.echo(f"{change.outcome:<9}  {change.kind:<17}  {change.name}")


@environments.command("list")
def list_environments() -> None:
    """Show the environments that are registered in Prefect."""
    with errors_told(_FAILED):
        found = registered_environments()
        _print_environments(found.readable)
        if found.unreadable:
            raise PermanentError(
                f"Saved in Prefect by another version or by hand, and this version cannot read them: "
                f"{', '.join(found.unreadable)}. Next step: `odoo-ops environments register`; one that no file "
                "describes any more is deleted in Prefect under Blocks."
            )
    if not found.readable:
        typer.echo("No environment is registered. Next step: `odoo-ops environments register`.")


def _print_environments(found: tuple[RegisteredEnvironment, ...]) -> None:
    if not found:
        return
    _print_table(
        [
            tuple(RegisteredEnvironment.model_fields),
            *(tuple(environment.model_dump().values()) for environment in found),
        ]
    )


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command("backups")
def list_backups(
    environment: Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="Name, as it is registered.")],
    *,
    offsite: Annotated[bool, typer.Option("--offsite", help="Those in the off-site repository.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with whole ids and bytes.")] = False,
) -> None:
    """Show the backups of an environment, newest first, and what is known of each.

    Changes none of them; in the repository only locks of dead runs are removed, for which this would wait.
    """
    with errors_told(_FAILED):
        found = listed_backups(environment, offsite=offsite)
    if as_json:
        typer.echo(json.dumps([backup.model_dump(mode="json") for backup in found], indent=1))
    elif found:
        _print_table([COLUMNS, *(backup.row for backup in found)])
    else:
        typer.echo(f"There is no backup of {environment}. Next step: run the flow `backup`.")


@environments.command("adopt")
def adopt_environment(
    *,
    to: Annotated[Path, typer.Option(help="New file for the description.")],
    host: Annotated[str, typer.Option(help="Machine, as it is registered. Default: this one.")] = "",
    project: Annotated[str, typer.Option(help="Docker Compose project. Default: an Odoo on the machine itself.")] = "",
    config: Annotated[str, typer.Option(help="Its odoo.conf, where several run on the machine itself.")] = "",
    database: Annotated[str, typer.Option(help="Its database, where its settings leave several.")] = "",
    name: Annotated[str, typer.Option(help="Name for the environment. Default: as project or database.")] = "",
    stage: Annotated[str, typer.Option(help="What it is for.")] = "production",
) -> None:
    """Write the environment file of an Odoo that runs, for review. Changes nothing there."""
    with errors_told(_FAILED):
        report = adopt_into(to, host=host, project=project, config=config, database=database, name=name, stage=stage)
    for hazard in report.hazards:
        typer.echo(f"! {hazard.what}.\n  Next step: {hazard.next_step}.")
    typer.echo(f"{to}: written for review. What is left to do stands at its top.")


@keys.command("generate")
def generate_repository_key(
    repository: RepositoryName,
    to: Annotated[Path, typer.Option(help="New file for the password, to be named as {from_file: …}.")],
    sheet: Annotated[
        Path | None, typer.Option(help="New file for the recovery sheet. Default: beside it, *.sheet.html.")
    ] = None,
    address: Address = "",
    environments: Files = None,
) -> None:
    """Make a new random password, show it once, and write the recovery sheet that is to be printed."""
    secret_file = to.absolute()
    page = (sheet or Path(f"{secret_file}.sheet.html")).absolute()
    with errors_told(_FAILED):
        place = described_place(repository, address, environments)
        password = generate_key(repository, secret_file, page, place)
    typer.echo(f"Password of the repository {repository}, shown this once:\n\n    {password.get_secret_value()}\n")
    typer.echo(f"In the environment file: password: {{from_file: {secret_file}}}")
    typer.echo("(A repository that holds backups already takes it by the flow rotate_repository_key only.)")
    _tell_to_print(repository, page)


@keys.command("sheet")
def write_recovery_sheet(
    repository: RepositoryName,
    secret: Annotated[Path, typer.Option(help="File that holds the password.")],
    to: Annotated[Path, typer.Option(help="New file for the recovery sheet (*.html).")],
    address: Address = "",
    environments: Files = None,
) -> None:
    """Write the recovery sheet of a password that a file holds."""
    page = to.absolute()
    with errors_told(_FAILED):
        place = described_place(repository, address, environments)
        write_sheet(repository, secret.absolute(), page, place)
    _tell_to_print(repository, page)


@keys.command("confirm")
def confirm_repository_key(repository: RepositoryName) -> None:
    """Say that the printed sheet is kept elsewhere. Backups warn until then, and again after a new password."""
    typed = typer.prompt("Check characters on the sheet")
    with errors_told(_FAILED):
        confirm_key(repository, typed)
    typer.echo(f"On record: the key of {repository} is kept elsewhere.")


def _tell_to_print(repository: str, page: Path) -> None:
    typer.echo(
        f"Next steps: print {page}, put the paper where a fire or a thief of this machine does not reach it, delete "
        f"the file; then `odoo-ops keys confirm {repository}`."
    )


if __name__ == "__main__":
    app()
