"""What was looked at, and what was found: the rows of every table of checks."""

from typing import Literal

from odoo_ops.model.base import Value

Outcome = Literal["passed", "failed", "not measured"]


class Check(Value):
    """One question that a run answered, or could not answer.

    Attributes:
        name: the question, in words of the field.
        outcome: `not measured` is neither passed nor failed.
        detail: what was found, with its figure.
    """

    name: str
    outcome: Outcome
    detail: str = ""


def passed_or_failed(name: str, problems: list[str], detail: str) -> Check:
    """A check that passes with `detail` when there are no problems, else fails naming the first ten."""
    if not problems:
        return Check(name=name, outcome="passed", detail=detail)
    return Check(name=name, outcome="failed", detail=first_of(problems))


def first_of(problems: list[str], shown: int = 10) -> str:
    """The first problems as one text, and how many more there are."""
    text = "; ".join(problems[:shown])
    more = len(problems) - shown
    return f"{text}; and {more} more" if more > 0 else text


def failures(checks: list[Check]) -> list[str]:
    """The failed ones, in words."""
    return [f"{check.name}: {check.detail}" for check in checks if check.outcome == "failed"]
