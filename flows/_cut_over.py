"""How a release takes the place of the one before, and is taken back where it serves nobody: a part of the flow.

Either Odoo is stopped, and database, filestore and links are swapped; where nginx is the project's own, it sends people
away until every layer was looked at. Or a new Odoo, in whose image no module is updated, is started beside the present
one and takes over. What dies is settled by the next run of any flow.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import NoReturn

from prefect import get_run_logger

from blocks.prefect_api import PREFECT_AWAY
from flows._put_in_place import (
    let_in,
    odoo_stopped,
    put_beside,
    put_in_place,
    start,
    start_again,
)
from flows._settle import WAIT_MINUTES, settled_whatever_ends_it
from odoo_ops.adapters.held_locks import HeldLock, LockLost
from odoo_ops.errors import OdooOpsError, VerificationFailed
from odoo_ops.model.checks import Check, failures, first_of
from odoo_ops.model.release import ReleasePlan, ReleaseRecord
from odoo_ops.model.release_reports import ReleaseReport
from odoo_ops.policy.health import answered_by_release, answered_by_restart, lost_by_release, serving
from tasks.health import check_health
from tasks.images import in_image
from tasks.modules import clone_data, try_release, update_modules
from tasks.release_records import planned_record, read_present_release
from tasks.releases import downtime_budget
from tasks.reports import publish_release_report
from tasks.restores import scratch_name
from tasks.services import check_odoo_came_back
from tasks.smoke import actions_held_off, check_in_use


def cut_over(environment: str, plan: ReleasePlan, lock: HeldLock, begun: float, backup_id: str) -> ReleaseReport:
    """Stop Odoo, update modules in a copy of its data, swap that in, look at it, and let people see it."""
    former, before = _looked_at(plan, begun)
    stopped = time.monotonic()
    with _former_proved_when_it_fails(plan, former, before, begun):
        record, checks = _update_and_put_in_place(environment, plan, lock, backup_id, former)
    looked_at = list[Check]()
    with ExitStack() as held, told_when_it_fails(plan, begun, looked_at, lambda: _is_present(environment, record)):
        with settled_whatever_ends_it(environment, lock):
            held.enter_context(actions_held_off(environment))
            came_back, found = _let_in_when_well(environment, before, looked_at)
        if found:
            _take_back(environment, record, lock, found)
        down_seconds = time.monotonic() - stopped
        after, in_use = check_health(environment), check_in_use(environment)
        looked_at += [*after, in_use]
        if found := failures([came_back, *lost_by_release(before, after), in_use]):
            _take_back(environment, record, lock, found)
    return ReleaseReport(
        environment=environment,
        seconds=time.monotonic() - begun,
        plan=plan,
        applied=True,
        down_seconds=down_seconds,
        kept_database=record.kept_database,
        checks=(*plan.gate, *checks, came_back, *answered_by_release(before, after), in_use),
    )


def replace_beside(environment: str, plan: ReleasePlan, lock: HeldLock, begun: float, backup_id: str) -> ReleaseReport:
    """Let a new Odoo take over from the present one while people work; no request fails."""
    former, before = _looked_at(plan, begun)
    with _former_proved_when_it_fails(plan, former, before, begun):
        record, checks = put_beside(environment, planned_record(plan, None, backup_id, former), lock, new=True)
    looked_at = list[Check]()
    with told_when_it_fails(plan, begun, looked_at, lambda: _is_present(environment, record)):
        after, in_use = check_health(environment), check_in_use(environment)
        looked_at += [*after, in_use]
        if found := failures([*lost_by_release(before, after), in_use]):
            _take_back(environment, record, lock, found)
    return ReleaseReport(
        environment=environment,
        seconds=time.monotonic() - begun,
        plan=plan,
        applied=True,
        checks=(*plan.gate, *checks, *answered_by_restart(before, after), in_use),
    )


def _update_and_put_in_place(
    environment: str, plan: ReleasePlan, lock: HeldLock, backup_id: str, former: ReleaseRecord | None
) -> tuple[ReleaseRecord, list[Check]]:
    """Put the release in place of a database and addons that nobody uses. Odoo is to be started then."""
    checks, changes = list[Check](), None
    scratch = scratch_name(environment) if plan.updates else None
    until = time.monotonic() + downtime_budget(environment)
    with odoo_stopped(environment, lock):
        if scratch:
            changes = clone_data(environment, scratch)
            checks += update_modules(environment, scratch, plan, _left(until))
            checks += try_release(environment, scratch, plan, _left(until))
        record, placed = put_in_place(environment, planned_record(plan, scratch, backup_id, former), lock, changes)
    return record, [*checks, *placed]


def _let_in_when_well(environment: str, before: Sequence[Check], looked_at: list[Check]) -> tuple[Check, list[str]]:
    """Start a release and, where nginx sends people away, look at it while only operators may write; then let all in.

    Returns the check of its start and, of one for which nobody was let in, what failed. `looked_at` gets all checks.
    """
    came_back = start(environment)
    looked_at.append(came_back)
    if not in_image(environment):
        return came_back, []
    behind, in_use = check_health(environment, site_closed=True), check_in_use(environment)
    looked_at += [*behind, in_use]
    if found := failures([came_back, *lost_by_release(before, behind), in_use]):
        return came_back, found
    came_back = let_in(environment, came_back)
    looked_at[:] = [came_back]
    return came_back, []


def _left(until: float) -> float:
    """Seconds that are left, at least one: so the message is of what takes too long."""
    return max(1.0, until - time.monotonic())


def _looked_at(plan: ReleasePlan, begun: float) -> tuple[ReleaseRecord | None, list[Check]]:
    """The former release and its health. Where these cannot be read, that is published: nothing was changed yet."""
    with told_when_it_fails(plan, begun, []):
        return read_present_release(plan.environment), check_health(plan.environment)


@contextmanager
def _former_proved_when_it_fails(
    plan: ReleasePlan, former: ReleaseRecord | None, before: Sequence[Check], begun: float
) -> Iterator[None]:
    """An error that leaves the block says which release serves people: the former one, if nothing of it was changed.

    Raises VerificationFailed instead if none does.
    """
    after = list[Check]()
    try:
        yield
    except LockLost:  # it says how it stands, and the host is not asked by a connection that was lost
        with told_when_it_fails(plan, begun, after):
            raise
    except OdooOpsError as error:
        get_run_logger().error("Not released: %s", error)
        with told_when_it_fails(plan, begun, after, lambda: read_present_release(plan.environment) != former):
            try:
                present = read_present_release(plan.environment)
                after += [check_odoo_came_back(plan.environment, WAIT_MINUTES), *check_health(plan.environment)]
            except OdooOpsError as unseen:
                error.also_say(f"Whether people are served could not be seen: {unseen}")
                raise error from unseen
            if found := failures([after[0], *lost_by_release(before, after)]):
                raise VerificationFailed(
                    f"The release failed ({error}), and Odoo does not serve people since it was started again: "
                    f"{first_of(found)}. Next step: read Odoo's log."
                ) from error
            settled = "The new release, which was finished when it was settled,"
            error.also_say(f"{'The former release' if present == former else settled} serves people.")
            raise


@contextmanager
def told_when_it_fails(
    plan: ReleasePlan, begun: float, checks: Sequence[Check], in_place: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Publish what an error that leaves the block says, what was looked at, and whether the release is `in_place`.

    Where that cannot be published, the log says why, and it is still the release's own error that leaves the block.
    """
    try:
        yield
    except OdooOpsError as error:
        try:
            publish_release_report(
                ReleaseReport(
                    environment=plan.environment,
                    seconds=time.monotonic() - begun,
                    plan=plan,
                    applied=False,
                    failure=str(error),
                    in_place=_known(in_place, error),
                    checks=(*plan.gate, *checks),
                )
            )
        except (OdooOpsError, *PREFECT_AWAY) as unpublished:
            get_run_logger().warning("What became of the release could not be published: %s", unpublished)
        raise


def _known(in_place: Callable[[], bool], error: OdooOpsError) -> bool | None:
    """What is in place after an error; None where the host does not say, or its connection was lost."""
    if isinstance(error, LockLost) or isinstance(error.__cause__, LockLost):
        return None
    try:
        return in_place()
    except OdooOpsError:
        return None


def _is_present(environment: str, record: ReleaseRecord) -> bool:
    """Whether a release is still the one that is on record as the present one."""
    present = read_present_release(environment)
    return present is not None and present.at == record.at


def _take_back(environment: str, record: ReleaseRecord, lock: HeldLock, found: list[str]) -> NoReturn:
    """Put the former release back, and raise VerificationFailed that says why, and how that is."""
    get_run_logger().error("Taking it back: %s", first_of(found))
    former = record.reversed(datetime.now(UTC), first_of(found))
    try:
        back, checks = (put_beside if record.beside else _put_back)(environment, former, lock)
    except LockLost as error:
        raise VerificationFailed(
            f"The release does not serve people: {first_of(found)}. While it was taken back: {error}"
        ) from error
    except OdooOpsError as error:
        raise VerificationFailed(
            f"The release does not serve people: {first_of(found)}. It could not be taken back, and is in place: "
            f"{error} Next step: mend that, and run `rollback`."
        ) from error
    still = failures(serving(check_health(environment)))
    now = f"It does not serve people, either: {first_of(still)}" if still else "It serves people again"
    but = f" But {first_of(failed).rstrip('.')}." if (failed := failures(checks)) else ""
    written = f" What was written meanwhile is in the database {back.kept_database}." if back.kept_database else ""
    raise VerificationFailed(
        f"The release did not serve people: {first_of(found)}. The former one was put back. {now}.{but}{written} "
        "Next step: mend the addons, push, and release again."
    )


def _put_back(environment: str, former: ReleaseRecord, lock: HeldLock) -> tuple[ReleaseRecord, list[Check]]:
    with odoo_stopped(environment, lock):
        back, checks = put_in_place(environment, former, lock)
        return back, [*checks, start_again(environment)]
