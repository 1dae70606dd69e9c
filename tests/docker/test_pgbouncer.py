"""PgBouncer in a project that `provision` made, by transaction, which is the harder way."""

import asyncio
import json
from collections.abc import Callable, Iterator

import pytest
from provisioned_site import ADMIN, IMAGES, RUNNING, SECRETS, Browser, Provisioned, provisioned, secret_of
from real_processes import wait_until
from used_site import SMALL

from deployments.engines.docker import DockerEngine
from flows.backup import backup
from flows.health import health
from flows.restart import restart
from odoo_ops.errors import VerificationFailed
from odoo_ops.model.plan import ProvisionReport
from odoo_ops.policy import layers

pytestmark = [pytest.mark.docker, pytest.mark.odoo, pytest.mark.restic, pytest.mark.in_turn]

HOST = "erp-staging.example.com"
PASSWORD = SECRETS["password"]


@pytest.fixture(scope="module")
def site(
    docker: DockerEngine,
    image: Callable[[str], str],
    prefect_server: None,  # noqa: ARG001 - the server must run
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Provisioned]:
    """A staging that `provision` made from nothing, with it. Each test leaves it as its file says."""
    wanted, folder = {**SMALL, "pgbouncer": {"pool": "transaction"}}, tmp_path_factory.mktemp("pooled")
    with provisioned(docker, image, folder, images=(*IMAGES, "pgbouncer"), domain=HOST, wanted=wanted) as made:
        yield made


def _actions(report: ProvisionReport) -> dict[str, str]:
    return {change.service: change.action for change in report.plan.services}


def test_odoo_works_through_it_and_a_second_run_plans_nothing(site: Provisioned) -> None:
    assert site.provision().plan.empty
    assert site.logs_in("admin", secret_of(ADMIN))
    address = site.project.exec("db", "getent", "hosts", "pgbouncer").split()[0]
    by_odoo = "SELECT DISTINCT host(client_addr) FROM pg_stat_activity WHERE usename = 'odoo'"
    assert site.sql(by_odoo) == address
    said = site.project.compose("logs", "pgbouncer")
    assert "process up" in said
    assert [line for line in said.splitlines() if " WARNING " in line or " ERROR " in line] == []


@pytest.mark.long
def test_goes_and_comes_back_while_postgresql_runs_on(site: Provisioned) -> None:
    before = site.containers()
    odoo = {"odoo": "recreate", "odoo-cron": "recreate"}
    site.register(pgbouncer=None)
    assert _actions(site.provision()) == {**odoo, "pgbouncer": "remove"}
    assert site.running() == RUNNING
    assert site.provision(dry_run=True).plan.empty
    site.register()
    report = site.provision()
    assert _actions(report) == {**odoo, "pgbouncer": "create"}
    assert {check.name: check.outcome for check in report.checks}[layers.POOLER] == "passed"
    assert {name: site.containers()[name] for name in ("db", "nginx")} == {
        name: before[name] for name in ("db", "nginx")
    }


def test_notification_reaches_a_browser(site: Provisioned) -> None:
    assert _notified(site, "through-the-pool") == "through-the-pool"


def test_setting_of_one_session_does_not_reach_the_next(site: Provisioned) -> None:
    name = f"postgresql://odoo:{secret_of(PASSWORD)}@pgbouncer:6432/erp"
    ask = ("psql", "--no-align", "--tuples-only", name)
    site.project.exec("db", *ask, "--command=SET SESSION lock_timeout = '15s'")
    assert site.project.exec("db", *ask, "--command=SHOW lock_timeout").strip() == "0"


def test_backup_goes_past_it(site: Provisioned) -> None:
    site.project.compose("pause", "pgbouncer")
    try:
        assert backup(site.name).damaged_total == 0
    finally:
        site.project.compose("unpause", "pgbouncer")


@pytest.mark.long
def test_health_names_it_when_it_does_not_answer(site: Provisioned) -> None:
    site.project.compose("pause", "pgbouncer")
    try:
        with pytest.raises(VerificationFailed, match=f"{layers.POOLER}: "):
            health(site.name)
    finally:
        site.project.compose("unpause", "pgbouncer")
        wait_until(lambda: "unhealthy" not in site.project.compose("ps", "--format={{.Health}}"), "all are well", 120)


@pytest.mark.long
def test_another_password_and_another_pool_reach_it(site: Provisioned, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(PASSWORD, 'ano"ther')
        site.register(pgbouncer={"pool": "session"})
        assert _actions(site.provision()) == {"pgbouncer": "restart", "odoo": "restart", "odoo-cron": "restart"}
        assert site.login_page().status_code == 200
    site.register(pgbouncer={"pool": "session"})
    site.provision()
    site.register()
    assert _actions(site.provision()) == {"pgbouncer": "reload"}
    assert site.provision(dry_run=True).plan.empty


@pytest.mark.long
def test_restart_of_postgresql_is_survived(site: Provisioned) -> None:
    """PgBouncer finds it, whose container may have another address then."""
    assert _notified(site, "before") == "before"
    listened = _listens(site)
    restart(site.name, database=True)
    assert _notified(site, "after-a-restart", listened) == "after-a-restart"
    site.project.compose("stop", "db")
    assert _actions(site.provision()).items() >= {"db": "start", "pgbouncer": "restart"}.items()
    assert site.login_page().status_code == 200


def _listens(site: Provisioned) -> int:
    """How often Odoo began to listen to its bus."""
    return site.project.compose("logs", "odoo").count("Bus.loop listen imbus")


def _notified(site: Provisioned, text: str, listened: int = 0) -> str:
    """What a browser is told when another process of Odoo has something to tell on its channel.

    Odoo begins to listen for the first browser; `listened` is how often it had done so before. Where its connection is
    lost, it waits for most of a minute before it listens again.
    """
    tell = f"env['bus.bus']._sendone('{text}', 'told', {{'text': '{text}'}}); env.cr.commit()"

    def tells() -> None:
        wait_until(lambda: _listens(site) > listened, "Odoo listens", 120)
        site.project.run("odoo", "sh", "-c", 'echo "$0" | odoo shell --no-http', tell)

    async def listens(browser: Browser) -> str | bytes:
        async with browser.websocket() as websocket:
            await websocket.send(json.dumps({"event_name": "subscribe", "data": {"channels": [text], "last": 0}}))
            await asyncio.to_thread(tells)
            return await asyncio.wait_for(websocket.recv(), 60)

    with site.browser() as browser:
        told = [message["message"] for message in json.loads(asyncio.run(listens(browser)))]
    return str(next(message["payload"]["text"] for message in reversed(told) if message["type"] == "told"))
