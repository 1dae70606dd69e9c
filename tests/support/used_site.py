"""What happens to every provisioned site, whatever its stage: it is used, backed up, hurt, and converges again."""

import secrets

import pytest
from provisioned_site import ADMIN, RUNNING, Provisioned, secret_of
from real_processes import wait_until

from flows.backup import backup
from odoo_ops.errors import CommandFailed

# what `register` must say, so that a body over the limit and a full memory are soon there
SMALL = {"body_limit_bytes": 2**21, "memory_bytes": 7 * 2**29}
_NGINX_CONF = "config/nginx/nginx.conf"
# more than the container may have, and than it may swap
_TAKE_ALL = "taken = [bytes(range(256)) * 2**18 for _ in range(60)]"


def see_it_used_and_converge(site: Provisioned) -> None:
    """Log in by TLS, open a websocket, attach a file, back up; fill limits, lose a container and a file; converge."""
    data = secrets.token_bytes(2**18)
    with site.browser() as browser:
        assert browser.logs_in("admin", secret_of(ADMIN))
        assert browser.opens_websocket()
        number = browser.attach(data)
        assert browser.fetch(number) == data
    assert backup(site.name).damaged_total == 0
    _fill_limits(site)
    _hurt(site)
    report = site.provision(confirm_production=site.name)
    assert [(file.path, file.change) for file in report.plan.files] == [(_NGINX_CONF, "changed")]
    assert {change.service: change.action for change in report.plan.services} == {"odoo": "create", "nginx": "reload"}
    before = site.containers()
    assert site.provision().plan.empty
    assert site.containers() == before
    assert set(RUNNING) <= set(site.running())
    with site.browser() as browser:
        assert browser.logs_in("admin", secret_of(ADMIN))
        assert browser.fetch(number) == data


def _fill_limits(site: Provisioned) -> None:
    """A body that is too large is refused; who takes all memory of Odoo's container is ended, and Odoo serves on."""
    with site.browser() as browser:
        assert browser.post("/web/login", content=bytes(2**21 + 1)).status_code == 413
    with pytest.raises(CommandFailed) as taken:
        site.project.exec("odoo", "python3", "-c", _TAKE_ALL)
    assert taken.value.exit_status == 137
    wait_until(lambda: site.login_page().status_code == 200, "Odoo serves again", 120)


def _hurt(site: Provisioned) -> None:
    conf = site.project.folder / _NGINX_CONF
    conf.write_text(conf.read_text() + "# edited by hand\n")
    site.project.engine.run("rm", "--force", site.containers()["odoo"])
