"""What a run of all tests takes today, and what on other days; with `LONG=1` one takes it all.

A test of many steps takes some of them, and of the tests marked `in_turn` a third is run.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

_DAYS = 3


def sliced(every: int) -> pytest.MarkDecorator:
    """Give a test `every`: it takes every so many steps, or each of them where it may take long."""
    cases = [pytest.param(every, id="some"), pytest.param(1, id="all", marks=pytest.mark.long)]
    return pytest.mark.parametrize("every", cases)


def turns_of_today(marked: Iterable[str]) -> list[str]:
    """Those of the names marked `in_turn` that are run today: in three days in a row each is."""
    return sorted(set(marked))[first_of_today(_DAYS) :: _DAYS]


def first_of_today(every: int) -> int:
    """The step with which today's slice begins, counted from 0: in so many days in a row each step has its turn."""
    return datetime.now(UTC).toordinal() % every
