"""Does the business find its figures again after a restore?"""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import NamedTuple

from odoo_ops.model.business import Business, BusinessLine, Figures, Subject
from odoo_ops.model.checks import Check, first_of, passed_or_failed


class _Question(NamedTuple):
    name: str
    module: str  # without it the question cannot be asked
    equal: str  # what is said of so many details when all is well


_QUESTIONS: Mapping[Subject, _Question] = {
    "trial balance": _Question("Trial balance", "account", "accounts equal to the cent"),
    "open items": _Question("Open receivables and payables", "account", "partners equal to the cent"),
    "document numbers": _Question("Numbers of invoices, bills and entries", "account", "series end at the same number"),
    "stock quantities": _Question("Stock quantities", "stock", "products by place and lot equal"),
    "stock valuation": _Question("Stock valuation", "stock_account", "products equal to the cent"),
    "number sequences": _Question("Number sequences", "base", "sequences, none behind"),
}

QUESTIONS = tuple(question.name for question in _QUESTIONS.values())


def questions_without_module(modules: Collection[str]) -> set[str]:
    """The questions that need a module which is not installed."""
    return {question.name for question in _QUESTIONS.values() if question.module not in modules}


def compare_business(expected: Business | None, found: Business, modules: Collection[str]) -> list[Check]:
    """Compare the figures of a restored database with its manifest's, one check a subject.

    Args:
        expected: the manifest's; None when it is older than these questions.
        found: the restored database's.
        modules: those installed when it was backed up.
    """
    return [_compare(subject, expected, found, modules) for subject in _QUESTIONS]


def _compare(subject: Subject, expected: Business | None, found: Business, modules: Collection[str]) -> Check:
    name, module, equal = _QUESTIONS[subject]
    if module not in modules:
        return Check(name=name, outcome="not measured", detail=f"the module {module} is not installed")
    if expected is None:
        return Check(name=name, outcome="not measured", detail="the backup's manifest is older than this question")
    if subject not in expected.measured:
        return Check(name=name, outcome="not measured", detail=expected.unmeasured.get(subject, ""))
    backed_up, restored = expected.measured[subject], found.measured.get(subject)
    if restored is None:
        reason = found.unmeasured.get(subject, "")
        return Check(name=name, outcome="failed", detail=f"nothing to compare in what was restored: {reason}")
    differences = _set_back if subject == "number sequences" else _differences
    return passed_or_failed(name, differences(backed_up, restored), _shown(backed_up, equal))


def _differences(expected: Figures, found: Figures) -> list[str]:
    if (expected.sha256, expected.names) == (found.sha256, found.names):
        return []
    problems = _changed(_named(expected), _named(found)) or _changed(expected.totals, found.totals)
    return problems or [f"another than the first {len(expected.details):,} of {expected.lines:,} details differs"]


def _named(figures: Figures) -> dict[str, dict[str, str]]:
    return {line: dict(zip(figures.names, row, strict=True)) for line, row in figures.details.items()}


def _changed(expected: Mapping[str, Mapping[str, str]], found: Mapping[str, Mapping[str, str]]) -> list[str]:
    problems = []
    for line in sorted(expected.keys() | found.keys()):
        before, after = expected.get(line), found.get(line)
        if before is None or after is None:
            problems.append(f"{line}: {'was not there before' if before is None else 'is missing'}")
        elif parts := [
            f"{name} {after.get(name, 'none')} instead of {value}"
            for name, value in before.items()
            if after.get(name) != value
        ]:
            problems.append(f"{line}: {', '.join(parts)}")
    return problems


def _set_back(expected: Figures, found: Figures) -> list[str]:
    """Sequences that would give a number twice; they are in no transaction, so a restored one may be ahead."""
    problems = []
    for line, (number,) in expected.details.items():
        (restored,) = found.details.get(line, ("none",))
        if restored == "none" or int(restored) < int(number):
            problems.append(f"{line}: the next number is {restored} instead of {number}")
    return problems


def _shown(figures: Figures, equal: str) -> str:
    """The totals as a manager reads them, with the number of details behind them."""
    totals = [f"{total}: {_amounts(row)}" for total, row in sorted(figures.totals.items())]
    return "; ".join([*([first_of(totals)] if totals else []), f"{figures.lines:,} {equal}"])


def _amounts(row: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {_amount(value)}" for name, value in row.items())


def _amount(text: str) -> str:
    """A figure for reading: `302,673.57`; those that are compared are not rounded."""
    number = Decimal(text)
    return f"{number:,}" if number == number.to_integral_value() and "." not in text else f"{number:,.2f}"


def business_lines(business: Business | None, checks: Collection[Check]) -> list[BusinessLine]:
    """The totals of a backup, and how each came out of the comparison."""
    outcomes = {check.name: check.outcome for check in checks}
    return [
        BusinessLine(
            subject=question.name,
            total=total,
            figures=_amounts(row),
            outcome=outcomes.get(question.name, "not measured"),
        )
        for subject, question in _QUESTIONS.items()
        if business and subject in business.measured
        for total, row in sorted(business.measured[subject].totals.items())
    ]
