"""Restore a backup into its own environment, or into another one as a harmless copy.

Everything is restored beside what is there and proved against the snapshot's manifest first; then databases
and filestores are swapped by rename. What was replaced is kept for the environment's `keep_replaced_hours`.
Until the swap the present state is not touched; a run that dies in the swap is settled by the next one.
In another environment than its own the copy is neutralised before any Odoo process sees it.
"""

import time
from typing import Annotated

from prefect import flow
from pydantic import Field

from odoo_ops.model.checks import Check
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.report import RestoreReport
from tasks.copies import neutralize_copy
from tasks.identity import check_apart, check_identity
from tasks.leftovers import settle_leftovers
from tasks.locks import environment_locked
from tasks.reports import publish_restore_report, refuse_failures
from tasks.restores import (
    compare_restored,
    fetch_dump,
    read_snapshot,
    refuse_difference,
    refuse_unconfirmed,
    restore_database,
    restore_filestore,
    swap_in,
)
from tasks.services import check_odoo_answers


@flow(name="restore", flow_run_name="restore {environment} from {snapshot}")
def restore(
    environment: Annotated[str, Field(description="Name of the environment whose backup is restored.")],
    snapshot: Annotated[str, Field(description="Id of the snapshot, or `latest`.")] = "latest",
    target: Annotated[
        str,
        Field(description="Environment into which it is restored. Empty: its own. In another one it is neutralised."),
    ] = "",
    confirm_production: Annotated[
        str, Field(description="To restore over production, write the environment's name once more.")
    ] = "",
    damaged_accepted: Annotated[
        int, Field(ge=0, description="Restore although so many attachments were damaged when they were backed up.")
    ] = 0,
) -> RestoreReport:
    """Put an environment back to what a snapshot holds, proved before it is swapped in."""
    begun, target = time.monotonic(), target or environment
    refuse_unconfirmed(environment, target, confirm_production)
    with environment_locked(target, "restore") as lock:
        identity = check_identity(target)
        check_apart(environment, target, identity)
        settle_leftovers(target)
        chosen = read_snapshot(environment, target, snapshot)
        manifest = fetch_dump(target, chosen)
        scratch = restore_database(target, manifest)
        restore_filestore(target, chosen, manifest, scratch)
        checks = compare_restored(target, manifest, scratch, damaged_accepted)
        refuse_difference(target, checks)
        if target != environment:
            checks += neutralize_copy(target, manifest, scratch, identity.get("database_uuid"))
        lock.check()
        kept = swap_in(target, scratch)
        checks.append(check_odoo_answers(target))
    report = _report(target, chosen.id, manifest, kept=kept, checks=checks, seconds=time.monotonic() - begun)
    publish_restore_report(report)
    refuse_failures(f"{target} was restored and what it replaced is kept, but", checks)
    return report


def _report(
    target: str,
    snapshot_id: str,
    manifest: Manifest,
    *,
    kept: tuple[str | None, str | None],
    checks: list[Check],
    seconds: float,
) -> RestoreReport:
    return RestoreReport(
        environment=target,
        source=manifest.environment,
        database=manifest.database,
        snapshot_id=snapshot_id,
        taken_at=manifest.taken_at,
        seconds=seconds,
        tables=len(manifest.facts.rows),
        rows=sum(manifest.facts.rows.values()),
        files=manifest.inventory.files,
        kept_database=kept[0],
        kept_filestore=kept[1],
        checks=tuple(checks),
    )
