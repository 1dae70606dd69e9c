"""The page of `provision`, and what of it makes another plan of a plan."""

from collections.abc import Sequence

import pytest
from prefect.client.schemas.objects import State

from flows.provision import provision
from odoo_ops.errors import PreconditionFailed, Refused
from odoo_ops.model.plan import FileChange, FoundMachine, ProvisionPlan, ProvisionReport, ServiceChange
from odoo_ops.model.provision import HostFacts
from odoo_ops.policy.sizing import machine_sizing
from odoo_ops.render import render
from tasks.reports import steps_published

NOTHING = ProvisionPlan(environment="shop")
COMPOSE_FILE = FileChange(path="compose.yaml", change="changed", diff="")
NGINX_CONF = FileChange(path="config/nginx/nginx.conf", change="changed", diff="")
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


def test_page_tells_the_machine_and_the_sizes_to_who_approves_and_they_are_no_part_of_the_plan() -> None:
    facts = HostFacts(cores=4, memory_bytes=8 * 2**30)
    machine = FoundMachine(
        facts=facts, free_bytes=40 * 10**9, docker="28.0.1", compose="2.33.0", ports=("0.0.0.0:443",)
    )
    shown = {"machine": machine, "sizes": machine_sizing(facts, 24)}
    beside = START.model_copy(update={**shown, "machine": machine.model_copy(update={"neighbours": ("blog", "wiki")})})
    plan = START.model_copy(update=shown)
    assert plan.digest == START.digest
    told = page(plan)
    for line in (
        "| db | start | it is exited |\n\n| Machine | |\n|---|---|\n",
        "| Processors, memory | 4, 8.6 GB |\n",
        "| Free where Docker keeps its data | 40.0 GB |\n",
        "| Docker, Compose | 28.0.1, 2.33.0 |\n| It answers on | 0.0.0.0:443 |\n",
        "| Other projects that run there | none |\n\n| Sizes | Memory | |\n",
        "| `odoo` | 3.0 GB | 4 workers, each up to 2.1 GB |\n",
        "| `odoo-cron` | 2.3 GB | processes: 2, each up to 1.2 GB |\n",
        "| `db` | 2.8 GB | `shared_buffers` 693.1 MB, 110 connections |\n",
    ):
        assert line in told, told
    assert "| Other projects that run there | blog, wiki |\n" in page(beside)
    nothing = NOTHING.model_copy(update=shown)
    assert (nothing.empty, "Machine" in page(nothing)) == (True, False)


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is published as a page, one after the other."""
    found: list[str] = []
    monkeypatch.setattr("tasks.reports.create_markdown_artifact", lambda text, key: found.append(f"{key}: {text}"))
    monkeypatch.setattr("tasks.reports.create_table_artifact", lambda _rows, key: key)
    return found


def test_page_says_that_the_plan_is_carried_out_and_where_it_failed(pages: list[str]) -> None:
    def fails_at_the_third() -> None:
        with steps_published(START) as begin:
            begin("write the files")
            assert len(pages) == 1
            begin("bring up PostgreSQL")
            begin("make the database")
            raise PreconditionFailed("no database")

    with pytest.raises(PreconditionFailed, match="no database"):
        fails_at_the_third()
    begun, failed = pages
    assert begun.startswith("provision-shop: # shop: is being brought to what its file says\n")
    assert "Carrying it out was begun. If no run is at work" in begun
    assert failed.startswith("provision-shop: # shop: brought only in part to what its file says\n")
    assert "It ended at this step: make the database. Done before: write the files, bring up PostgreSQL. " in failed
    assert "Next step: mend what the run's state says, and run again; the new plan holds what is left.\n" in failed
    assert [shown for shown in pages if "nothing was changed" in shown] == []


def test_page_advises_what_the_error_does(pages: list[str]) -> None:
    def ends_early() -> None:
        with steps_published(START) as begin:
            begin("leave the data to `restore`")
            raise PreconditionFailed("It is lost. Next step: run `restore`, then this again.")

    with pytest.raises(PreconditionFailed):
        ends_early()
    assert "Done before: nothing. Next step: run `restore`, then this again.\n" in pages[-1]
    assert "mend what" not in pages[-1]


def test_page_stays_that_of_the_plan_until_the_first_step(pages: list[str]) -> None:
    with pytest.raises(Refused), steps_published(START):
        raise Refused("another plan")
    assert pages == []


def test_page_is_left_to_the_report_when_all_steps_are_done(pages: list[str]) -> None:
    with steps_published(START) as begin:
        begin("write the files")
    assert len(pages) == 1
    applied = page(START, applied=True)
    assert applied.startswith("# shop: brought to what its file says\n")
    assert f"Plan `{START.digest}`, carried out in " in applied
    assert f"# shop: differs from its file\n\nStart db. Plan `{START.digest}`; nothing was changed.\n" in page(START)
    assert page(NOTHING).startswith("# shop: is as its file says\n\nNothing differs.\n")


@pytest.mark.parametrize(
    ("plan", "at_work", "name"),  # who is at work before the plan is made, and after it
    [
        (START, (None, None), "Drift"),
        (START, ("release (calm-owl)", None), "AtWork"),
        (START, (None, "release (calm-owl)"), "AtWork"),
        (
            START.model_copy(update={"files": (COMPOSE_FILE,), "unsettled": True}),
            ("release (calm-owl)", None),
            "AtWork",
        ),
        (START.model_copy(update={"files": (COMPOSE_FILE, NGINX_CONF)}), ("release (calm-owl)", None), "Drift"),
        (START.model_copy(update={"files": (COMPOSE_FILE, NGINX_CONF)}), (None, "release (calm-owl)"), "Drift"),
        (NOTHING, ("release (calm-owl)", None), None),
    ],
)
def test_what_another_run_does_meanwhile_is_no_drift_and_nothing_else_is_taken_for_that(
    monkeypatch: pytest.MonkeyPatch,
    pages: list[str],
    plan: ProvisionPlan,
    at_work: Sequence[str | None],
    name: str | None,
) -> None:
    asked = iter(at_work)
    monkeypatch.setattr("flows.provision.why_nothing_to_compare", lambda _: "")
    monkeypatch.setattr("flows.provision.read_work_at_odoo", lambda _: next(asked))
    monkeypatch.setattr("flows.provision.plan_project", lambda *_, **__: plan)
    ended = provision.fn("shop", dry_run=True)
    assert (ended.name if isinstance(ended, State) else None) == name
    (shown,) = pages
    assert ("At work: release (calm-owl)" in shown) == (name == "AtWork")
    if isinstance(ended, State):
        assert ended.is_completed()
        assert plan.summary in str(ended.message)
        assert ("release (calm-owl) is at work" in str(ended.message)) == any(at_work)
