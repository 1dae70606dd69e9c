"""The steps that put a release, or what was there before one, in place: no flow, but what release and rollback share.

What stops before the swap is undone, and what stops after it is finished.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from flows._settle import WAIT_MINUTES, settled_whatever_ends_it
from odoo_ops.adapters.held_locks import HeldLock
from odoo_ops.errors import OdooOpsError
from odoo_ops.model.checks import Check
from odoo_ops.model.release import ReleaseRecord
from odoo_ops.policy.comparison import judge_carried_over
from odoo_ops.policy.releases import judge_finished
from tasks.images import check_beside, close_site, open_site_again, start_beside, take_over
from tasks.leftovers import settle_leftovers
from tasks.release_records import finish_cut_over, note_cut_over, read_present_release
from tasks.restores import kept_name, swap_in
from tasks.services import CAME_BACK, check_odoo_came_back, start_odoo, stop_odoo


@contextmanager
def odoo_stopped(environment: str, lock: HeldLock) -> Iterator[None]:
    """Stop Odoo for the block. Whatever ends that too early, what was begun is settled: Odoo started, people let in."""
    with settled_whatever_ends_it(environment, lock):
        close_site(environment)
        stop_odoo(environment)
        yield


def put_in_place(
    environment: str, record: ReleaseRecord, lock: HeldLock, changes: dict[str, int] | None = None
) -> tuple[ReleaseRecord, list[Check]]:
    """Note what is put in place, swap the data in, if there is any, and lead the links, while Odoo is stopped.

    `changes`: as for `swap_in`, which refuses what the data lacks. Returns what is on record. Where that stopped past
    the swap it is finished by settling it, and a check says so. Raises LockLost before anything is noted.
    """
    lock.check()
    kept = kept_name(environment) if record.scratch else None
    checks = list[Check]()
    try:
        note_cut_over(environment, record.model_copy(update={"kept_database": kept}))
        if record.scratch and kept:
            swap = swap_in(environment, record.scratch, kept, start=False, changes=changes)
            checks.append(judge_carried_over(swap))
        return finish_cut_over(environment), checks
    except OdooOpsError as error:
        placed, finished = _settled(environment, record, lock, error)
        return placed, [*checks, *finished]


def put_beside(
    environment: str, record: ReleaseRecord, lock: HeldLock, *, new: bool = False
) -> tuple[ReleaseRecord, list[Check]]:
    """Start an Odoo with the record's image beside the present one, look at it, and let it take over.

    A `new` release is used as people would before they come to it.
    Whatever ends that before the image is noted: the present one goes on, and the new one is removed. Past that it is
    finished by settling it, and a check says so.
    """
    with settled_whatever_ends_it(environment, lock):
        try:
            note_cut_over(environment, record)
            answers = check_beside(environment, start_beside(environment, record), new=new)
            lock.check()
            placed = finish_cut_over(environment)
            return placed, [answers, take_over(environment)]
        except OdooOpsError as error:
            return _settled(environment, record, lock, error)


def _settled(
    environment: str, record: ReleaseRecord, lock: HeldLock, error: OdooOpsError
) -> tuple[ReleaseRecord, list[Check]]:
    """Settle a release that stopped half in place. Raises the error where it is not on record after that."""
    lock.check()
    try:
        settle_leftovers(environment)
        why = str(error)
    except OdooOpsError as again:  # such as nginx, when all else is done
        why = f"{error} Nor can it be settled: {again}"
    placed = read_present_release(environment)
    if placed is None or placed.at != record.at:
        raise error
    return placed, [judge_finished(why)]


def start_again(environment: str) -> Check:
    """Start an Odoo that people have used before, and let them in. Never raises where that fails: the check says it."""
    came_back = start(environment)
    return let_in(environment, came_back) if came_back.outcome == "passed" else came_back


def start(environment: str) -> Check:
    """Start Odoo and wait for it. Never raises for one that does not start: the check says it."""
    try:
        return check_odoo_came_back(environment, start_odoo(environment, WAIT_MINUTES))
    except OdooOpsError as error:
        return Check(name=CAME_BACK, outcome="failed", detail=str(error))


def let_in(environment: str, came_back: Check) -> Check:
    """Let people in, where nginx sends them away. The check of Odoo's start, which fails where that does."""
    try:
        open_site_again(environment)
    except OdooOpsError as error:
        return Check(name=CAME_BACK, outcome="failed", detail=str(error))
    return came_back
