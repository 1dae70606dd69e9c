"""A real Odoo 19 that runs: it is backed up while it works, lost, restored, and works again."""

from typing import TYPE_CHECKING, Any

import pytest
from served_odoo import serve

from blocks import OdooEnvironment
from flows.backup import backup
from flows.restore import restore
from odoo_ops.adapters.odoo_site import OdooSite, open_site

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo]


def _log_in(site: Site, odoo: OdooSite) -> None:
    odoo.wait_for_login_page(site.settings.database.name, 120, lambda: None)
    odoo.log_in(site.settings.database.name, "admin", "admin")


def test_odoo_works_again_after_all_was_lost(odoo_site: Site) -> None:
    serve(odoo_site)
    runtime = OdooEnvironment.open(odoo_site.name)
    url = odoo_site.settings.odoo.url
    try:
        with open_site(runtime.host, url) as odoo:
            _log_in(odoo_site, odoo)
            (partner,) = odoo.call("res.partner", "create", [{"name": "Ada's shop"}])
            content = {"name": "invoice.txt", "raw": "as it was", "res_model": "res.partner", "res_id": partner}
            (attachment,) = odoo.call("ir.attachment", "create", [content])
            sha1 = odoo.read_attachment_sha1(attachment)
        report = backup(odoo_site.name)
        assert report.damaged_total == 0
        odoo_site.lose_all()
        restored = restore(odoo_site.name)
        others = [check.detail for check in restored.checks if check.outcome != "passed"]
        assert {detail.endswith(" is not installed") for detail in others} == {True}
        with open_site(runtime.host, url) as odoo:
            _log_in(odoo_site, odoo)
            assert odoo.call("res.partner", "read", [partner], ["name"])[0]["name"] == "Ada's shop"
            assert odoo.read_attachment_sha1(attachment) == sha1
    finally:
        runtime.odoo.stop()
    assert not runtime.odoo.runs()
