"""A real Odoo 19 that runs: it is backed up while it works, lost, restored, and works again."""

from typing import TYPE_CHECKING, Any

import pytest

from blocks import OdooEnvironment
from deployments.engines.ports import free_port
from flows.backup import backup
from flows.restore import restore
from odoo_ops.adapters.odoo_site import OdooSite, open_site
from odoo_ops.model.environment import ProcessService

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo]

_CONFIG = """[options]
db_name = {name}
db_host = 127.0.0.1
db_port = {port}
db_user = {user}
db_password = {password}
data_dir = {data_dir}
http_interface = 127.0.0.1
http_port = {http_port}
pidfile = {pid_file}
max_cron_threads = 0
"""


def _serve(site: Site) -> None:
    """Make the site's Odoo a service of its environment and start it."""
    database, http_port = site.settings.database, free_port()
    config, pid_file = site.folder / "odoo.conf", site.folder / "odoo.pid"
    assert database.password is not None
    config.write_text(
        _CONFIG.format(
            name=database.name,
            port=database.port,
            user=database.user,
            password=database.password.get_secret_value(),
            data_dir=site.settings.data_dir,
            http_port=http_port,
            pid_file=pid_file,
        )
    )
    start = (*site.settings.odoo.command, f"--config={config}")
    service = ProcessService(start=start, pid_file=str(pid_file), log_file=str(site.folder / "odoo.log"))
    odoo = site.settings.odoo.model_copy(update={"url": f"http://127.0.0.1:{http_port}"})
    site.register(service=service, odoo=odoo)
    OdooEnvironment.open(site.name).start_odoo()


def _log_in(site: Site, odoo: OdooSite) -> None:
    odoo.wait_for_login_page(site.settings.database.name, 120, lambda: None)
    odoo.log_in(site.settings.database.name, "admin", "admin")


def test_odoo_works_again_after_all_was_lost(odoo_site: Site) -> None:
    _serve(odoo_site)
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
        runtime.stop_odoo()
    assert not runtime.odoo_runs()
