"""Releases of addons from a real git server to a real Odoo that serves people."""

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from addons_repository import (
    BROKEN_PYTHON,
    BROKEN_VIEW,
    HANGS,
    SECOND,
    SHELF,
    WITHOUT_PACKAGE,
    AddonsServer,
    put_on_record,
)
from deployed_flow import DeployedFlow
from prefect.artifacts import Artifact
from pydantic import SecretStr
from real_processes import run_flow, wait_until
from real_sshd import RealSshd
from shop import Shop

from blocks import OdooEnvironment
from flows.backup import backup
from flows.forecast import forecast
from flows.promote import promote
from flows.release import release
from flows.restart import restart
from flows.rollback import rollback
from odoo_ops.adapters.held_locks import LockLost
from odoo_ops.adapters.odoo_site import open_site
from odoo_ops.errors import CommandFailed, PreconditionFailed, Refused, VerificationFailed
from odoo_ops.model.checks import Check
from odoo_ops.model.release import RELEASED_UNWELL, UNSEEN
from odoo_ops.policy.ways_back import listed
from odoo_ops.runtimes.release_records import read_databases, read_records
from tasks.forecasts import READS, TESTS
from tasks.smoke import IN_USE

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo, pytest.mark.sshd]


@pytest.fixture
def sshd(sshd_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSshd]:
    with RealSshd.run(sshd_program, tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def shop(odoo_site: Site, sshd: RealSshd, tmp_path: Path) -> Iterator[Shop]:
    with Shop.run(odoo_site, sshd, tmp_path) as shop:
        yield shop


def test_release_updates_what_changed_and_nothing_else(shop: Shop) -> None:
    first = shop.release()
    assert len(first.plan.updates) > 10, "nothing was on record, so all modules were updated"
    assert shop.modules_by_click_odoo_update() == []
    shop.drop_kept()
    shop.installs("shelf")
    shop.sql("INSERT INTO shelf_book (name) VALUES ('dune') RETURNING id")
    assert shop.release().plan.empty
    with open_site(OdooEnvironment.open(shop.site.name).host, str(shop.site.settings.odoo.url)) as site:
        for path in ("/shelf", "/web/login"):
            site.open_page(path)
        with pytest.raises(VerificationFailed, match="/odoo leads to the login page"):
            site.open_page("/odoo")

    commit = shop.addons.push({**SHELF, **SECOND, "lamp/__manifest__.py": "{'name': 'Lamp'}\n", "lamp/__init__.py": ""})
    plan = shop.release(dry_run=True).plan
    assert ([(update.name, update.why) for update in plan.updates], plan.come) == (
        [("shelf", "its files changed, version 19.0.1.0.0 to 19.0.2.0.0")],
        ("lamp",),
    )
    report = shop.release()
    assert "a shelf with the second edition" in shop.page()
    assert shop.sql("SELECT name, title FROM shelf_book") == [("dune", "DUNE of 19.0.1.0.0")]
    assert shop.link.readlink().name == commit
    assert shop.modules_by_click_odoo_update() == []
    assert shop.site.made_databases() == [report.kept_database]
    assert shop.leftovers() == []

    shop.sql("INSERT INTO shelf_book (name) VALUES ('emma') RETURNING id")
    shown = rollback(shop.site.name, dry_run=True)
    assert shown.written["public.shelf_book"] == 1
    back = rollback(shop.site.name, confirm=shop.site.name)
    assert "a shelf with the first edition" in shop.page()
    assert shop.sql("SELECT name FROM shelf_book") == [("dune",)]
    assert shop.modules_by_click_odoo_update() == []
    rollback(shop.site.name, confirm=shop.site.name)
    assert "a shelf with the second edition" in shop.page()
    assert shop.sql("SELECT name FROM shelf_book ORDER BY 1") == [("dune",), ("emma",)]
    assert back.kept_database not in shop.site.made_databases()
    _see_that_no_rollback_leads_to_a_database_that_is_gone(shop)

    shop.addons.push({**SHELF, **SECOND, "shelf/static/read.txt": "other words\n"})
    report = shop.release()
    assert (report.plan.updates, report.plan.gone, report.kept_database) == ((), ("lamp",), None)
    assert shop.page("/shelf/static/read.txt") == "other words\n"

    (first,) = [record.moment for record in read_records(OdooEnvironment.open(shop.site.name))[-1:]]
    for words in ("third words", "fourth words"):
        shop.addons.push({**SHELF, **SECOND, "shelf/static/read.txt": f"{words}\n"})
        shop.release()
    with pytest.raises(Refused, match=rf"Those with no module updated since: \S+ \(ours \w+\); {re.escape(first)} \("):
        rollback(shop.site.name, confirm=shop.site.name, to="yesterday")
    assert shop.page("/shelf/static/read.txt") == "fourth words\n"
    rollback(shop.site.name, confirm=shop.site.name, to=first)
    assert shop.page("/shelf/static/read.txt") == "other words\n"

    present = shop.link.readlink()
    shop.link.unlink()
    shop.link.symlink_to(present.with_name(commit))
    with pytest.raises(PreconditionFailed, match=f"replaced by something else: .* leads to .*{commit}"):
        rollback(shop.site.name, confirm=shop.site.name)


def _see_that_no_rollback_leads_to_a_database_that_is_gone(shop: Shop) -> None:
    shop.drop_kept()
    with pytest.raises(PreconditionFailed, match=r"is gone: it is kept for \d+ hours .*Next step: restore the backup"):
        rollback(shop.site.name, confirm=shop.site.name)
    runtime = OdooEnvironment.open(shop.site.name)
    _, former, *_ = listed(read_records(runtime), read_databases(runtime))
    assert re.fullmatch(r"no rollback, as the database \w+ is gone", former.standing)
    assert "a shelf with the second edition" in shop.page()


@pytest.mark.in_turn
def test_release_whose_run_died_before_its_checks_is_looked_at_when_the_same_is_released(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Odoo, which was stopped for the release, is started all the same."""

    def die(_environment: str, _wait_minutes: int) -> float:
        raise RuntimeError("the run was cut off")

    put_on_record(shop.site.name)
    runtime = OdooEnvironment.open(shop.site.name)
    with monkeypatch.context() as patched:
        patched.setattr("flows._put_in_place.start_odoo", die)
        with pytest.raises(RuntimeError, match="cut off"):
            shop.release()
    assert runtime.odoo.runs()
    assert shop.leftovers() == []
    assert read_records(runtime)[-1].unwell == UNSEEN
    report = shop.release()
    assert (report.applied, IN_USE in {check.name for check in report.checks}) == (False, True)
    assert read_records(runtime)[-1].unwell is None
    assert shop.release().checks == report.plan.gate


_LAMP = {"lamp/__manifest__.py": "{'name': 'Lamp'}\n", "lamp/__init__.py": "", "lamp/static/read.txt": "dark\n"}


@pytest.mark.in_turn
def test_two_repositories_are_released_together_or_one_alone_and_taken_back_together(
    shop: Shop, tmp_path: Path
) -> None:
    lamps, link = AddonsServer.make(shop.addons.sshd, tmp_path / "lamps"), shop.link.with_name("lamps")
    shop.takes_from(lamps, link)
    put_on_record(shop.site.name)

    def in_place() -> tuple[list[str], list[str]]:
        """The commits to which both links lead, and what people get of them."""
        pages = [shop.page(f"/{module}/static/read.txt") for module in ("shelf", "lamp")]
        return [path.readlink().name for path in (shop.link, link)], pages

    first, dark = shop.addons.push(SHELF), lamps.push(_LAMP)
    shop.release()
    assert in_place() == ([first, dark], ["as it was\n", "dark\n"])

    shop.addons.push({**SHELF, "shelf/static/read.txt": "pushed meanwhile\n"})
    lit = lamps.push({**_LAMP, "lamp/static/read.txt": "lit\n"})
    shop.release(refs={"lamps": "main"})
    assert in_place() == ([first, lit], ["as it was\n", "lit\n"])

    policy = shop.site.settings.release
    shop.site.register(release=policy.model_copy(update={"smoke_paths": ("/lamp/static/read.txt",)}))
    lamps.push({name: text for name, text in _LAMP.items() if "static" not in name})
    said = f"(?s){IN_USE}: /lamp/static/read.txt: status 404.*The former one was put back. It serves people again"
    with pytest.raises(VerificationFailed, match=said):
        shop.release()
    failed, back = read_records(OdooEnvironment.open(shop.site.name))[-2:]
    assert [path for path, folder in failed.addons.items() if back.addons[path] != folder] == [
        str(shop.link),
        str(link),
    ]
    assert in_place() == ([first, lit], ["as it was\n", "lit\n"])
    assert shop.leftovers() == []


@pytest.mark.in_turn
def test_release_to_production_waits_until_its_plan_is_approved(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only that plan is carried out: a push that came meanwhile is nothing that anybody has seen.

    Nor is a promotion's plan that has changed between its approval and its release.
    """
    put_on_record(shop.site.name)
    shop.site.register(stage="production")
    (repository,) = shop.site.settings.release.addons
    with DeployedFlow.of(release, tmp_path) as deployed:
        run = deployed.run(environment=shop.site.name)
        plan = deployed.asked(run)
        assert f"Plan `{plan}`; nothing was changed" in deployed.page_of(run)
        assert (shop.link.is_symlink(), shop.leftovers()) == (False, [])
        commit = shop.addons.push({**SHELF, "README": "pushed meanwhile\n"}, repository.ref)
        refused = deployed.approve(run, plan)
        assert f"no longer the plan {plan}" in str(refused.message)
        assert not shop.link.is_symlink()
        run = deployed.run(environment=shop.site.name)
        other = deployed.asked(run)
        assert other != plan
        state = deployed.approve(run, other)
        assert state.is_completed(), state.message
    assert shop.link.readlink().name == commit

    _forget(shop, "web")
    with pytest.raises(PreconditionFailed, match="no run of a deployment"):
        promote(shop.site.name, shop.site.name, soak_minutes=0)
    monkeypatch.setattr("flows.promote.refuse_unanswerable", lambda _: None)
    monkeypatch.setattr("flows.promote.wait_until_approved", lambda _plan: _forget(shop, "base"))
    with pytest.raises(Refused, match="is no longer the plan"):
        promote(shop.site.name, shop.site.name, soak_minutes=0)


def _forget(shop: Shop, module: str) -> None:
    """What is on record of a module, so that it is to be updated."""
    kept = f"(value::jsonb - '{module}')::text WHERE key = 'module_auto_update.installed_checksums' RETURNING id"
    shop.sql(f"UPDATE ir_config_parameter SET value = {kept}")


@pytest.mark.long
def test_what_is_named_is_released_to_the_first_one_and_to_the_second_one_after_its_soaking(
    shop: Shop, tmp_path: Path
) -> None:
    """They are one and the same here, so what the second one is to get is made anew by hand; each asks in the UI."""
    name = shop.site.name
    put_on_record(name)
    assert shop.release().applied
    shop.installs("shelf")
    put_on_record(name)
    commit = shop.addons.push({**SHELF, "README": "to be tried\n"})
    with DeployedFlow.of(promote, tmp_path) as deployed:
        run = deployed.run(source=name, target=name, soak_minutes=60, refs={"ours": commit})
        assert run.state
        assert (run.state.name, shop.link.readlink().name) == ("Soaking", commit), run.state.message
        (later,) = deployed.planned()
        assert f"the run {later.name!r} is planned for" in str(run.state.message)
        (record,) = read_records(OdooEnvironment.open(name))[-1:]
        assert (later.parameters["tried"], later.parameters["soak_minutes"]) == (record.moment, 60)
        assert (later.parameters["refs"], later.parameters["dry_run"]) == (None, False)
        assert later.expected_start_time
        assert timedelta(minutes=61) < later.expected_start_time - record.at <= timedelta(minutes=62)
        early = deployed.begin_now(later.id).state
        assert early
        assert "and must have been for 60. Nothing was changed" in str(early.message)
        with pytest.raises(Refused, match=rf"release of yesterday tried, and has that of {re.escape(record.moment)} "):
            promote(name, name, soak_minutes=0, tried="yesterday")

        _forget(shop, "shelf")
        shop.site.register(release=shop.site.settings.release.model_copy(update={"approval": True}))
        with pytest.raises(Refused, match="must be approved, and no run within another can wait"):
            promote(name, name, refs={"ours": commit})
        run = deployed.run(source=name, target=name, soak_minutes=0)
        state = deployed.approve(run, deployed.asked(run))
        assert state.is_completed(), state.message
    shop.sql("INSERT INTO shelf_book (name) VALUES ('emma') RETURNING id")
    with DeployedFlow.of(rollback, tmp_path) as deployed:
        run = deployed.run(environment=name)
        assert "public.shelf_book" in deployed.page_of(run)
        assert shop.sql("SELECT count(*) FROM shelf_book") == [(1,)]
        state = deployed.approve(run, deployed.asked(run))
        assert state.is_completed(), state.message
    assert shop.sql("SELECT count(*) FROM shelf_book") == [(0,)]


# for an update it starts, and not to serve people
_HANGS_AT_START = {
    "shelf/shelf.py": SHELF["shelf/shelf.py"]
    + """

class Slow(models.AbstractModel):
    _name = "shelf.slow"
    _description = "Slow"

    def _register_hook(self):
        import time

        from odoo.tools import config

        if not config["stop_after_init"]:
            time.sleep(600)
""",
}
_BROKEN_PAGE = {"shelf/shelf.py": SHELF["shelf/shelf.py"].replace("shelf.page", "shelf.nothing")}
# it can be counted, and not be read
_PARTNER = """

class Partner(models.Model):
    _inherit = "res.partner"

    share = fields.Float(compute="_compute_share")

    def _compute_share(self):
        self.share = 1 / 0
"""
# the update goes on to its end, and Odoo ends with status 0
_LOGS_AN_ERROR = {
    "shelf/__manifest__.py": SECOND["shelf/__manifest__.py"],
    "shelf/migrations/19.0.2.0.0/post-migrate.py": "import logging\n\n\ndef migrate(cr, version):\n"
    "    logging.getLogger(__name__).error('titles are lost')\n",
}


def test_release_that_fails_leaves_everything_as_it_was(
    shop: Shop, sshd: RealSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_record(shop.site.name)
    assert shop.release().plan.updates == ()
    shop.installs("shelf")
    restart(shop.site.name)
    assert "a shelf with the first edition" in shop.page()
    shop.drop_kept()
    policy = shop.site.settings.release
    reader = {"smoke_models": ("res.partner",), "smoke_login": "admin", "smoke_password": SecretStr("admin")}
    policy = policy.model_copy(update={"smoke_paths": ("/shelf",), **reader})
    shop.site.register(release=policy)

    shop.fails({**SHELF, **WITHOUT_PACKAGE}, "shelf needs Python package no-such-package", Refused)
    risen = {"shelf/__manifest__.py": SECOND["shelf/__manifest__.py"]}
    shop.fails({**SHELF, **risen}, "shelf rises from 19.0.1.0.0 to 19.0.2.0.0 and has no folder migrations", Refused)
    fallen = {"shelf/__manifest__.py": SHELF["shelf/__manifest__.py"].replace("19.0.1.0.0", "19.0.0.9.0")}
    shop.fails({**SHELF, **fallen}, "shelf falls from 19.0.1.0.0 to 19.0.0.9.0", Refused)
    shop.fails({"README": "the module is gone\n"}, "Every installed module is there: shelf", Refused)
    shop.fails({**SHELF, **BROKEN_PYTHON}, "ZeroDivisionError")
    shop.fails({**SHELF, **BROKEN_VIEW}, "nowhere")
    shop.fails({**SHELF, **_LOGS_AN_ERROR}, r"Modules are updated.*\? No: .*titles are lost")
    shop.fails({**SHELF, **_BROKEN_PAGE}, r"(?s)/shelf: status 404.*\. The former release serves people\.$")
    page = Artifact.get(f"release-{shop.site.name}")
    assert page is not None
    assert re.search(r"(?s): not released\n.*It failed after .*/shelf: status 404", str(page.data)), page.data
    shop.fails({**SHELF, "shelf/shelf.py": SHELF["shelf/shelf.py"] + _PARTNER}, "res.partner.*ZeroDivisionError")
    shop.site.register(release=policy.model_copy(update={"downtime_budget_seconds": 60}))  # both wait for its end
    shop.fails({**SHELF, **HANGS}, "its time limit")
    shop.fails({**SHELF, **_HANGS_AT_START}, r"/web/login does not answer: ReadTimeout \(\d+ s were left\)")

    def cut_connections(*_: object) -> list[Check]:
        sshd.cut_connections()
        return []

    shop.site.register_host(name="far", connection=sshd.connection(), python=sys.executable)
    monkeypatch.setattr("flows._cut_over.try_release", cut_connections)
    settled = "By a new connection it was settled: .*started Odoo.*dropped database .*Odoo serves people"
    shop.fails({**SHELF, **SECOND}, f"was lost before all was done .*{settled}", LockLost)
    page = Artifact.get(f"release-{shop.site.name}")
    assert page is not None
    assert "By a new connection it was settled" in str(page.data)


_TESTED = {
    "shelf/tests/__init__.py": "from . import test_book\n",
    "shelf/tests/test_book.py": """
from odoo.tests import TransactionCase


class TestBook(TransactionCase):
    def test_book_has_a_title(self):
        book = self.env["shelf.book"].create({"name": "emma", "title": "Emma"})
        self.assertEqual(book.title, "Emma")
""",
}
_BROKEN_TEST = {"shelf/tests/test_book.py": _TESTED["shelf/tests/test_book.py"].replace('"Emma")', '"Anna")')}
_BROKEN_FIELD = {"shelf/shelf.py": SECOND["shelf/shelf.py"] + _PARTNER}


_SLEEPS = {
    "shelf/__manifest__.py": SECOND["shelf/__manifest__.py"],
    "shelf/migrations/19.0.2.0.0/post-migrate.py": "def migrate(cr, version):\n"
    "    cr.execute('SELECT pg_sleep(600)')\n",
}


def _see_that_no_release_is_blamed_where_postgresql_ends_the_session(shop: Shop) -> None:
    sleeps = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'"

    def end_session() -> None:
        wait_until(lambda: shop.sql(f"SELECT count(*) {sleeps}") != [(0,)], "the update waits in PostgreSQL", 300)
        shop.sql(f"SELECT pg_terminate_backend(pid) {sleeps}")

    shop.addons.push({**SHELF, **_SLEEPS})
    said = r"(?s)^The release to \S+ could not be tried out.*server closed the connection.*The release is not to blame"
    with ThreadPoolExecutor(1) as beside:
        ended = beside.submit(end_session)
        with pytest.raises(PreconditionFailed, match=said):
            forecast(shop.site.name)
        ended.result()


@pytest.mark.in_turn
def test_forecast_tries_a_release_out_while_people_go_on_working(shop: Shop) -> None:
    put_on_record(shop.site.name)
    assert shop.release().plan.updates == ()
    shop.installs("shelf")
    restart(shop.site.name)
    serving = shop.process()
    shop.addons.push({**SHELF, **SECOND, **_TESTED})
    policy = shop.site.settings.release
    asked = policy.model_copy(
        update={
            "smoke_paths": ("/shelf",),
            "smoke_models": ("ir.module.module", "res.partner"),
            "test_tags": "/shelf",
            "downtime_budget_seconds": 300,
            "forecast": True,
        }
    )
    shop.site.register(release=asked)
    shop.sql("INSERT INTO shelf_book (name) VALUES ('dune') RETURNING id")
    backup(shop.site.name)
    content = shop.site.content()
    report = forecast(shop.site.name)
    assert [update.name for update in report.plan.updates] == ["shelf"]
    assert [check for check in report.checks if check.outcome != "passed"] == []
    found = {check.name: check.detail for check in report.checks}
    assert "of ir.module.module" in found[READS]
    assert found[TESTS] == "1 test of /shelf"
    assert None not in (report.copy_seconds, report.update_seconds, report.boot_seconds)
    assert report.locks is not None
    assert (report.locks.not_measured, report.locks.looks > 0) == ("", True)
    assert "a shelf with the first edition" in shop.page()
    assert shop.site.content() == content

    _see_that_no_release_is_blamed_where_postgresql_ends_the_session(shop)
    shop.addons.push({**SHELF, **SECOND, **_TESTED, **_BROKEN_TEST, **_BROKEN_FIELD})
    with pytest.raises(VerificationFailed) as raised:
        forecast(shop.site.name)
    assert re.search("Odoo's own tests: .*FAIL: TestBook.test_book_has_a_title", str(raised.value), re.DOTALL)
    assert f"{READS}: /web/dataset/call_kw/res.partner/search_read: builtins.ZeroDivisionError" in str(raised.value)

    shop.site.register(release=asked.model_copy(update={"downtime_budget_seconds": 20}))
    shop.fails({**SHELF, **HANGS}, "(?s)did not stand its forecast, and nothing was changed.*its time limit")
    assert shop.process() == serving, "people go on working while it is tried out"


# it passes in the copy, and ends the Odoo that is to serve people
_ENDS_LATER = (
    SECOND["shelf/shelf.py"]
    + """

from odoo.tools import config

if "scratch" not in str(config["db_name"]):
    import os

    os._exit(7)
"""
)


_FAILS_LATER = SECOND["shelf/shelf.py"].replace(
    "        return request.render",
    """        from odoo.tools import config

        if "scratch" not in str(config["db_name"]):
            import time

            request.env["ir.cron"].sudo()._notifydb()  # as what is to begin at once does
            time.sleep(5)
            raise ValueError
        return request.render""",
)


@pytest.mark.in_turn
def test_release_that_does_not_serve_people_is_taken_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows._put_in_place.WAIT_MINUTES", 1)
    put_on_record(shop.site.name)
    shop.release()
    shop.installs("shelf")
    shop.sql("INSERT INTO shelf_book (name) VALUES ('dune') RETURNING id")
    leads = shop.link.readlink()
    shop.addons.push({**SHELF, **SECOND, "shelf/shelf.py": _ENDS_LATER})
    said = "(?s)did not serve people: .*The former one was put back. It serves people again. What was written meanwhile"
    with pytest.raises(VerificationFailed, match=said):
        shop.release()
    assert "a shelf with the first edition" in shop.page()
    assert shop.link.readlink() == leads
    columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'shelf_book'"
    assert ("title",) not in shop.sql(columns)
    assert shop.sql("SELECT name FROM shelf_book") == [("dune",)]
    assert shop.modules_by_click_odoo_update() == []
    assert shop.leftovers() == []
    with pytest.raises(Refused, match="Nothing was released to .* before what is there now"):
        rollback(shop.site.name, confirm=shop.site.name)
    shop.site.register(release=shop.site.settings.release.model_copy(update={"smoke_paths": ("/shelf",)}))
    shop.addons.push({**SHELF, **SECOND, "shelf/shelf.py": _FAILS_LATER})
    shop.runs_actions()
    shop.sql("UPDATE ir_cron SET lastcall = NULL, nextcall = now() AT TIME ZONE 'UTC' - interval '1 day'")
    said = f"(?s){IN_USE}: /shelf: status 500.*was put back. It serves people"
    with pytest.raises(VerificationFailed, match=said) as raised:
        shop.release()
    assert "a shelf with the first edition" in shop.page()
    (kept,) = re.findall(r"is in the database (\S+)\. Next", str(raised.value))
    ran = "SELECT count(lastcall) FROM ir_cron"
    assert shop.sql(ran, kept) == [(0,)]
    wait_until(lambda: shop.sql(ran) != [(0,)], "scheduled actions run again", 120)
    shop.addons.push({**SHELF, **SECOND})

    def fail(_environment: str) -> None:
        raise CommandFailed("rm", 1, "no", where="here")

    monkeypatch.setattr("flows.release.remove_old_checkouts", fail)
    state = release(shop.site.name, return_state=True)
    assert (state.name, state.is_completed()) == (RELEASED_UNWELL, True)
    assert re.search("(?s)was released and serves people, but .*Old commits are deleted: `rm`", str(state.message))
    assert "a shelf with the second edition" in shop.page()
    shop.addons.push({**SHELF, **SECOND, "shelf/shelf.py": _FAILS_LATER})
    with pytest.raises(VerificationFailed, match=said):
        shop.release()
    assert rollback(shop.site.name, confirm=shop.site.name).applied  # the failed one is not in its way
    assert "a shelf with the first edition" in shop.page()


@pytest.mark.long
def test_what_stops_half_in_place_is_finished_and_says_so(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release, a rollback, and a release that is taken back."""
    put_on_record(shop.site.name)
    shop.release()
    shop.installs("shelf")
    shop.addons.push({**SHELF, **SECOND})

    def stop(_environment: str) -> None:
        raise PreconditionFailed("The disk is full.")

    monkeypatch.setattr("flows._put_in_place.finish_cut_over", stop)
    monkeypatch.setattr("flows._put_in_place.WAIT_MINUTES", 1)
    finished = "Put in place at once: It stopped, and was finished then: The disk is full"
    state = release(shop.site.name, return_state=True)
    assert state.name == RELEASED_UNWELL
    assert re.search(f"(?s)was released and serves people, but .*{finished}", str(state.message))
    assert "a shelf with the second edition" in shop.page()
    assert shop.leftovers() == []

    with pytest.raises(VerificationFailed, match=f"(?s)was taken back, but .*{finished}"):
        rollback(shop.site.name, confirm=shop.site.name)
    assert "a shelf with the first edition" in shop.page()
    assert shop.leftovers() == []

    shop.addons.push({**SHELF, **SECOND, "shelf/shelf.py": _ENDS_LATER})
    with pytest.raises(VerificationFailed, match=f"(?s)was put back. It serves people again. But {finished}"):
        shop.release()
    assert "a shelf with the first edition" in shop.page()
    assert shop.leftovers() == []


@pytest.mark.long
def test_next_release_passes_when_one_was_killed_while_it_updated_modules(shop: Shop) -> None:
    put_on_record(shop.site.name)
    assert shop.release().plan.updates == ()
    shop.installs("shelf")
    shop.addons.push({**SHELF, **HANGS})
    run = run_flow("release", shop.site.name, log=shop.site.folder / "killed.log")
    try:
        updates = "--update=shelf"
        run.wait_until(lambda: any(updates in command for command in run.children().values()), updates, 300)
        run.kill()
    finally:
        run.close()
    assert not OdooEnvironment.open(shop.site.name).odoo.runs()
    shop.site.free_limit()
    shop.addons.push({**SHELF, **SECOND})
    assert shop.release().applied
    assert "a shelf with the second edition" in shop.page()
    assert shop.leftovers() == []
