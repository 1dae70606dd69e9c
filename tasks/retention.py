"""Forget the backups that no rule keeps, each before its marks."""

from datetime import UTC, datetime

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.commands import upkeep
from odoo_ops.errors import VerificationFailed
from odoo_ops.model.retention import RetentionPlan
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.policy.retention import orphaned_marks, retention_plan, why_not_applied
from odoo_ops.policy.snapshots import backups_with_marks
from odoo_ops.runtimes.runtime import Runtime
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient

# ids are 64 characters long: a command line takes thousands of them
_AT_ONCE = 200

_AFTER_FORGET = (
    "run it again, it plans anew with what is there. "
    "If its server or keys let nothing be deleted, say `append_only: true` for it and forget where full access is."
)


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def plan_retention(environment: str, *, offsite: bool) -> RetentionPlan:
    """Read what the repository holds of an environment and decide on each backup. Nothing is changed."""
    runtime = OdooEnvironment.open(environment, offsite=offsite)
    listed, now = runtime.list_snapshots(environment), datetime.now(UTC)
    lock_days = runtime.repository.object_lock_days
    retention = runtime.environment.backup.retention_of(offsite=offsite)
    plan = retention_plan(backups_with_marks(listed), retention, now, object_lock_days=lock_days)
    gone = {backup.id for backup in plan.forgotten}
    left = [snapshot for snapshot in listed if snapshot.id not in gone]
    return plan.model_copy(update={"marks": len(orphaned_marks(left, now, object_lock_days=lock_days))})


def read_why_not_applied(environment: str, *, dry_run: bool, offsite: bool) -> str | None:
    """Why a plan is not applied to the environment's repository; None: it is."""
    return why_not_applied(OdooEnvironment.open(environment, offsite=offsite).repository, dry_run=dry_run)


@task(cache_policy=NO_CACHE)
def forget_backups(environment: str, plan: RetentionPlan, *, offsite: bool) -> None:
    """Forget the backups that go, and see that they are gone and the others are there.

    Raises CommandFailed when the repository lets nothing be deleted, VerificationFailed when it is not as planned.
    """
    runtime = OdooEnvironment.open(environment, offsite=offsite)
    _forget(runtime, plan.forgotten)
    present = {snapshot.id for snapshot in runtime.list_snapshots(environment)}
    if lost := [backup.short_id for backup in plan.kept if backup.id not in present]:
        raise VerificationFailed(
            f"Backups of {environment} that were to be kept are not in its repository any more: {', '.join(lost)}. "
            "Next step: find out who else forgets or prunes there; their data is there until the next prune "
            "(`restic recover`)."
        )


@task(cache_policy=NO_CACHE)
def forget_orphaned_marks(environment: str, *, offsite: bool) -> None:
    """Forget the marks whose backup is gone: now, or in a run that died before it came to them."""
    runtime = OdooEnvironment.open(environment, offsite=offsite)
    lock_days = runtime.repository.object_lock_days
    listed = runtime.list_snapshots(environment)
    _forget(runtime, orphaned_marks(listed, datetime.now(UTC), object_lock_days=lock_days))


def _forget(runtime: Runtime, snapshots: list[Snapshot]) -> None:
    ids = [snapshot.id for snapshot in snapshots]
    for begin in range(0, len(ids), _AT_ONCE):
        command = upkeep.forget_snapshots(runtime.restic, runtime.repository, ids[begin : begin + _AT_ONCE])
        runtime.host.run(command, next_step=_AFTER_FORGET)
        get_run_logger().info("Forgotten: %s of %s", min(begin + _AT_ONCE, len(ids)), len(ids))
    if not ids:
        return
    left = {snapshot.id for snapshot in runtime.list_snapshots(runtime.environment.name)} & set(ids)
    if left:  # restic says so on stderr and ends with status 0
        raise VerificationFailed(
            f"restic did not forget {', '.join(sorted(name[:8] for name in left))}. Next step: {_AFTER_FORGET}"
        )
