"""Back up one environment: database, filestore and the proof of both in one restic snapshot.

Lock, prove the identity, settle what a dead run left, dump in one exported snapshot, store, prove, report.
A snapshot counts once its proof is stored beside it; that of a run which failed or died before is never `latest`.
A run that fails settles what it began.
Where there is an off-site repository, what it lacks is copied there at last; a copy that fails marks the run.
The environment is only read. Damaged attachments are named by record; the backup is kept all the same, as it is
when database or backup are so much smaller than the last that somebody must look, when by a clock that was set
back it is older than the last, when the last was made longer ago than the RPO, or when no pg_restore that is there
would load it into its server again: such a run is marked failed.
"""

import time

from prefect import flow
from prefect.client.schemas.objects import State

from flows._settle import settled_when_it_fails
from flows.copy_offsite import copy_offsite
from odoo_ops.errors import OdooOpsError
from odoo_ops.model.checks import Check
from odoo_ops.model.figures import sizes_of
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.report import BackupReport, FilestoreProof, OffsiteReport, StoredSnapshot
from tasks.backups import (
    collector_held_off,
    dump_database,
    judge_damage,
    judge_pg_restore,
    prove_snapshot,
    read_checks,
    record_proof,
    refuse_unrestorable,
    spool_emptied,
    store_snapshot,
)
from tasks.events import announce_backup
from tasks.identity import check_identity
from tasks.kept_keys import read_key_checks
from tasks.leftovers import settle_leftovers
from tasks.locks import environment_locked
from tasks.offsite import has_offsite
from tasks.reports import publish_backup_report
from tasks.trends import (
    judge_clock,
    judge_gap,
    judge_sizes,
    keep_backup_figures,
    prepare_picture,
    publish_trends,
    read_earlier_backups,
    refuse_late,
    refuse_older,
    refuse_shrunk,
)


@flow(name="backup", flow_run_name="backup {environment}")
def backup(environment: str) -> BackupReport:
    """Back up an Odoo environment and prove that the snapshot holds every attachment.

    Args:
        environment: Name of the environment, as it was registered.
    """
    begun = time.monotonic()
    with environment_locked(environment, "backup") as lock:
        check_identity(environment, may_make_repository=True, filestore="stored")
        settle_leftovers(environment)
        with settled_when_it_fails(environment, lock):
            with collector_held_off(environment):
                manifest = dump_database(environment)
                prepare_picture()
                stored = store_snapshot(environment)
                proof = prove_snapshot(environment, stored.snapshot_id)
            sizes = sizes_of(manifest, stored.snapshot_id, stored.total_bytes)
            lock.check()
            with spool_emptied(environment):
                record_proof(environment, stored.snapshot_id, proof)
                fits = judge_pg_restore(manifest)
                earlier = read_earlier_backups(environment, sizes, stored)
    checks = [
        *read_checks(manifest, proof),
        fits,
        judge_clock(stored),
        *judge_sizes(environment, sizes, earlier),
        judge_gap(environment, earlier),
        *read_key_checks(environment),
    ]
    report = _report(manifest, stored, proof, checks, time.monotonic() - begun)
    announce_backup(report)
    publish_backup_report(report)
    keep_backup_figures(report, earlier)
    publish_trends(environment, return_state=True)  # no backup fails for its picture
    copied = copy_offsite(environment, return_state=True) if has_offsite(environment) else None
    judge_damage(environment, proof)
    refuse_shrunk(report, earlier)
    refuse_older(report)
    if copied is not None:
        _refuse_failed_copy(copied, report)
    refuse_unrestorable(report)
    refuse_late(report)
    return report


def _refuse_failed_copy(copied: State[OffsiteReport], report: BackupReport) -> None:
    """Raise what ended the copy off-site; it says first that the backup is there."""
    try:
        copied.result()
    except OdooOpsError as error:
        error.say_first(
            f"The backup {report.snapshot_id[:8]} of {report.environment} is kept and proved in its first repository; "
            "only its copy off-site failed; a later copy makes up for it once that is mended."
        )
        raise


def _report(
    manifest: Manifest, stored: StoredSnapshot, proof: FilestoreProof, checks: list[Check], seconds: float
) -> BackupReport:
    return BackupReport(
        environment=manifest.environment,
        database=manifest.database,
        snapshot_id=stored.snapshot_id,
        taken_at=manifest.taken_at,
        seconds=seconds,
        tables=len(manifest.facts.rows),
        rows=sum(manifest.facts.rows.values()),
        attachments=proof.attachments,
        files=proof.files,
        hashed_files=proof.hashed_files,
        database_bytes=manifest.database_bytes,
        filestore_bytes=manifest.inventory.bytes,
        total_bytes=stored.total_bytes,
        added_bytes=stored.added_bytes,
        damaged=tuple(str(damage) for damage in proof.damaged),
        damaged_total=proof.damaged_total,
        checks=tuple(checks),
    )
