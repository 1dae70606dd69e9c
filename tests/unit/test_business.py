"""Are the figures of the business equal? Cases as data; what PostgreSQL sums up is tried in tests/flows."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.business import Business, Figures, Subject
from odoo_ops.model.checks import Check
from odoo_ops.policy.business import QUESTIONS, business_lines, compare_business
from odoo_ops.runtimes.copies import print_invoice

if TYPE_CHECKING:
    from odoo_ops.runtimes.copies import BootedCopy

MODULES = ("base", "account", "stock", "stock_account")
RECEIVABLE = "121000 Account Receivable (account.account 6, res.company 1)"


def _figures(
    names: tuple[str, ...] = ("quantity",), lines: int = 1, sha256: str = "equal", **details: tuple[str, ...]
) -> Figures:
    return Figures(
        names=names, totals={"internal": {"quantity": "7.00"}}, lines=lines, sha256=sha256, details=dict(details)
    )


BALANCE = Figures(
    names=("debit", "credit"),
    totals={"Ada Ltd, EUR": {"debit": "1302673.57", "credit": "1302673.57", "entries": "68"}},
    lines=1,
    sha256="equal",
    details={RECEIVABLE: ("100.00", "0.00")},
)
MEASURED: dict[Subject, Figures] = {
    "trial balance": BALANCE,
    "open items": _figures(),
    "document numbers": _figures(),
    "stock quantities": _figures(desk=("7.00",)),
    "stock valuation": _figures(),
    "number sequences": Figures(
        names=("next number",), totals={}, lines=1, sha256="equal", details={"Sales Order": ("120",)}
    ),
}
SHOP = Business(measured=MEASURED, unmeasured={})


def _with(subject: Subject, **changes: object) -> Business:
    return Business(measured={**MEASURED, subject: MEASURED[subject].model_copy(update=changes)}, unmeasured={})


def _by_name(checks: list[Check]) -> dict[str, tuple[str, str]]:
    return {check.name: (check.outcome, check.detail) for check in checks}


def test_compare_business_passes_with_figures_that_a_manager_reads() -> None:
    found = _by_name(compare_business(SHOP, SHOP, MODULES))
    assert tuple(found) == QUESTIONS
    assert {outcome for outcome, _detail in found.values()} == {"passed"}
    assert found["Trial balance"][1] == (
        "Ada Ltd, EUR: debit 1,302,673.57, credit 1,302,673.57, entries 68; 1 accounts equal to the cent"
    )
    assert found["Number sequences"][1] == "1 sequences, none behind"


@pytest.mark.parametrize(
    ("found", "name", "detail"),
    [
        (
            _with("trial balance", sha256="other", details={RECEIVABLE: ("100.01", "0.00")}),
            "Trial balance",
            f"{RECEIVABLE}: debit 100.01 instead of 100.00",
        ),
        (_with("trial balance", sha256="other", details={}), "Trial balance", f"{RECEIVABLE}: is missing"),
        (
            _with("stock quantities", sha256="other", totals={"internal": {"quantity": "6.00"}}),
            "Stock quantities",
            "internal: quantity 6.00 instead of 7.00",
        ),
        (
            _with("stock quantities", sha256="other"),
            "Stock quantities",
            "another than the first 1 of 1 details differs",
        ),
        (
            _with("number sequences", details={"Sales Order": ("119",)}),
            "Number sequences",
            "Sales Order: the next number is 119 instead of 120",
        ),
        (
            _with("number sequences", details={}),
            "Number sequences",
            "Sales Order: the next number is none instead of 120",
        ),
        (
            Business(
                measured={key: value for key, value in MEASURED.items() if key != "stock valuation"},
                unmeasured={"stock valuation": "there is no table stock_valuation_layer"},
            ),
            "Stock valuation",
            "nothing to compare in what was restored: there is no table stock_valuation_layer",
        ),
    ],
)
def test_compare_business_names_what_is_not_as_backed_up(found: Business, name: str, detail: str) -> None:
    failed = [check for check in compare_business(SHOP, found, MODULES) if check.outcome != "passed"]
    assert [(check.name, check.outcome, check.detail) for check in failed] == [(name, "failed", detail)]


def test_compare_business_accepts_a_sequence_that_went_on_while_the_dump_ran() -> None:
    ahead = _with("number sequences", sha256="other", details={"Sales Order": ("121",), "New": ("1",)})
    assert {check.outcome for check in compare_business(SHOP, ahead, MODULES)} == {"passed"}


def test_compare_business_measures_nothing_without_module_manifest_or_table() -> None:
    older = _by_name(compare_business(None, SHOP, MODULES))
    assert set(older.values()) == {("not measured", "the backup's manifest is older than this question")}
    base = _by_name(compare_business(SHOP, SHOP, ["base"]))
    assert base["Stock valuation"] == ("not measured", "the module stock_account is not installed")
    assert base["Number sequences"][0] == "passed"
    lacking = Business(measured={}, unmeasured=dict.fromkeys(MEASURED, "there is no table"))
    assert set(_by_name(compare_business(lacking, SHOP, MODULES)).values()) == {("not measured", "there is no table")}


def test_business_lines_say_how_each_total_came_out() -> None:
    checks = [Check(name="Trial balance", outcome="failed"), Check(name="Stock quantities", outcome="passed")]
    lines = {line.subject: (line.total, line.figures, line.outcome) for line in business_lines(SHOP, checks)}
    assert lines["Trial balance"] == (
        "Ada Ltd, EUR",
        "debit 1,302,673.57, credit 1,302,673.57, entries 68",
        "failed",
    )
    assert lines["Stock quantities"] == ("internal", "quantity 7.00", "passed")
    assert lines["Stock valuation"][2] == "not measured"
    assert business_lines(None, checks) == []


class _Site:
    """Stands in for Odoo by HTTP: it knows modules and an invoice, and prints nothing real."""

    def __init__(self, modules: tuple[str, ...], invoice: int | None) -> None:
        self.modules, self.find_invoice = modules, lambda: invoice

    def has_module(self, name: str) -> bool:
        return name in self.modules

    def print_invoice(self, _invoice: int) -> int:
        return 30_000


@pytest.mark.parametrize(
    ("modules", "program", "invoice", "reason"),
    [
        ((), "/usr/bin/wkhtmltopdf", 7, "the module account is not installed"),
        (("account",), None, 7, "here has no wkhtmltopdf on its PATH"),
        (("account",), "/usr/bin/wkhtmltopdf", None, "no posted customer invoice"),
    ],
)
def test_print_invoice_says_why_there_is_nothing_to_measure(
    modules: tuple[str, ...], program: str | None, invoice: int | None, reason: str
) -> None:
    host = SimpleNamespace(name="here", find_program=lambda _name, _folders: program)
    copy = cast("BootedCopy", SimpleNamespace(site=_Site(modules, invoice), host=host))
    with pytest.raises(PreconditionFailed, match=reason):
        print_invoice(copy)
