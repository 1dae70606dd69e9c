"""A real Odoo 19 is restarted: it serves people again, also after runs that were killed."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from killed_runs import Ended, killed_runs
from prefect import flow
from prefect.artifacts import Artifact
from served_odoo import serve

from blocks import OdooEnvironment
from flows.restart import restart
from odoo_ops.adapters.odoo_site import open_site
from odoo_ops.errors import PreconditionFailed, VerificationFailed
from odoo_ops.policy import layers
from odoo_ops.runtimes.waiting import wait_for_odoo
from tasks.leftovers import settle_leftovers
from tasks.locks import environment_locked
from tasks.services import stop_odoo

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo]

_DUE = "UPDATE ir_cron SET nextcall = now() AT TIME ZONE 'UTC' {} interval '2 hours'"


@pytest.fixture
def served_site(odoo_site: Site) -> Iterator[Site]:
    """Its Odoo runs; its scheduled actions are not due."""
    with odoo_site.connect() as connection:
        connection.execute(_DUE.format("+"))
    serve(odoo_site)
    _answers(odoo_site)
    yield odoo_site
    OdooEnvironment.open(odoo_site.name).odoo.stop()


def _answers(site: Site) -> None:
    with open_site(OdooEnvironment.open(site.name).host, site.settings.odoo.url) as odoo:
        odoo.wait_for_login_page(site.settings.database.name, 120, lambda: None)


def _pid(site: Site) -> int:
    return int((site.folder / "odoo.pid").read_text())


def test_postgres_that_may_serve_others_is_not_restarted(served_site: Site) -> None:
    before = _pid(served_site)
    with pytest.raises(PreconditionFailed, match="may serve others, too. Nothing was changed. Next step"):
        restart(served_site.name, database=True)
    assert _pid(served_site) == before


def test_restart_puts_another_odoo_in_place_and_blames_itself_only_for_what_was_well(
    served_site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    name, before = served_site.name, _pid(served_site)
    with served_site.connect() as connection:
        connection.execute(_DUE.format("-"))
    report = restart(name)
    assert _pid(served_site) != before
    assert report.failed_before == (layers.CRONS,)
    assert [check.name for check in report.checks if check.outcome == "failed"] == [layers.CRONS]
    assert report.down_seconds is not None
    assert f"Odoo runs; waiting for {served_site.settings.odoo.url}/web/login" in caplog.text
    page = Artifact.get(f"restart-{name}")
    assert page is not None
    assert f"# {name} was restarted: Odoo was away for " in str(page.data)
    assert f"Failed before the restart, too: {layers.CRONS}." in str(page.data)
    OdooEnvironment.open(name).odoo.stop()
    assert restart(name).failed_before == (layers.SERVICES, layers.REGISTRY, layers.CRONS), "stopped by hand"
    _answers(served_site)


@pytest.mark.long
def test_restart_passes_when_the_runs_before_were_killed_at_every_step(served_site: Site) -> None:
    places = []
    with killed_runs("restart", served_site.name, folder=served_site.folder, lasting="odoo.conf") as runs:
        for run in runs:
            served_site.free_limit()
            places.append(run.place)
    assert run == Ended(None, 0), runs.log()
    assert {"before stop_odoo", "before start_odoo", "before check_odoo_came_back"} <= set(places)
    _answers(served_site)
    assert [path for path in served_site.leftovers() if not path.startswith("session")] == []


@flow
def _die_in_between(name: str) -> None:
    with environment_locked(name, "restart"):
        stop_odoo(name)


@flow
def _settle(name: str) -> list[str]:
    return settle_leftovers(name)


def test_next_run_of_any_flow_starts_odoo_when_a_restart_died_after_it_stopped_it(served_site: Site) -> None:
    _die_in_between(served_site.name)
    assert not OdooEnvironment.open(served_site.name).odoo.runs()
    assert _settle(served_site.name) == ["started Odoo, which an interrupted run had stopped"]
    _answers(served_site)
    assert _settle(served_site.name) == []


def test_restart_says_what_was_seen_last_when_odoo_does_not_come_back(served_site: Site) -> None:
    runtime, config = OdooEnvironment.open(served_site.name), served_site.folder / "odoo.conf"
    runtime.odoo.stop()
    text, shown = config.read_text(), []
    with pytest.raises(
        VerificationFailed, match=r"not ready in time; seen last: Odoo's service does not run. Next step"
    ):
        wait_for_odoo(runtime, 3, shown.append)
    assert shown == ["Waiting: Odoo's service does not run"]
    config.write_text(re.sub(r"http_port = \d+", "http_port = 1", text))
    runtime.odoo.start()
    with pytest.raises(
        VerificationFailed, match=r"/web/login does not answer: ConnectError|ended while it was starting"
    ):
        wait_for_odoo(runtime, 10, shown.append)
    config.write_text(text)


def test_restart_is_refused_and_changes_nothing_when_no_service_is_named(site: Site) -> None:
    with pytest.raises(PreconditionFailed, match=r"names no service.*Nothing was changed. Next step: "):
        restart(site.name)
