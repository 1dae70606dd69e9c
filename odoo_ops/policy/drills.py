"""What a drill asks, and what its answers mean."""

from collections.abc import Collection, Sequence

from odoo_ops.model.checks import Check
from odoo_ops.model.environment import Objectives
from odoo_ops.policy import business, comparison

NEUTRALIZED = "Neutralised before any Odoo saw it"
LOGIN_PAGE = "Registry loads, /web/login answers"
ASSETS = "Scripts and styles of the login page"
LOG_IN = "A user logs in"
RECORDS = "Records are read"
ATTACHMENT = "An attachment is served whole"
INVOICE = "An invoice is printed"
LOG = "Odoo's log holds no error"
SETTLED = "No module waits to be changed"
USERS_AFTER = "Users and groups unchanged by the boot"
RECORDED = "On record in the repository as verified"
RPO = "RPO: longest time without a backup, last 7 days"
RTO = "RTO: time until Odoo answered"

QUESTIONS = (
    *comparison.QUESTIONS,
    *business.QUESTIONS,
    NEUTRALIZED,
    LOGIN_PAGE,
    ASSETS,
    LOG_IN,
    RECORDS,
    ATTACHMENT,
    INVOICE,
    LOG,
    SETTLED,
    USERS_AFTER,
)


def all_answers(checks: Sequence[Check]) -> list[Check]:
    """One check for every question in their order, `not measured` where a drill did not come to it."""
    answered = {check.name: check for check in checks}
    unknown = [check for check in checks if check.name not in QUESTIONS]
    return [answered.get(name, Check(name=name, outcome="not measured")) for name in QUESTIONS] + unknown


def unproved(answers: Sequence[Check], *, attachments: int, modules: Collection[str]) -> list[str]:
    """Questions that keep a snapshot from being called verified: those that were not answered well.

    Fine is what was not measured because there is nothing to measure: no attachment, no module; and an invoice, which
    needs a program that no backup holds.

    Args:
        answers: one to every question.
        attachments: how many the backup has.
        modules: those installed in it.
    """
    fine = business.questions_without_module(modules) | {INVOICE} | (set() if attachments else {ATTACHMENT})
    return [
        answer.name
        for answer in answers
        if answer.outcome == "failed" or (answer.outcome == "not measured" and answer.name not in fine)
    ]


def judge_objectives(objectives: Objectives, gap_seconds: float | None, recovery_seconds: float | None) -> list[Check]:
    """Compare what was measured with what the business was promised; None: not measured."""
    return [
        _within(RPO, gap_seconds, objectives.rpo_minutes),
        _within(RTO, recovery_seconds, objectives.rto_minutes),
    ]


def _within(name: str, seconds: float | None, minutes: int) -> Check:
    if seconds is None:
        return Check(name=name, outcome="not measured", detail=f"objective: {minutes} min")
    return Check(
        name=name,
        outcome="passed" if seconds <= minutes * 60 else "failed",
        detail=f"{seconds / 60:.1f} min, objective: {minutes} min",
    )
