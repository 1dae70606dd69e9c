"""Release to one environment exactly what another one has had in place for a while, and runs well with.

Where refs or an image are named, they are released to the first one now, and a run of its own goes on when they have
been there for the time of soaking; none does where a check failed there.

What was released to the first one is read from its own record, so it is the commits, or the image, that were tried
there, whatever their branches or its tag lead to by now. No check may have failed there, unless all was well when the
same was released once more. They must have been in place for the time of soaking, and each layer of it must be well.
Then they are released to the second one, as `release` does it: gate, plan, approval in production, backup, copy, swap.
At last what that got is compared with what was tried: commits or image, and the commit of which that was made.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.release import planned, release, wait_until_approved
from odoo_ops.model.release import RELEASED_UNWELL, UNRELEASED
from odoo_ops.model.release_reports import ReleaseReport
from odoo_ops.policy.fences import refuse_mistyped
from odoo_ops.policy.promotions import judge_promoted, refuse_other_release, refuse_unwell, released_commits
from tasks.approvals import refuse_unanswerable
from tasks.health import check_health
from tasks.later_runs import run_again_after
from tasks.release_records import read_last_release, refuse_partial, refuse_replaced, refuse_unsoaked
from tasks.releases import needs_approval, refuse_unconfirmed, refuse_unfit_plan, refuse_unfit_request
from tasks.reports import publish_release_plan, refuse_failures


@flow(name="promote", flow_run_name="promote {source} to {target}")
def promote(
    source: str,
    target: str,
    soak_minutes: Annotated[int, Field(ge=0)] = 24 * 60,
    dry_run: bool = False,
    confirm_production: str = "",
    refs: dict[str, str] | None = None,
    image: str = "",
    tried: str = "",
) -> State:
    """Release what an environment has in place to another one; what is named, to the first one before.

    Args:
        source: Name of the environment where it was tried, such as staging.
        target: Name of the environment that gets it, such as production.
        soak_minutes: It must have been in place there for so long.
        dry_run: Only show the plan of what is released next. A run that finds something to release ends in a state
            named `Unreleased`.
        confirm_production: To release without being asked in the UI where a release must be approved, as in production
            unless its file says otherwise, write the target's name.
        refs: Branch, tag or commit to release to the source now, by the name of its repository of addons. The run then
            ends in a state named `Soaking`, and another one goes on after the time of soaking. Where a check failed
            there it ends in `ReleasedUnwell`, and nothing goes on.
        image: Image to release to the source now, in the same way.
        tried: Moment of the release that the source must have in place; another one is refused. Left out: whichever
            it has.
    """
    refuse_mistyped([confirm_production], [target])
    if refs or image:
        refuse_unfit_request(source, refs or {}, image)
        refuse_unfit_request(target, refs or {}, image)
        if not dry_run:
            refuse_unconfirmed(source, [])
        released = release(source, refs=refs, image=image, dry_run=dry_run, return_state=True)
        if not released.is_completed() or released.name in (UNRELEASED, RELEASED_UNWELL):
            return _as_own(released)
        if not dry_run:
            return _soak(source, target, soak_minutes, confirm_production)
    asks = not dry_run and needs_approval(target, confirm_production)
    if asks:
        refuse_unanswerable(target)
    record = read_last_release(source)
    refuse_other_release(source, record, tried)
    refuse_unwell(source, record)
    refuse_replaced(source, record)
    refuse_unsoaked(source, record, soak_minutes, datetime.now(UTC))
    refuse_failures(f"{source} is not well, so nothing of it is released to {target}:", check_health(source))
    refuse_partial(target, record)
    commits, tried_image = released_commits(record), record.image or ""
    refuse_unfit_request(target, commits, tried_image)
    approved = ""
    if asks:
        plan = planned(target, commits, tried_image)
        publish_release_plan(plan)
        refuse_unfit_plan(plan)
        if not plan.empty:
            wait_until_approved(plan)  # asked here: Prefect suspends no flow within another
        confirm_production, approved = target, plan.digest
    released = release(
        target,
        refs=commits,
        image=tried_image,
        dry_run=dry_run,
        confirm_production=confirm_production,
        approved=approved,
        return_state=True,
    )
    own, report = _as_own(released), released.result()
    if isinstance(report, ReleaseReport):
        promoted = judge_promoted(record, report.plan)
        refuse_failures(f"What was released to {target} is not what {source} has:", [promoted])
    return own


def _as_own(released: State) -> State:
    """The end of a release as this run's: of another run's state Prefect takes neither name nor message.

    Raises what a failed one raised.
    """
    released.result()
    return Completed(name=released.name, message=released.message, data=released)


def _soak(source: str, target: str, soak_minutes: int, confirm_production: str) -> State:
    """Have the rest done when what was just released has been in place for long enough, in a run that names it.

    Never in this run: what asks in the UI begins anew when it is answered, and would release to the source again.
    """
    record = read_last_release(source)
    told = {"source": source, "target": target, "soak_minutes": soak_minutes, "tried": record.moment}
    nothing_new: dict[str, object] = {"refs": None, "image": "", "dry_run": False}
    soaked_at = record.at + timedelta(minutes=soak_minutes)
    goes_on = run_again_after(soaked_at, {**told, "confirm_production": confirm_production, **nothing_new})
    return Completed(name="Soaking", message=f"{source} has it; {target} is to get it next: {goes_on}")
