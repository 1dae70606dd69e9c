"""A real Odoo 19 with books and a stock: the drill finds its figures again and prints its invoice."""

from typing import TYPE_CHECKING, Any

import pytest
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


def _trade(site: Site) -> float:
    """Receive seven desks and sell three by a posted invoice. Returns what Odoo says the stock is worth."""
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
        (product,) = odoo.call("product.product", "read", [desk], ["total_value"])
    return float(product["total_value"])


@pytest.mark.usefixtures("wkhtmltopdf")
def test_drill_finds_the_business_again_and_prints_an_invoice(shop_site: Site, drill_site: Site) -> None:
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
