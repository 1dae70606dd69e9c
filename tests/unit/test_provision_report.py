"""The page of `provision`, and what of it makes another plan of a plan."""

from odoo_ops.model.plan import ProvisionPlan, ProvisionReport, ServiceChange
from odoo_ops.render import render

NOTHING = ProvisionPlan(environment="shop")
START = ProvisionPlan(environment="shop", services=(ServiceChange(service="db", action="start", why="it is exited"),))


def page(plan: ProvisionPlan, **report: object) -> str:
    """As it is published."""
    shown = ProvisionReport.model_validate(
        {"environment": "shop", "seconds": 1, "plan": plan, "applied": False, **report}
    )
    return render("reports/provision.md", report=shown)


def test_certificate_that_stays_instead_of_the_given_one_is_told_and_changes_nothing() -> None:
    told = NOTHING.model_copy(update={"unfit_certificate": "On erp-1 chain.pem ended 3 days ago."})
    assert (told.empty, told.digest) == (True, NOTHING.digest)
    assert "What nginx shows stays. On erp-1 chain.pem ended 3 days ago." in page(told)
    assert "What nginx shows stays" not in page(NOTHING)
