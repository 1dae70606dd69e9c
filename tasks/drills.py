"""What a drill alone does: choose its target, judge its answers, put on record what was proved."""

import json
from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters import cluster, database
from odoo_ops.commands import restic
from odoo_ops.errors import CommandFailed, PreconditionFailed, TransientError, VerificationFailed
from odoo_ops.model.business import BusinessLine
from odoo_ops.model.checks import Check, first_of
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.snapshot import VERIFIED_TAG, Snapshot
from odoo_ops.policy import drills
from odoo_ops.policy.business import business_lines
from odoo_ops.policy.fences import refuse_drill, refuse_unreachable_repository
from odoo_ops.policy.snapshots import widest_gap_seconds
from odoo_ops.policy.upkeep import lost_pieces, not_as_stored
from odoo_ops.runtimes.copies import refuse_way_out
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient


def refuse_unfit_target(environment: str, target: str, *, offsite: bool) -> None:
    """Raise Refused for production, for the environment itself, and for one that cannot reach the repository.

    And for one whose containers an Odoo on a copy could leave.
    """
    theirs, ours = OdooEnvironment.open(environment, offsite=offsite), OdooEnvironment.open(target)
    refuse_drill(theirs.environment, ours.environment)
    same_host = theirs.host.host.same_machine(ours.host.host)
    refuse_unreachable_repository(theirs.environment, ours.environment, theirs.repository, same_host=same_host)
    refuse_way_out(ours)


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def create_role(target: str) -> None:
    """Make the target's role where PostgreSQL has none of that name, and the target names an administrator.

    One that is there keeps its password: a mistake in the environment file must not lock another Odoo out.
    """
    runtime = OdooEnvironment.open(target)
    settings = runtime.environment.database
    if settings.admin_user is None:
        return
    with database.connect(runtime.host, settings, "postgres", admin=True) as connection:
        if not cluster.role_exists(connection, settings.user):
            cluster.ensure_role(connection, settings.user, settings.password)


@task(cache_policy=NO_CACHE)
def read_refutation(target: str, snapshot: Snapshot, output: str) -> list[str]:
    """What restic said that refutes a backup: it read something else than was stored, or cannot find it.

    Nothing where it says no such thing, or where the repository does not open now: then it may only be away.
    """
    if said := not_as_stored(output):
        return said
    lost = lost_pieces(output)
    try:
        return lost if lost and OdooEnvironment.open_for(target, snapshot).try_to_open() else []
    except (PreconditionFailed, TransientError):
        return []


def refuse_unproved(environment: str, unproved: list[str]) -> None:
    """Raise VerificationFailed when nothing failed but not every question was answered: that proves nothing."""
    if unproved:
        raise VerificationFailed(
            f"The backup of {environment} is not proved; not measured: {first_of(unproved)}. "
            "Next step: read the drill's report, then mend what kept these questions from being asked."
        )


def judge(
    environment: str,
    manifest: Manifest | None,
    checks: list[Check],
    gap_seconds: float | None,
    recovery_seconds: float | None,
) -> tuple[list[Check], list[str]]:
    """Every question with its answer, objectives last; and those that keep the snapshot from being verified.

    Missed objectives are failures of the run, not of the snapshot.
    """
    answers = drills.all_answers(checks)
    objectives = OdooEnvironment.open(environment).environment.objectives
    measured = drills.judge_objectives(objectives, gap_seconds, recovery_seconds)
    attachments, modules = (manifest.inventory.attachments, manifest.facts.modules) if manifest else (1, {})
    return [*answers, *measured], drills.unproved(answers, attachments=attachments, modules=modules)


def read_business_lines(manifest: Manifest | None, answers: list[Check]) -> tuple[BusinessLine, ...]:
    """The business in the backup, for a manager to read."""
    return tuple(business_lines(manifest.business, answers)) if manifest else ()


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def measure_rpo(environment: str, target: str, now: datetime, *, offsite: bool) -> float | None:
    """The longest time, in seconds, for which the environment's work was not backed up within the last week."""
    backups = OdooEnvironment.open(target, repository_of=environment, offsite=offsite).snapshots(environment)
    return widest_gap_seconds([backup.taken_at for backup in backups if backup.proved], now)


@task(cache_policy=NO_CACHE)
def record_verified(target: str, snapshot: Snapshot, answers: list[Check]) -> Check:
    """Put on record, beside the snapshot, that a drill verified it; a second time changes nothing.

    Returns a check that fails where the repository does not take it: what the drill proved is true all the same.
    """
    if snapshot.verified:
        return Check(name=drills.RECORDED, outcome="passed", detail="it was already")
    runtime = OdooEnvironment.open_for(target, snapshot)
    command = restic.store_mark(
        runtime.restic,
        runtime.repository,
        host=snapshot.environment,
        snapshot=snapshot.first_id,
        tree=snapshot.tree,
        mark=VERIFIED_TAG,
        text=json.dumps([answer.model_dump() for answer in answers], indent=1),
    )
    try:
        runtime.host.run(command)
    except CommandFailed as error:
        return Check(name=drills.RECORDED, outcome="failed", detail=error.output)
    return Check(name=drills.RECORDED, outcome="passed", detail=f"beside {snapshot.short_id}")
