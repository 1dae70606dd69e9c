"""The command `odoo-ops releases`: what was released to an environment, and to what a rollback may lead."""

import json
from typing import Annotated

import typer

from blocks import OdooEnvironment
from deployments.command_line import errors_told
from deployments.registration import prefect_api
from odoo_ops.model.release import ListedRelease
from odoo_ops.policy.ways_back import listed
from odoo_ops.runtimes.release_records import read_databases, read_records

_FAILED = 2


def list_releases(
    environment: Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="Its name, as it was registered.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print all that is on record, for programs.")] = False,
) -> None:
    """List the releases of an environment, the newest first. Changes nothing."""
    with errors_told(_FAILED), prefect_api():
        runtime = OdooEnvironment.open(environment)
        records = read_records(runtime)
        found = listed(records, read_databases(runtime)) if records else []
    if as_json:
        typer.echo(json.dumps([release.model_dump(mode="json") for release in found], indent=1))
        return
    for release in found:
        typer.echo(_line(release))
    if not found:
        typer.echo(f"Nothing was released to {environment} yet. Next step: run `release` for it.")


def _line(release: ListedRelease) -> str:
    record = release.record
    known = [
        release.placed,
        f"asked for as {', '.join(record.asked.values())}" if record.asked else "",
        f"updated modules: {len(record.updated)}" if record.updated else "",
        f"{record.down_seconds:.0f} s of downtime" if record.down_seconds is not None else "",
        f"backup {record.backup_id[:8]}" if record.backup_id else "",
        f"a check failed: {record.unwell}" if record.unwell else "",
    ]
    return f"{release.moment}  {release.standing or '-'}: {'; '.join(filter(None, known))}"
