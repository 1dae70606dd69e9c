"""Drill the day of a disaster: does the backup come back, and how long does it take?

The newest (or a named) snapshot is restored into a scratch database and a staged filestore of another
environment, compared with its manifest, neutralised before any Odoo process sees it, booted and used. RPO and
RTO are measured against the objectives. That a snapshot stood every test is put on record beside it. Whatever
happens, the copy is deleted again; what a killed run leaves, the next one deletes. A drill that could not be made to
its end, as where a disk is full or PostgreSQL is lost, ends with that error and without a page: the backup is neither
proved nor refuted. Where restic says that it read something else than was stored, or misses it in a repository that
opens, it is refuted.
"""

import time
from datetime import UTC, datetime

from prefect import flow

from flows._trial_copy import copy_deleted
from odoo_ops.errors import CommandFailed, VerificationFailed
from odoo_ops.model.checks import Check
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.report import DrillReport
from odoo_ops.policy.upkeep import unrestorable_message
from tasks.copies import neutralize_copy, try_copy
from tasks.drills import (
    create_role,
    judge,
    measure_rpo,
    read_business_lines,
    read_refutation,
    record_verified,
    refuse_unfit_target,
    refuse_unproved,
)
from tasks.fetches import snapshot_fetched
from tasks.identity import check_apart, check_identity
from tasks.leftovers import settle_leftovers
from tasks.locks import environment_locked
from tasks.reports import publish_drill_report, refuse_failures
from tasks.restores import (
    compare_database,
    create_scratch,
    prove_files,
    prove_first_files,
    read_manifest,
    read_snapshot,
    restore_database,
    scratch_name,
)
from tasks.trends import keep_drill_figures, publish_trends


@flow(name="drill", flow_run_name="drill {environment} in {target}")
def drill(environment: str, target: str, snapshot: str = "latest", from_offsite: bool = False) -> DrillReport:
    """Restore a backup as a trial, boot a real Odoo on it, and measure RPO and RTO.

    Args:
        environment: Name of the environment whose backup is tried out.
        target: Environment that lends host, PostgreSQL and Odoo to the trial. Never production.
        snapshot: Id of the snapshot, or `latest`.
        from_offsite: Try out the copy in the off-site repository.
    """
    refuse_unfit_target(environment, target, offsite=from_offsite)
    checks: list[Check] = []
    ready_seconds: float | None = None
    manifest: Manifest | None = None
    with environment_locked(target, "drill") as lock:
        create_role(target)
        check_apart(environment, target, check_identity(target, environment, offsite=from_offsite))
        settle_leftovers(target)
        begun, begun_at = time.monotonic(), datetime.now(UTC)
        chosen = read_snapshot(environment, target, snapshot, offsite=from_offsite)
        try:
            with copy_deleted(target, lock):
                manifest = read_manifest(target, chosen)
                scratch = scratch_name(target)
                with snapshot_fetched(target, chosen, manifest, scratch):
                    create_scratch(target, manifest, scratch)
                    restore_database(target, manifest, scratch)
                    checks += compare_database(target, manifest, scratch)
                    prove_first_files(target, scratch)
                checks.append(prove_files(target, manifest, scratch, damaged_accepted=0))
                checks += neutralize_copy(target, manifest.odoo_series, scratch)
                restored_seconds = time.monotonic() - begun
                trial = try_copy(target, scratch, manifest.facts.users_sha256)
                checks += trial.checks
                if trial.ready_seconds is not None:
                    ready_seconds = restored_seconds + trial.ready_seconds
        except CommandFailed as error:
            said = read_refutation(target, chosen, error.output)
            if not said:  # a full disk, a lost PostgreSQL, a repository that is away
                error.say_first(
                    f"The drill of {environment} could not be made to its end, so its backup is neither proved nor "
                    "refuted:"
                )
                raise
            detail = unrestorable_message(chosen.short_id, said)
            checks.append(Check(name="Came to the end", outcome="failed", detail=detail))
        except VerificationFailed as error:
            # what was answered so far is reported, the rest is not measured
            checks.append(Check(name="Came to the end", outcome="failed", detail=str(error)))
        gap_seconds = measure_rpo(environment, target, begun_at, offsite=from_offsite)
        answers, unproved = judge(environment, manifest, checks, gap_seconds, ready_seconds)
        if not unproved:
            answers.append(record_verified(target, chosen, answers))
    report = DrillReport(
        environment=environment,
        target=target,
        snapshot_id=chosen.id,
        taken_at=manifest.taken_at if manifest else chosen.taken_at,
        begun_at=begun_at,
        seconds=time.monotonic() - begun,
        verified=not unproved,
        gap_seconds=gap_seconds,
        recovery_seconds=ready_seconds,
        business=read_business_lines(manifest, answers),
        checks=tuple(answers),
    )
    publish_drill_report(report)
    keep_drill_figures(report)
    publish_trends(environment, return_state=True)  # no drill fails for its picture
    refuse_failures(f"The backup of {environment} did not stand the drill:", answers)
    refuse_unproved(environment, unproved)
    return report
