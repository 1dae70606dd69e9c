"""The processors that an agent and its children may use; PostgreSQL's own processes are not among them.

The worker imports this, too. Where the system binds nobody to processors (macOS), none is bound.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_BINDS = hasattr(os, "sched_setaffinity")


def usable_processors() -> set[int]:
    """Those that may be used now."""
    return os.sched_getaffinity(0) if _BINDS else set(range(os.cpu_count() or 1))


# those of the login, before any limit
ALLOWED = usable_processors()


def limit_processors(number: int) -> None:
    """Use so many from now on: threads and processes that are started inherit it."""
    _bind(set(sorted(ALLOWED)[:number]))


@contextmanager
def all_processors() -> Iterator[None]:
    """What is started in the block may use all of them: an Odoo that people work with outlives the agent."""
    limited = usable_processors()
    _bind(ALLOWED)
    try:
        yield
    finally:
        _bind(limited)


def _bind(processors: set[int]) -> None:
    if _BINDS:
        os.sched_setaffinity(0, processors)
