"""A real Odoo 19 with books and a stock: the drill finds its figures again, and what differs by a cent is named."""

import re
from typing import TYPE_CHECKING, Any

import pytest
from changed_business import CENT_MORE, CENT_PAID, PIECE_MORE, failed_checks
from prefect.artifacts import Artifact

from blocks import OdooEnvironment
from flows.backup import backup
from flows.drill import drill
from odoo_ops.runtimes.copies import booted

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo]

# one cent, one piece, one number: what is changed, and what each check that finds it says
_DESK = r"product.product \d+, res.company 1: "
_CHANGES = [
    (
        CENT_MORE,
        {"Trial balance": r"\d{6} .* \(account.account \d+, res.company 1\): debit 299.98 instead of 299.97$"},
    ),
    (
        CENT_PAID,
        {"Open receivables and payables": r"res.partner \d+, res.company 1: receivable 299.96 instead of 299.97$"},
    ),
    (
        "UPDATE account_move SET sequence_number = 2 WHERE move_type = 'out_invoice'",
        {
            "Numbers of invoices, bills and entries": (
                r"INV INV/\d{4}/ \(account.journal \d+\): last number 2 instead of 1$"
            )
        },
    ),
    (
        PIECE_MORE,
        {
            "Stock quantities": r"product.product \d+ in WH/Stock, .*: quantity 8.00 instead of 7.00$",
            "Stock valuation": _DESK + r"on hand at cost 100.0+ instead of 87.50+$",
        },
    ),
    (
        "UPDATE stock_move SET value = value + 0.01 WHERE is_in",
        {"Stock valuation": _DESK + r"received 87.51 instead of 87.50?$"},
    ),
    (
        "SELECT setval('ir_sequence_' || to_char(id, 'FM000'), 1, false) FROM ir_sequence WHERE name = 'Parcels'",
        {"Number sequences": r"Parcels \(ir.sequence \d+\): the next number is 1 instead of 2$"},
    ),
]


def _trade(site: Site) -> float:
    """Receive seven desks, sell three by a posted invoice, give a number. Returns what Odoo says the stock is worth."""
    database = site.settings.database.name
    with booted(OdooEnvironment.open(site.name), database) as copy:
        copy.wait_for_login_page()
        odoo = copy.site
        odoo.log_in(database, "admin", "admin")
        (desk,) = odoo.call(
            "product.product", "create", [{"name": "Desk", "is_storable": True, "standard_price": 12.5}]
        )
        (place, *_others) = odoo.call("stock.location", "search", [("usage", "=", "internal")])
        counted = {"product_id": desk, "location_id": place, "inventory_quantity": 7}
        odoo.call("stock.quant", "action_apply_inventory", odoo.call("stock.quant", "create", [counted]))
        (partner,) = odoo.call("res.partner", "create", [{"name": "Ada's shop"}])
        line = {"product_id": desk, "quantity": 3, "price_unit": 99.99, "tax_ids": []}
        sold = {"move_type": "out_invoice", "partner_id": partner, "invoice_line_ids": [(0, 0, line)]}
        odoo.call("account.move", "action_post", odoo.call("account.move", "create", [sold]))
        (parcels,) = odoo.call("ir.sequence", "create", [{"name": "Parcels"}])
        assert odoo.call("ir.sequence", "next_by_id", [parcels]) == "1"
        (product,) = odoo.call("product.product", "read", [desk], ["total_value"])
    return float(product["total_value"])


@pytest.mark.usefixtures("wkhtmltopdf")
def test_business_is_found_again_an_invoice_printed_and_each_change_named(shop_site: Site, drill_site: Site) -> None:
    assert _trade(shop_site) == 87.5
    backup(shop_site.name)
    report = drill(shop_site.name, drill_site.name)
    assert {check.outcome for check in report.checks} == {"passed"}
    assert report.verified
    details = {check.name: check.detail for check in report.checks}
    assert "a PDF of" in details["An invoice is printed"]
    figures = {(line.subject, line.total): line.figures for line in report.business}
    assert figures["Trial balance", "My Company, USD"].startswith("debit 299.97, credit 299.97, balance 0.00")
    assert figures["Open receivables and payables", "My Company, USD"].startswith("receivable 299.97, payable 0")
    assert figures["Stock quantities", "internal"].startswith("quantity 7.00")
    assert figures["Stock valuation", "My Company, USD"].startswith("on hand at cost 87.50, received 87.50")
    page = Artifact.get(f"drill-{shop_site.name}")
    assert page is not None
    assert "| Trial balance | My Company, USD | debit 299.97, credit 299.97, balance 0.00" in str(page.data)

    with shop_site.connect() as connection:
        for change, named in _CHANGES:
            failed = failed_checks(connection, change)
            assert failed.keys() == named.keys()
            for name, detail in named.items():
                assert re.match(detail, failed[name]), failed[name]
