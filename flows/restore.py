"""Restore a backup into its own environment, or into another one as a harmless copy.

Everything is restored beside what is there and proved against the snapshot's manifest first; then databases
and filestores are swapped by rename. What was replaced is kept for the environment's `keep_replaced_hours`.
Until the swap the present state is not touched. A run that fails settles what it began; what one
that died began is settled by the next one.
In another environment than its own the copy is neutralised before any Odoo process sees it.
A dry run ends before anything is written, with a page that says what would be replaced by what; of the repository
only what dead processes left of locks is removed.
"""

import time
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows._settle import settled_whatever_ends_it, settled_when_it_fails
from odoo_ops.model.checks import Check
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.report import RestoreReport, Swap
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.policy.comparison import judge_carried_over
from odoo_ops.policy.fences import refuse_mistyped
from odoo_ops.policy.previews import restore_preview_checks
from tasks.copies import neutralize_copy
from tasks.fetches import snapshot_fetched
from tasks.identity import check_apart, check_identity, forget_database
from tasks.leftovers import settle_leftovers
from tasks.locks import environment_locked
from tasks.previews import preview_restore
from tasks.reports import publish_restore_report, refuse_failures
from tasks.restores import (
    check_damage,
    compare_database,
    create_scratch,
    kept_name,
    prove_files,
    prove_first_files,
    read_manifest,
    read_snapshot,
    refuse_difference,
    refuse_unconfirmed,
    restore_database,
    scratch_name,
    swap_in,
)
from tasks.services import check_odoo_answers


@flow(name="restore", flow_run_name="restore {environment} from {snapshot}")
def restore(
    environment: str,
    snapshot: str = "latest",
    target: str = "",
    confirm_production: str = "",
    damaged_accepted: Annotated[int, Field(ge=0)] = 0,
    from_offsite: bool = False,
    dry_run: bool = False,
) -> RestoreReport:
    """Put an environment back to what a snapshot holds, proved before it is swapped in.

    Args:
        environment: Name of the environment whose backup is restored.
        snapshot: Id of the snapshot, or `latest`.
        target: Environment into which it is restored, as a neutralised copy. Empty: its own, as it was.
        confirm_production: To restore over production, write its name once more.
        damaged_accepted: Restore although so many attachments were damaged when they were backed up.
        from_offsite: Take the copy in the off-site repository, where the environment's own is lost.
        dry_run: Only choose and check, and show what would be replaced by what. Production need not be confirmed.
    """
    begun, target = time.monotonic(), target or environment
    refuse_mistyped([confirm_production], [target])
    refuse_unconfirmed(environment, target, target if dry_run else confirm_production, offsite=from_offsite)
    with environment_locked(target, "look at a restore" if dry_run else "restore") as lock:
        identity = check_identity(target, environment, offsite=from_offsite, filestore="swapped", writes=not dry_run)
        check_apart(environment, target, identity)
        if not dry_run:
            settle_leftovers(target)
        chosen = read_snapshot(environment, target, snapshot, offsite=from_offsite)
        check_damage(target, chosen, damaged_accepted)
        manifest = read_manifest(target, chosen)
        if dry_run:
            return _shown(target, chosen, manifest, begun)
        scratch = scratch_name(target)
        with settled_when_it_fails(target, lock):
            with snapshot_fetched(target, chosen, manifest, scratch):
                create_scratch(target, manifest, scratch)
                restore_database(target, manifest, scratch)
                checks = compare_database(target, manifest, scratch)
                prove_first_files(target, scratch)
            checks.append(prove_files(target, manifest, scratch, damaged_accepted))
            refuse_difference(target, checks)
            if target != environment:
                checks += neutralize_copy(target, manifest.odoo_series, scratch, identity.get("database_uuid"))
            lock.check()
            if target == environment:  # which may stand on a new machine, where another database was seen before
                forget_database(environment)
            with settled_whatever_ends_it(target, lock):
                swap = swap_in(target, scratch, kept_name(target))
            checks += [judge_carried_over(swap), check_odoo_answers(target, swap)]
    report = _report(target, chosen.id, manifest, swap=swap, checks=checks, seconds=time.monotonic() - begun)
    publish_restore_report(report)
    refuse_failures(f"{target} was restored and what it replaced is kept, but", checks)
    return report


def _shown(target: str, chosen: Snapshot, manifest: Manifest, begun: float) -> RestoreReport:
    """Publish what would be done, and end there."""
    preview = preview_restore(target, manifest)
    checks = restore_preview_checks(preview, chosen, manifest.odoo_series)
    seconds = time.monotonic() - begun
    report = _report(target, chosen.id, manifest, swap=None, checks=checks, seconds=seconds)
    report = report.model_copy(update={"preview": preview})
    publish_restore_report(report)
    refuse_failures(f"Nothing was changed in {target}, and a restore would not do:", checks)
    return report


def _report(
    target: str,
    snapshot_id: str,
    manifest: Manifest,
    *,
    swap: Swap | None,
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
        kept_database=swap.kept_database if swap else None,
        kept_filestore=swap.kept_filestore if swap else None,
        checks=tuple(checks),
    )
