"""What is released to an environment: whether it may be, fetched, looked at, planned."""

from collections.abc import Sequence
from functools import cache

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters import database, odoo_database
from odoo_ops.adapters.modules import read_installed
from odoo_ops.errors import OdooOpsError, PreconditionFailed, Refused
from odoo_ops.model.addons import ReleasePolicy
from odoo_ops.model.checks import Check
from odoo_ops.model.release import FetchedAddons, ImageChange, ReleasePlan
from odoo_ops.policy import releases as policy
from odoo_ops.policy.commit_checks import unseen_commit
from odoo_ops.policy.space import refuse_without_room
from odoo_ops.policy.wanted_commits import refuse_refs
from odoo_ops.runtimes import image_releases, releases, staging
from odoo_ops.runtimes.commit_checks import check_commit, check_pinned
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
    except OdooOpsError as error:
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
