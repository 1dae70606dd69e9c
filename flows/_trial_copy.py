"""A copy that is thrown away, as drills and forecasts make one: no flow, but what both share."""

from collections.abc import Iterator
from contextlib import contextmanager

from flows._settle import settled_when_it_fails
from odoo_ops.adapters.held_locks import HeldLock
from odoo_ops.errors import OdooOpsError
from tasks.leftovers import settle_leftovers


@contextmanager
def copy_deleted(environment: str, lock: HeldLock) -> Iterator[None]:
    """Delete the copy that the block makes, however the block ends.

    An error of the block goes on, and its message says what was deleted, or why the copy is still there. Raises
    LockLost, or what kept it from being deleted, where the block came to its end.
    """
    settled = False
    try:
        with settled_when_it_fails(environment, lock):
            yield
    except OdooOpsError:
        settled = True
        raise
    finally:
        if not settled:
            lock.check()
            settle_leftovers(environment)
