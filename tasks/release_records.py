"""Releases on record: noted as they are put in place, with what became of them; promoted from there, or taken back."""

from datetime import UTC, datetime

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from blocks import OdooEnvironment
from odoo_ops.adapters import cluster, database
from odoo_ops.adapters.modules import read_database_oid, read_row_changes
from odoo_ops.errors import PreconditionFailed, Refused
from odoo_ops.model.checks import Check, failures, first_of
from odoo_ops.model.release import UNSEEN, ReleasePlan, ReleaseRecord
from odoo_ops.policy import promotions
from odoo_ops.policy import releases as policy
from odoo_ops.policy.ways_back import refuse_way_to_failed, unwell_before, way_back, way_by_backup
from odoo_ops.runtimes import image_releases, release_records
from odoo_ops.runtimes.project import Project
from odoo_ops.runtimes.runtime import Runtime


def planned_record(
    plan: ReleasePlan, scratch: str | None, backup_id: str, present: ReleaseRecord | None
) -> ReleaseRecord:
    """What is put in place of a plan; `scratch` is the database in which its modules were updated.

    `present`: the release that is on record as the present one. Until `note_outcome` says what came of it, it counts
    as one with a failed check: a run that dies on its way leaves no release that seems to be well.
    """
    asked = {fetched.folder: fetched.ref for fetched in plan.addons} | (
        {"image": plan.image.asked} if plan.image else {}
    )
    former = {fetched.folder: fetched.present for fetched in plan.addons}
    images = {}
    if plan.image:
        images = {"image": plan.image.image, "former_image": plan.image.present}
        images |= {"image_commit": plan.image.commit, "former_image_commit": plan.image.present_commit}
    record = ReleaseRecord(
        at=datetime.now(UTC),
        addons=dict(plan.links),
        former=former,
        **images,
        scratch=scratch,
        asked=asked,
        updated=tuple(update.name for update in plan.updates),
        run=flow_run.get_id(),
        backup_id=backup_id,
        unwell=UNSEEN,
    )
    return record.model_copy(update={"former_unwell": unwell_before(record, present)})


@task(cache_policy=NO_CACHE)
def note_cut_over(environment: str, record: ReleaseRecord) -> None:
    """Note what is about to be put in place: if this run dies, the next one of any flow settles it."""
    release_records.write_journal(OdooEnvironment.open(environment), record)


@task(cache_policy=NO_CACHE)
def finish_cut_over(environment: str) -> ReleaseRecord:
    """Lead the links to the new commits, and put the release on record: from here on it is the present one."""
    return release_records.finish(OdooEnvironment.open(environment))


@task(cache_policy=NO_CACHE)
def note_outcome(environment: str, down_seconds: float | None, checks: list[Check]) -> None:
    """Put on record how long Odoo did not serve people for the present release, and which checks failed since."""
    runtime = OdooEnvironment.open(environment)
    unwell = first_of(failures(checks)) or None
    release_records.note_outcome(runtime, _read_records(runtime)[-1], down_seconds, unwell)


@task(cache_policy=NO_CACHE)
def read_present_release(environment: str) -> ReleaseRecord | None:
    """The release that is on record as the present one; None: there is none yet."""
    records = release_records.read_records(OdooEnvironment.open(environment))
    return records[-1] if records else None


@task(cache_policy=NO_CACHE)
def read_last_release(environment: str) -> ReleaseRecord:
    """The last release. Raises PreconditionFailed where nothing was released yet."""
    return _read_records(OdooEnvironment.open(environment))[-1]


@task(cache_policy=NO_CACHE)
def read_way_back(environment: str, to: str) -> ReleaseRecord:
    """What is taken back, as one release: the last one, or all that came after the release of a moment.

    Raises as `policy.ways_back` and `read_last_release` do, and PreconditionFailed where the database is another one
    than at that moment.
    """
    runtime = OdooEnvironment.open(environment)
    record = way_back(environment, _read_records(runtime), to)
    if to:
        with database.connect(runtime.host, runtime.environment.database) as connection:
            present = read_database_oid(connection)
        if present != record.database_oid:
            raise PreconditionFailed(
                f"The database is not the one that was there at the release of {to}: something else, such as a "
                "restore, came after it. Nothing was changed. Next step: release its commits or image; that looks at "
                "whether they fit the database."
            )
    return record


def _read_records(runtime: Runtime) -> tuple[ReleaseRecord, ...]:
    records = release_records.read_records(runtime)
    if not records:
        raise PreconditionFailed(
            f"Nothing was released to {runtime.environment.name} yet. Nothing was changed. Next step: run `release` "
            "for it first."
        )
    return records


@task(cache_policy=NO_CACHE)
def refuse_replaced(environment: str, record: ReleaseRecord) -> None:
    """Raise Refused where something else has put other commits, or another image, in a release's place."""
    if replaced := release_records.replaced_since(OdooEnvironment.open(environment), record):
        raise Refused(
            f"The last release to {environment} was replaced by something else: {first_of(replaced)}. Nothing was "
            "changed. Next step: release that to it, too, so that it is on record, and promote it then."
        )


def refuse_partial(environment: str, record: ReleaseRecord) -> None:
    """Raise Refused where another environment's release is not all that this one takes: commits, or an image."""
    settings = OdooEnvironment.open(environment).environment
    promotions.refuse_partial(settings.name, policy.policy_of(settings), record)


def refuse_unsoaked(environment: str, record: ReleaseRecord, soak_minutes: int, now: datetime) -> None:
    """Raise Refused for a release that has not been in place for its time of soaking."""
    promotions.refuse_unsoaked(environment, record, soak_minutes, now)


@task(cache_policy=NO_CACHE)
def check_way_back(environment: str, record: ReleaseRecord) -> None:
    """Raise PreconditionFailed where what a release replaced is not there, Refused where that did not serve people."""
    runtime = OdooEnvironment.open(environment)
    refuse_way_to_failed(environment, record)
    machine, restore = runtime.machine, f"Nothing was changed. {way_by_backup(record)}"
    if replaced := release_records.replaced_since(runtime, record):
        raise PreconditionFailed(f"The last release was replaced by something else: {first_of(replaced)}. {restore}")
    for folder in filter(None, record.former.values()):
        if not machine.call("describe_path", path=folder)["exists"]:
            raise PreconditionFailed(f"The former commit {folder} is gone. {restore}")
    if record.former_image:
        image_releases.fetch_former(Project.of(machine, runtime.environment), record.former_image)
    if record.kept_database is None:
        return
    with database.connect(runtime.host, runtime.environment.database, "postgres", admin=True) as connection:
        there = cluster.database_exists(connection, record.kept_database)
    if not there:
        raise PreconditionFailed(
            f"The database as it was before the release, {record.kept_database}, is gone: it is kept for "
            f"{runtime.environment.backup.keep_replaced_hours} hours (backup.keep_replaced_hours). {restore}"
        )
    with database.connect(runtime.host, runtime.environment.database) as connection:
        present = read_database_oid(connection)
    if present != record.database_oid:
        raise PreconditionFailed(
            f"The database is not the one that the release put in place: something else, such as a restore, came after "
            f"it. {restore}"
        )


@task(cache_policy=NO_CACHE)
def read_rows_written(environment: str, record: ReleaseRecord) -> dict[str, int]:
    """Tables with rows that were inserted, updated or deleted since a release, and how many."""
    runtime = OdooEnvironment.open(environment)
    with database.connect(runtime.host, runtime.environment.database) as connection:
        return policy.rows_written(record.changes, read_row_changes(connection))


@task(cache_policy=NO_CACHE)
def remove_old_checkouts(environment: str) -> list[str]:
    """Delete commits that are neither in use nor among those that may be wanted again."""
    runtime = OdooEnvironment.open(environment)
    gone = release_records.remove_old_checkouts(runtime, policy.policy_of(runtime.environment))
    for folder in gone:
        get_run_logger().info("Deleted %s, which was released long ago", folder)
    return gone
