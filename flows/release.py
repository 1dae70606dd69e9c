"""Release addons to an environment: all of it is put in place, or nothing is.

The commits of the repositories of addons are fetched beside those in use, and Odoo itself says what it makes of them:
that is the gate. Modules whose files are not those that were installed make the update set. The plan is published;
where production is changed, the run waits until somebody approves it in the UI, and is made anew then. The
repositories' own checks are run, as what was pushed is foreign until then. A backup is taken. Where the environment
asks for a forecast, the update is tried out on a copy of that, while people go on working. Then Odoo is stopped; where
modules are updated, that is done in a copy of database and filestore, which is booted and looked at before anybody
else sees it, and swapped in by rename. At last the addons' links are led to the new commits, Odoo is started, and
every layer is looked at.

Until the swap a failure changes nothing but the time for which Odoo was away. A release that does not serve people is
taken back: the former database, filestore and commits; what was replaced is kept for a while in either case. Another
layer that fails since marks the run. A run that died is settled by the next run of any flow: undone before the swap,
finished after it.

Of pushes the newest is released, in whatever order their runs come: one whose branch or tag leads elsewhere by now
changes nothing.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NoReturn

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.backup import backup
from flows.forecast import fetched_image, fetched_plan, forecast
from odoo_ops.adapters.host import HeldLock
from odoo_ops.errors import OdooOpsError, PermanentError, VerificationFailed
from odoo_ops.model.checks import Check, failures, first_of
from odoo_ops.model.release import SUPERSEDED, ImageChange, ReleasePlan, ReleaseRecord, ReleaseReport
from odoo_ops.policy.health import answered_by_restart, lost_by_release, serving
from odoo_ops.policy.pushes import refuse_pushes
from odoo_ops.policy.releases import judge_finished
from tasks.approvals import refuse_another, wait_for_approval
from tasks.health import check_health
from tasks.identity import check_identity
from tasks.images import (
    check_beside,
    close_site,
    open_site_again,
    start_beside,
    take_over,
)
from tasks.leftovers import settle_leftovers
from tasks.locks import environment_locked
from tasks.modules import clone_data, refuse_written_meanwhile, try_release, update_modules
from tasks.pushes import read_later_push
from tasks.releases import (
    check_commits,
    finish_cut_over,
    needs_approval,
    needs_forecast,
    note_cut_over,
    plan_release,
    planned_record,
    read_present,
    read_release_of,
    refuse_unfit_plan,
    refuse_unfit_request,
    refuse_without_space,
    remove_old_checkouts,
)
from tasks.reports import publish_release_plan, publish_release_report, refuse_failures
from tasks.restores import kept_name, scratch_name, swap_in
from tasks.services import CAME_BACK, check_odoo_came_back, refuse_without_service, start_odoo, stop_odoo

_APPROVAL_SECONDS = 24 * 3600
_WAIT_MINUTES = 10


@flow(name="release", flow_run_name="release {environment}")
def release(
    environment: str,
    refs: dict[str, str] | None = None,
    dry_run: bool = False,
    confirm_production: str = "",
    image: str = "",
    pushed_to: dict[str, str] | None = None,
) -> "ReleaseReport | State":
    """Put commits of addons, or an image with them, in place, with their modules updated, or leave all as it was.

    Args:
        environment: Name of the environment, as it was registered.
        refs: Branch, tag or commit to release, by the name of the repository of addons: the last part of its folder, or
            what its forge calls it, such as acme/addons. Others keep their commits. Left out: the environment file's.
        dry_run: Only show the plan. A run that finds something to release ends in a state named `Unreleased`.
        confirm_production: To release to production without being asked in the UI, write its name.
        image: Image of Odoo with its addons, by tag or digest, for a compose project that `provision` made. Left out:
            the environment file's.
        pushed_to: Branch or tag to which a commit in refs was pushed, such as refs/heads/main, by the same name. Where
            it leads elsewhere by now, nothing is changed, and the run ends in a state named `Superseded`.
    """
    begun, refs, pushed_to = time.monotonic(), refs or {}, pushed_to or {}
    refuse_unfit_request(environment, refs, image)
    refuse_pushes(environment, refs, pushed_to)
    refuse_without_service(environment)
    if why := read_later_push(environment, refs, pushed_to):
        return Completed(name=SUPERSEDED, message=why)
    plan = planned(environment, refs, image)
    if dry_run or plan.empty:
        report = ReleaseReport(
            environment=environment, seconds=time.monotonic() - begun, plan=plan, applied=False, checks=plan.gate
        )
        publish_release_report(report)
        refuse_unfit_plan(plan)
        return report if plan.empty else Completed(name="Unreleased", message=plan.summary, data=report)
    publish_release_plan(plan)
    refuse_unfit_plan(plan)
    if needs_approval(environment, confirm_production):
        wait_until_approved(plan)
    plan = plan.model_copy(update={"gate": (*plan.gate, *check_commits(environment, plan.addons))})
    refuse_unfit_plan(plan)
    backup(environment)
    if needs_forecast(environment, plan):
        forecast(environment, refs=plan.commits, image=plan.image.image if plan.image else "")
    with environment_locked(environment, "release") as lock:
        check_identity(environment, needs_repository=False)
        settle_leftovers(environment)
        if why := read_later_push(environment, refs, pushed_to):
            return Completed(name=SUPERSEDED, message=why)
        anew = plan_release(environment, read_present(environment, plan.addons), _present_image(environment, plan))
        refuse_another(environment, anew.digest, plan.digest)
        refuse_unfit_plan(anew)
        refuse_without_space(environment)
        put = _take_over if plan.beside else _cut_over
        report = put(environment, plan, lock, begun)
        remove_old_checkouts(environment)
    publish_release_report(report)
    refuse_failures(f"{environment} was released and serves people, but", list(report.checks))
    return report


def planned(environment: str, refs: dict[str, str], image: str = "") -> ReleasePlan:
    """Settle what a dead run left, fetch commits or image, and see what they would change."""
    with environment_locked(environment, "plan a release"):
        check_identity(environment, needs_repository=False)
        settle_leftovers(environment)
        return fetched_plan(environment, refs, image)


def _present_image(environment: str, plan: ReleasePlan) -> ImageChange | None:
    """The plan's image again, with what runs now: another release may have come since."""
    if plan.image is None:
        return None
    return fetched_image(environment, plan.image.image).model_copy(update={"asked": plan.image.asked})


def wait_until_approved(plan: ReleasePlan) -> None:
    """End the process until somebody approves the plan in the UI; then the run begins anew, with this answered."""
    name = plan.environment
    wait_for_approval(name, plan.summary, f"release-{name}", plan.digest, _APPROVAL_SECONDS)


def _cut_over(environment: str, plan: ReleasePlan, lock: HeldLock, begun: float) -> ReleaseReport:
    before, stopped = check_health(environment), time.monotonic()
    try:
        record, checks = _update_and_put_in_place(environment, plan, lock)
    except PermanentError as error:
        _prove_former(environment, before, error)
        raise
    came_back = start_again(environment)
    down_seconds = time.monotonic() - stopped
    after = check_health(environment)
    if found := failures([came_back, *lost_by_release(before, after)]):
        _take_back(environment, record, lock, found)
    return ReleaseReport(
        environment=environment,
        seconds=time.monotonic() - begun,
        plan=plan,
        applied=True,
        down_seconds=down_seconds,
        kept_database=record.kept_database,
        checks=(*plan.gate, *checks, came_back, *answered_by_restart(before, after)),
    )


def _take_over(environment: str, plan: ReleasePlan, lock: HeldLock, begun: float) -> ReleaseReport:
    """Let a new Odoo take over from the present one while people work; no request fails."""
    before = check_health(environment)
    record, checks = put_beside(environment, planned_record(plan, None), lock)
    after = check_health(environment)
    if found := failures(lost_by_release(before, after)):
        _take_back(environment, record, lock, found)
    return ReleaseReport(
        environment=environment,
        seconds=time.monotonic() - begun,
        plan=plan,
        applied=True,
        checks=(*plan.gate, *checks, *answered_by_restart(before, after)),
    )


def _update_and_put_in_place(environment: str, plan: ReleasePlan, lock: HeldLock) -> tuple[ReleaseRecord, list[Check]]:
    """Put the release in place of a database and addons that nobody uses. Odoo is to be started then."""
    checks: list[Check] = []
    scratch = scratch_name(environment) if plan.updates else None
    with odoo_stopped(environment, lock):
        if scratch:
            changes = clone_data(environment, scratch)
            checks += update_modules(environment, scratch, plan)
            checks += try_release(environment, scratch, plan)
            refuse_written_meanwhile(environment, changes)
        lock.check()
        record, placed = put_in_place(environment, planned_record(plan, scratch), lock)
    return record, [*checks, *placed]


@contextmanager
def odoo_stopped(environment: str, lock: HeldLock) -> Iterator[None]:
    """Stop Odoo for the block. Whatever ends that too early, what was begun is settled, and Odoo started."""
    with _settled_when_it_fails(environment, lock):
        close_site(environment)
        stop_odoo(environment)
        yield


@contextmanager
def _settled_when_it_fails(environment: str, lock: HeldLock) -> Iterator[None]:
    done = False
    try:
        yield
        done = True
    finally:
        if not done:
            lock.check()
            settle_leftovers(environment)


def put_in_place(environment: str, record: ReleaseRecord, lock: HeldLock) -> tuple[ReleaseRecord, list[Check]]:
    """Note what is put in place, swap the data in, if there is any, and lead the links, while Odoo is stopped.

    Returns what is on record. Where that stopped past the swap it is finished by settling it, and a check says so.
    """
    kept = kept_name(environment) if record.scratch else None
    try:
        note_cut_over(environment, record.model_copy(update={"kept_database": kept}))
        if record.scratch and kept:
            swap_in(environment, record.scratch, kept, start=False)
        return finish_cut_over(environment), []
    except OdooOpsError as error:
        return _settled(environment, record, lock, error)


def put_beside(environment: str, record: ReleaseRecord, lock: HeldLock) -> tuple[ReleaseRecord, list[Check]]:
    """Start an Odoo with the record's image beside the present one, look at it, and let it take over.

    Whatever ends that before the image is noted: the present one goes on, and the new one is removed. Past that it is
    finished by settling it, and a check says so.
    """
    with _settled_when_it_fails(environment, lock):
        try:
            note_cut_over(environment, record)
            answers = check_beside(environment, start_beside(environment, record))
            lock.check()
            placed = finish_cut_over(environment)
            return placed, [answers, take_over(environment)]
        except OdooOpsError as error:
            return _settled(environment, record, lock, error)


def _settled(
    environment: str, record: ReleaseRecord, lock: HeldLock, error: OdooOpsError
) -> tuple[ReleaseRecord, list[Check]]:
    """Settle a release that stopped half in place. Raises the error where that undid it."""
    lock.check()
    settle_leftovers(environment)
    placed = read_release_of(environment, record.at)
    if placed is None:
        raise error
    return placed, [judge_finished(str(error))]


def start_again(environment: str) -> Check:
    """Start Odoo and wait for it. Never raises for one that does not start: the check says it."""
    try:
        start_odoo(environment)
    except PermanentError as error:
        return Check(name=CAME_BACK, outcome="failed", detail=str(error))
    came_back = check_odoo_came_back(environment, _WAIT_MINUTES)
    if came_back.outcome == "passed":
        open_site_again(environment)
    return came_back


def _prove_former(environment: str, before: Sequence[Check], error: PermanentError) -> None:
    """The former release serves people again: nothing of it was changed. Raises VerificationFailed if it does not."""
    get_run_logger().error("Not released: %s", error)
    came_back = check_odoo_came_back(environment, _WAIT_MINUTES)
    if found := failures([came_back, *lost_by_release(before, check_health(environment))]):
        raise VerificationFailed(
            f"The release failed ({error}), and Odoo does not serve people since it was started again: "
            f"{first_of(found)}. Next step: read Odoo's log."
        ) from error


def _take_back(environment: str, record: ReleaseRecord, lock: HeldLock, found: list[str]) -> NoReturn:
    """Put the former release back, and raise VerificationFailed that says why, and how that is."""
    get_run_logger().error("Taking it back: %s", first_of(found))
    former = record.reversed(datetime.now(UTC), first_of(found))
    try:
        back, checks = (put_beside if record.beside else _put_back)(environment, former, lock)
    except OdooOpsError as error:
        raise VerificationFailed(
            f"The release does not serve people: {first_of(found)}. It could not be taken back, and is in place: "
            f"{error} Next step: mend that, and run `rollback`."
        ) from error
    still = failures(serving(check_health(environment)))
    now = f"It does not serve people, either: {first_of(still)}" if still else "It serves people again"
    but = f" But {first_of(failed)}." if (failed := failures(checks)) else ""
    written = f" What was written meanwhile is in the database {back.kept_database}." if back.kept_database else ""
    raise VerificationFailed(
        f"The release did not serve people: {first_of(found)}. The former one was put back. {now}.{but}{written} "
        "Next step: mend the addons, push, and release again."
    )


def _put_back(environment: str, former: ReleaseRecord, lock: HeldLock) -> tuple[ReleaseRecord, list[Check]]:
    with odoo_stopped(environment, lock):
        back, checks = put_in_place(environment, former, lock)
    return back, [*checks, start_again(environment)]
