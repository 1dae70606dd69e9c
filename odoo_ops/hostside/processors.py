"""The processors that an agent and its children may use; PostgreSQL's own processes are not among them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# those of the login, before any limit
ALLOWED = os.sched_getaffinity(0)


def limit_processors(number: int) -> None:
    """Use so many from now on: threads and processes that are started inherit it."""
    os.sched_setaffinity(0, sorted(ALLOWED)[:number])


@contextmanager
def all_processors() -> Iterator[None]:
    """What is started in the block may use all of them: an Odoo that people work with outlives the agent."""
    limited = os.sched_getaffinity(0)
    os.sched_setaffinity(0, ALLOWED)
    try:
        yield
    finally:
        os.sched_setaffinity(0, limited)
