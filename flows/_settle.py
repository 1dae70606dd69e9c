"""Settle what a step began that did not come to its end: under the lock that is held, or by a new connection.

No flow that is started by itself: `settle` is a part of a run whose connection was lost. All tasks of one run share a
connection, so what goes on by another one is a run of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect import flow

from odoo_ops.adapters.held_locks import HeldLock, LockLost
from odoo_ops.errors import OdooOpsError
from odoo_ops.model.checks import Check, failures, first_of
from odoo_ops.policy.health import serving
from tasks.health import check_health
from tasks.leftovers import settle_leftovers
from tasks.locks import data_locked
from tasks.retries import is_transient
from tasks.services import check_odoo_came_back, is_odoo_awaited

WAIT_MINUTES = 10  # for Odoo, which may have to build its registry
# together two minutes: a host that starts again takes longer, a network that was away does not
_TRIES_AGAIN, _TRY_SECONDS = 8, 15
_settle_patiently = settle_leftovers.with_options(
    retries=_TRIES_AGAIN, retry_delay_seconds=_TRY_SECONDS, retry_condition_fn=is_transient
)


def settle_begun(environment: str, lock: HeldLock) -> list[str]:
    """Settle what was begun, as the next run of any flow would. Returns what was done, in words.

    A PostgreSQL that is away for a moment is waited for, two minutes at the most. Raises LockLost where the lock went
    with the connection; the error says whether it was settled all the same.
    """
    try:
        lock.check()
    except LockLost as lost:
        raise LockLost(
            f"The lock of {environment} was lost before all was done ({lost.__cause__}) {_settled_anew(environment)}"
        ) from lost
    return _settle_patiently(environment)


@contextmanager
def settled_whatever_ends_it(environment: str, lock: HeldLock) -> Iterator[None]:
    """Settle what was begun where any error leaves the block, or its run is cancelled: nobody waits for the next run.

    For blocks that stop Odoo. An error of ours goes on and says what was settled, or why nothing was. Where the lock
    was lost that error goes on, and where another one cannot be settled the reason for it.
    """
    try:
        yield
    except OdooOpsError as error:
        try:
            done = settle_begun(environment, lock)
        except LockLost:
            raise
        except OdooOpsError as again:
            error.also_say(f"Odoo may be stopped, and what was begun could not be settled: {again}")
        else:
            if done:
                error.also_say(_settled(done))
        raise
    except BaseException:
        settle_begun(environment, lock)
        raise


@contextmanager
def settled_when_it_fails(environment: str, lock: HeldLock) -> Iterator[None]:
    """Settle what the block began where an error leaves it, as the next run would: no disk stays full until then.

    The error goes on, and its message says what was settled, or why nothing was: that is the next run's work then.
    """
    try:
        yield
    except LockLost:  # it says itself what that means for what was begun
        raise
    except OdooOpsError as error:
        if how := _settled_or_why_not(environment, lock):
            error.also_say(how)
        raise


def _settled_or_why_not(environment: str, lock: HeldLock) -> str:
    try:
        lock.check()
    except LockLost:
        return "The lock was lost, so what was begun is still there: the next run settles it."
    settled = settle_leftovers(environment, return_state=True)  # its error does not take the place of the first
    if not settled.is_completed():
        return f"What was begun is still there: the next run settles it. ({settled.message})"
    return _settled(settled.result())


def _settled(done: list[str]) -> str:
    return f"What was begun is settled: {', '.join(done)}." if done else ""


def _settled_anew(environment: str) -> str:
    try:
        done, checks = settle(environment)
    except OdooOpsError as error:
        return (
            f"It could not be settled by a new connection, either: {error} Next step: look at the host, then run the "
            "flow again; it settles what was left."
        )
    settled = f"By a new connection it was settled: {', '.join(done) or 'nothing was left'}."
    if not checks:
        return f"{settled} No Odoo ran there before. Next step: run the flow again."
    came_back, *layers = checks
    if still := failures([came_back, *serving(layers)]):
        return f"{settled} Odoo does not serve people: {first_of(still)}. Next step: read Odoo's log."
    if came_back.outcome != "passed":
        return f"{settled} Nobody knows whether Odoo serves people: {came_back.detail}. Next step: run `health`."
    return f"{settled} Odoo serves people. Next step: run the flow again."


@flow(
    name="settle",
    flow_run_name="settle {environment}",
    retries=_TRIES_AGAIN,
    retry_delay_seconds=_TRY_SECONDS,
)
def settle(environment: str) -> tuple[list[str], list[Check]]:
    """Take the environment's lock anew, settle what is left, and look whether people are served, where they were.

    It tries again for two minutes: the host may be away, or hold the former lock still.
    """
    with data_locked(environment, "settle"):
        done = settle_leftovers(environment)
        if not is_odoo_awaited(environment):
            return done, []
        return done, [check_odoo_came_back(environment, WAIT_MINUTES), *check_health(environment)]
