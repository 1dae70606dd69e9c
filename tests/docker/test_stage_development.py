"""Development, as `provision` makes it: addons on the host are seen live, and mail stays on the machine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from provisioned_site import ADMIN, IMAGES, RUNNING, Provisioned, provisioned, secret_of
from real_processes import wait_until
from used_site import SMALL, see_it_used_and_converge

from deployments.engines.docker import DockerEngine
from deployments.engines.ports import free_port

pytestmark = [pytest.mark.docker, pytest.mark.odoo, pytest.mark.restic, pytest.mark.in_turn]

MODULE = "odoo_ops_probe"
# auth_signup brings the mail by which people get a new password
_MANIFEST = "{'name': 'Probe', 'depends': ['auth_signup'], 'data': ['views.xml'], 'license': 'LGPL-3'}\n"
_VIEWS = '<odoo><template id="page"><p>view of old, <t t-out="word"/></p></template></odoo>\n'
_PYTHON = f"""
from odoo.http import Controller, request, route


class Probe(Controller):
    @route("/probe", auth="public")
    def probe(self):
        return request.render("{MODULE}.page", {{"word": "python of old"}})
"""


@dataclass(frozen=True)
class Development:
    site: Provisioned
    addon: Path
    mail_port: int

    def page(self) -> str:
        """What the addon shows; nothing while Odoo starts."""
        with self.site.browser() as browser:
            return browser.get("/probe").text

    def replace(self, file: str, old: str, new: str) -> None:
        """Edit a file of the addon on the host."""
        path = self.addon / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def mails(self) -> list[dict[str, Any]]:
        """What the mail catcher has, the newest first."""
        address = f"http://127.0.0.1:{self.mail_port}/api/v1"
        with httpx.Client(trust_env=False) as client:
            found = client.get(f"{address}/messages").json()["messages"]
            return [client.get(f"{address}/message/{mail['ID']}").json() for mail in found]


@pytest.fixture(scope="module")
def development(
    docker: DockerEngine,
    image: Callable[[str], str],
    prefect_server: None,  # noqa: ARG001 - the server must run
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Development]:
    folder, addons, mail_port = tmp_path_factory.mktemp("development"), tmp_path_factory.mktemp("addons"), free_port()
    addons.chmod(0o755)  # Odoo's user in the container reads it
    addon = addons / MODULE
    addon.mkdir()
    files = {"__init__.py": "from . import probe\n", "__manifest__.py": _MANIFEST, "views.xml": _VIEWS}
    for name, text in {**files, "probe.py": _PYTHON}.items():
        (addon / name).write_text(text)
    wanted = {**SMALL, "addons": [str(addons)], "mail_port": mail_port, "demo_data": True}
    images = (*IMAGES, "mail")
    with provisioned(
        docker, image, folder, images=images, stage="development", domain="erp.localhost", wanted=wanted
    ) as site:
        yield Development(site, addon, mail_port)


def test_development_has_demo_data_and_a_mail_catcher(development: Development) -> None:
    site = development.site
    assert site.running() == sorted([*RUNNING, "mail"])
    assert site.logs_in("demo", "demo")
    assert site.sql("SELECT count(*) FROM ir_model_data WHERE module = 'base' AND name = 'user_demo'", "erp") == "1"
    assert development.mails() == []


def test_addon_on_the_host_is_seen_live(development: Development) -> None:
    site = development.site
    before = site.containers()
    site.project.compose("stop", "--timeout=5", "odoo-cron")  # an action at work locks what Odoo changes then
    site.project.run("odoo", "odoo", f"--init={MODULE}", "--stop-after-init", "--no-http")
    site.project.start("odoo-cron")
    wait_until(lambda: "view of old, python of old" in development.page(), "the addon serves", 180)
    development.replace("views.xml", "view of old", "new view")
    assert "new view, python of old" in development.page()
    development.replace("probe.py", "python of old", "new python")
    wait_until(lambda: "new view, new python" in development.page(), "Odoo has reloaded", 180)
    assert site.provision(dry_run=True).plan.empty
    assert site.containers() == before


def test_mail_is_caught(development: Development) -> None:
    site = development.site
    assert site.logs_in("admin", secret_of(ADMIN)), "Odoo learns its own address"
    with site.browser() as browser:
        assert "Password reset instructions sent" in browser.send_form("/web/reset_password", login="demo").text
    (mail,) = development.mails()
    assert (mail["Subject"], len(mail["To"])) == ("Password reset", 1)
    assert f"https://erp.localhost:{site.https_port}/web/reset_password?" in mail["HTML"]


def test_development_is_used_and_converges_again(development: Development) -> None:
    see_it_used_and_converge(development.site)
