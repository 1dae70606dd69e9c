"""Release addons to an environment: all of it is put in place, or nothing is.

The commits of the repositories of addons are fetched beside those in use, and Odoo itself says what it makes of them:
that is the gate. Modules whose files are not those that were installed make the update set. The plan is published; in
production, or where the environment says so, the run waits until somebody approves it in the UI, and is made anew then.
The repositories' own checks are run, as what was pushed is foreign until then. A backup is taken. Where the environment
asks for a forecast, the update is tried out on a copy of that, while people go on working. Then Odoo is stopped; where
modules are updated, that is done in a copy of database and filestore, which is booted and looked at before anybody else
sees it, and swapped in by rename. At last the addons' links are led to the new commits, Odoo is started, and every
layer is looked at.

Until the swap a failure changes nothing but the time for which Odoo was away. A release that does not serve people is
taken back: the former database, filestore and commits; what was replaced is kept for a while in either case. Another
layer that fails since, or what could not be tidied up, ends the run in a state named `ReleasedUnwell`, and is on record
until the same is released once more and every layer is well. A run that died is settled by the next run of any flow:
undone before the swap, finished after it.

Releases to one environment are made one after the other: the next one is planned when the one before is in place. Of
pushes the newest is released, in whatever order their runs come: one whose branch or tag leads elsewhere by now changes
nothing.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows._cut_over import cut_over, replace_beside, told_when_it_fails
from flows.backup import backup
from flows.forecast import fetched_image, fetched_plan, forecast
from odoo_ops.errors import OdooOpsError
from odoo_ops.model.checks import Check
from odoo_ops.model.release import RELEASED_UNWELL, SUPERSEDED, UNRELEASED, ImageChange, ReleasePlan
from odoo_ops.model.release_reports import ReleaseReport
from odoo_ops.policy.fences import refuse_mistyped
from odoo_ops.policy.pushes import refuse_pushes
from tasks.approvals import refuse_another, refuse_unanswerable, wait_for_approval
from tasks.health import check_health
from tasks.identity import check_identity
from tasks.images import keep_images
from tasks.leftovers import settle_leftovers
from tasks.locks import environment_locked, releases_queued
from tasks.pushes import read_later_push
from tasks.release_records import note_outcome, read_present_release, remove_old_checkouts
from tasks.releases import (
    check_commits,
    needs_approval,
    needs_forecast,
    plan_release,
    read_present,
    refuse_unfit_plan,
    refuse_unfit_request,
    refuse_unfit_role,
    refuse_without_space,
)
from tasks.reports import publish_release_plan, publish_release_report, told_failures
from tasks.services import refuse_without_service
from tasks.smoke import check_in_use

_APPROVAL_SECONDS = 24 * 3600


@flow(name="release", flow_run_name="release {environment}")
def release(
    environment: str,
    refs: dict[str, str] | None = None,
    dry_run: bool = False,
    confirm_production: str = "",
    image: str = "",
    pushed_to: dict[str, str] | None = None,
    approved: str = "",
) -> "ReleaseReport | State":
    """Put commits of addons, or an image with them, in place, with their modules updated, or leave all as it was.

    Args:
        environment: Name of the environment, as it was registered.
        refs: Branch, tag or commit to release, by the name of the repository of addons: the last part of its folder, or
            what its forge calls it, such as acme/addons. Others keep their commits. Left out: the environment file's.
        dry_run: Only show the plan. A run that finds something to release ends in a state named `Unreleased`.
        confirm_production: To release without being asked in the UI where a release must be approved, as in production
            unless its file says otherwise, write the environment's name.
        image: Image of Odoo with its addons, by tag or digest, for a compose project that `provision` made. Left out:
            the environment file's.
        pushed_to: Branch or tag to which a commit in refs, or the image's, was pushed, such as refs/heads/main, by the
            name of its repository. Where that leads elsewhere by now, or a later push asked for another image, nothing
            is changed, and the run ends in a state named `Superseded`.
        approved: The plan that was approved, as its page calls it. What has become another one is refused.
    """
    begun, refs, pushed_to = time.monotonic(), refs or {}, pushed_to or {}
    refuse_mistyped([confirm_production], [environment])
    refuse_unfit_request(environment, refs, image)
    refuse_pushes(environment, refs, image, pushed_to)
    refuse_without_service(environment)
    if not dry_run and needs_approval(environment, confirm_production):
        refuse_unanswerable(environment)
    with nullcontext() if dry_run else releases_queued(environment):
        if why := read_later_push(environment, refs, image, pushed_to):
            return Completed(name=SUPERSEDED, message=why)
        plan = planned(environment, refs, image)
        if dry_run or plan.empty:
            seen = [] if dry_run else _seen_again(environment)
            report = ReleaseReport(
                environment=environment,
                seconds=time.monotonic() - begun,
                plan=plan,
                applied=False,
                checks=(*plan.gate, *seen),
            )
            publish_release_report(report)
            refuse_unfit_plan(plan)
            return _ended(report) if plan.empty else Completed(name=UNRELEASED, message=plan.summary, data=report)
        publish_release_plan(plan)
        checked = list[Check]()
        with ExitStack() as held:
            with told_when_it_fails(plan, begun, checked):
                if approved:
                    refuse_another(environment, plan.digest, approved)
                refuse_unfit_plan(plan)
                refuse_unfit_role(environment, plan)
                if needs_approval(environment, confirm_production):
                    wait_until_approved(plan)
                checked += check_commits(environment, plan.addons)
                plan = plan.model_copy(update={"gate": (*plan.gate, *checked)})
                refuse_unfit_plan(plan)
                backup_id = backup(environment).snapshot_id
                if needs_forecast(environment, plan):
                    forecast(environment, refs=plan.commits, image=plan.image.image if plan.image else "")
                lock = held.enter_context(environment_locked(environment, "release"))
                check_identity(environment, needs_repository=False)
                settle_leftovers(environment)
                if why := read_later_push(environment, refs, image, pushed_to):
                    return Completed(name=SUPERSEDED, message=why)
                present = read_present(environment, plan.addons)
                anew = plan_release(environment, present, _present_image(environment, plan))
                refuse_another(environment, anew.digest, plan.digest)
                refuse_unfit_plan(anew)
                if plan.updates:
                    refuse_without_space(environment)
            put = replace_beside if plan.beside else cut_over
            report = put(environment, plan, lock, begun, backup_id)
            report = report.model_copy(update={"checks": (*report.checks, *_tidied(environment, report))})
        publish_release_report(report)
        return _ended(report)


def _tidied(environment: str, report: ReleaseReport) -> list[Check]:
    """Keep the image for a rollback, delete old commits, put on record what came of the release.

    What fails there takes no release back, and keeps nothing else from being tidied: a check says it.
    """
    failed = _failed("Former images are kept", lambda: keep_images(environment))
    failed += _failed("Old commits are deleted", lambda: remove_old_checkouts(environment))
    outcome = [*report.checks, *failed]
    noted = _failed("What came of it is on record", lambda: note_outcome(environment, report.down_seconds, outcome))
    return [*failed, *noted]


def _failed(name: str, step: Callable[[], object]) -> list[Check]:
    try:
        step()
    except OdooOpsError as error:
        return [Check(name=name, outcome="failed", detail=str(error))]
    return []


def _seen_again(environment: str) -> list[Check]:
    """Look again at a release that is in place, but with a failed check, or whose run died before all were made.

    Where all is well now, that is on record.
    """
    with environment_locked(environment, "look at a release again"):
        present = read_present_release(environment)
        if present is None or present.unwell is None:
            return []
        seen = [*check_health(environment), check_in_use(environment)]
        note_outcome(environment, present.down_seconds, seen)
        return seen


def _ended(report: ReleaseReport) -> ReleaseReport | State:
    """The report, or a state that tells of its failed checks."""
    stands = "was released and serves people" if report.applied else "has it in place already"
    unwell = told_failures(f"{report.environment} {stands}, but", list(report.checks))
    return Completed(name=RELEASED_UNWELL, message=unwell, data=report) if unwell else report


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
