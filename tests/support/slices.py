"""A test of many steps takes some of them in each run, others every day; with `LONG=1` one takes them all."""

from datetime import UTC, datetime

import pytest


def sliced(every: int) -> pytest.MarkDecorator:
    """Give a test `every`: it takes every so many steps, or each of them where it may take long."""
    cases = [pytest.param(every, id="some"), pytest.param(1, id="all", marks=pytest.mark.long)]
    return pytest.mark.parametrize("every", cases)


def first_of_today(every: int) -> int:
    """The step with which today's slice begins, counted from 0: in so many days in a row each step has its turn."""
    return datetime.now(UTC).toordinal() % every
