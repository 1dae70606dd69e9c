"""Addons of an environment: fetched, looked at, put in place, put on record, and the way back."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from blocks import OdooEnvironment
from odoo_ops.adapters import cluster, database, odoo_database
from odoo_ops.adapters.modules import read_database_oid, read_installed, read_row_changes
from odoo_ops.errors import PreconditionFailed, Refused, VerificationFailed
from odoo_ops.model.addons import ReleasePolicy
from odoo_ops.model.checks import Check, failures, first_of
from odoo_ops.model.release import UNSEEN, FetchedAddons, ImageChange, ReleasePlan, ReleaseRecord
from odoo_ops.policy import promotions
from odoo_ops.policy import releases as policy
from odoo_ops.policy.commit_checks import unseen_commit
from odoo_ops.policy.space import refuse_without_room
from odoo_ops.policy.wanted_commits import refuse_refs
from odoo_ops.policy.ways_back import refuse_way_to_failed, unwell_before, way_back, way_by_backup
from odoo_ops.runtimes import image_releases, release_records, releases, staging
from odoo_ops.runtimes.commit_checks import check_commit, check_pinned
from odoo_ops.runtimes.project import Project
from odoo_ops.runtimes.runtime import Runtime
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient


def refuse_unfit_request(environment: str, refs: dict[str, str], image: str = "") -> None:
    """Raise Refused where an environment cannot be released, or not what is asked for."""
    settings = OdooEnvironment.open(environment).environment
    release = policy.policy_of(settings)
    policy.refuse_image(settings, image, refs)
    refuse_refs(settings.name, release, refs)


def needs_approval(environment: str, confirm_production: str) -> bool:
    """Whether a person must approve the plan in the UI: it was not done by name."""
    settings = OdooEnvironment.open(environment).environment
    return policy.waits_for_approval(settings) and confirm_production != settings.name


def refuse_unconfirmed(environment: str, confirmed: list[str]) -> None:
    """Raise Refused for an environment whose releases must be approved, and that was not confirmed by name."""
    if needs_approval(environment, environment if environment in confirmed else ""):
        raise Refused(
            f"A release to {environment} must be approved, and no run within another can wait for that. Nothing was "
            "changed. Next step: name it in confirm_production (`roll_out`), or release to it by itself."
        )


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def fetch_addons(environment: str, refs: dict[str, str]) -> tuple[FetchedAddons, ...]:
    """Have the commit of each repository of addons on the host; nothing that is in use changes.

    `refs` says which branch, tag or commit, by the repository's name here or at its forge; without it, it is what the
    environment file says. Of repositories that it does not name the commit stays.
    Raises as `runtimes.releases.fetch` does.
    """
    runtime = OdooEnvironment.open(environment)
    with runtime.machine.agents_kept():
        return tuple(
            releases.fetch(runtime, repository, refs, get_run_logger().info)
            for repository in _policy_of(runtime).addons
        )


def _policy_of(runtime: Runtime) -> ReleasePolicy:
    return policy.policy_of(runtime.environment)


@task(cache_policy=NO_CACHE)
def plan_release(environment: str, addons: tuple[FetchedAddons, ...], image: ImageChange | None = None) -> ReleasePlan:
    """What these commits, or this image, change, and whether they stand the gate; nothing is changed yet."""
    runtime = OdooEnvironment.open(environment)
    instead = {fetched.folder: fetched.checkout for fetched in addons}
    releases.refuse_unnamed_links(runtime, instead)
    with database.connect(runtime.host, runtime.environment.database) as connection:
        installed = read_installed(connection)
    with image_releases.looked_at(runtime, image.image if image else None) as beside:
        found = releases.read_modules(beside, installed, instead)
    before, after = _modules_of(runtime, image) if image else releases.find_modules(runtime, addons)
    pinned = [
        check
        for repository, fetched in zip(_policy_of(runtime).addons, addons, strict=True)
        if fetched.changes
        for check in check_pinned(runtime, repository, fetched.checkout)
    ]
    updates = policy.modules_to_update(installed, found)
    return ReleasePlan(
        environment=environment,
        addons=addons,
        image=image,
        updates=updates,
        dependants=policy.dependants_of([update.name for update in updates], found),
        come=policy.modules_only_in(after, before, installed.versions),
        gone=policy.modules_only_in(before, after, installed.versions),
        checksums={name: facts.checksum for name, facts in found.items()},
        gate=(*policy.judge_modules(installed, found), *pinned, *([unseen_commit()] if image else [])),
    )


def _modules_of(runtime: Runtime, image: ImageChange) -> tuple[list[str], list[str]]:
    """All modules in the present image and in the one that is released. A present one that does not tell bars none."""
    if not image.changes:
        return [], []
    try:
        with image_releases.looked_at(runtime, image.present) as beside:
            before = releases.list_modules(beside)
        with image_releases.looked_at(runtime, image.image) as beside:
            return before, releases.list_modules(beside)
    except VerificationFailed as error:
        get_run_logger().warning("Which modules came with the image, or left it, is not known: %s", error)
        return [], []


@task(cache_policy=NO_CACHE)
def check_commits(environment: str, addons: tuple[FetchedAddons, ...]) -> list[Check]:
    """What programs say of commits that are not in place yet, as far as their repositories ask for it. Never raises."""
    runtime = OdooEnvironment.open(environment)
    foreign = cache(runtime.for_foreign_programs)  # asked for once, and only where a program is run
    return [
        check
        for repository, fetched in zip(_policy_of(runtime).addons, addons, strict=True)
        if fetched.changes
        for check in check_commit(runtime, repository, fetched.checkout, foreign, get_run_logger().info)
    ]


@task(cache_policy=NO_CACHE)
def read_present(environment: str, addons: tuple[FetchedAddons, ...]) -> tuple[FetchedAddons, ...]:
    """The same commits, with where their links lead now: another release may have come since they were fetched.

    Raises PreconditionFailed where such a release removed one of them.
    """
    machine = OdooEnvironment.open(environment).machine
    for fetched in addons:
        if not machine.call("describe_path", path=fetched.checkout)["exists"]:
            raise PreconditionFailed(
                f"{fetched.checkout} is gone: another release came in between. Nothing was changed. Next step: run it "
                "again."
            )
    return tuple(
        fetched.model_copy(update={"present": machine.call("read_link", path=fetched.folder)}) for fetched in addons
    )


def refuse_unfit_plan(plan: ReleasePlan) -> None:
    """Raise Refused for commits that do not stand the gate."""
    policy.refuse_unfit(plan.environment, plan.gate)


def needs_forecast(environment: str, plan: ReleasePlan) -> bool:
    """Whether the environment wants an update of modules to be tried out before people have to wait for it."""
    return bool(plan.updates) and _policy_of(OdooEnvironment.open(environment)).forecast


def downtime_budget(environment: str) -> float:
    """Seconds for which people may have to wait for a release."""
    return _policy_of(OdooEnvironment.open(environment)).downtime_budget_seconds


def judge_downtime(environment: str, parts: Sequence[float | None]) -> Check:
    """Whether what people would wait for is within the environment's downtime budget; seconds, None: not measured."""
    return policy.judge_downtime(parts, downtime_budget(environment))


@task(cache_policy=NO_CACHE)
def refuse_unfit_role(environment: str, plan: ReleasePlan) -> None:
    """Raise PreconditionFailed where modules are to be updated, and nobody may make the copy in which that is done."""
    if plan.updates:
        staging.refuse_unfit_role(OdooEnvironment.open(environment))


@task(cache_policy=NO_CACHE)
def refuse_without_space(environment: str) -> None:
    """Raise PreconditionFailed where a copy of the database finds no room."""
    runtime = OdooEnvironment.open(environment)
    with database.connect(runtime.host, runtime.environment.database) as connection:
        size = odoo_database.read_database_bytes(connection)
    needs = staging.needs_of_staging(runtime, filestore_bytes=0, database_bytes=size)
    refuse_without_room(needs, runtime.host.name)


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
    gone = release_records.remove_old_checkouts(runtime, _policy_of(runtime))
    for folder in gone:
        get_run_logger().info("Deleted %s, which was released long ago", folder)
    return gone
