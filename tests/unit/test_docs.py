"""What the papers name is there: commands, deployments, files, fields."""

import ast
import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from typer.testing import CliRunner

from deployments.cli import app
from odoo_ops.model.environment import Objectives
from odoo_ops.model.release import RELEASED_UNWELL

ROOT = Path(__file__).parents[2]
PAPERS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
_PATHS = re.compile(r"`((?:flows|tasks|odoo_ops|deployments|templates|tests)/[\w./-]*)`")
TEXT = "\n".join(paper.read_text() for paper in PAPERS)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z-]+)`?$", TEXT, re.MULTILINE))))
def test_every_make_target_that_is_named_exists(target: str) -> None:
    subprocess.run(
        ["/usr/bin/env", "make", "--dry-run", "--always-make", target], cwd=ROOT, check=True, capture_output=True
    )


@pytest.mark.parametrize("words", sorted(set(re.findall(r"odoo-ops ([a-z]+ [a-z]+)", TEXT))))
def test_every_command_that_is_named_exists(words: str) -> None:
    assert CliRunner().invoke(app, [*words.split(), "--help"]).exit_code == 0


def test_every_deployment_that_is_named_is_declared() -> None:
    declared = {item["name"] for item in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}
    named = set(re.findall(r"(?:deployment run |`)([a-z_]+)/\1\b", TEXT))
    assert named
    assert named <= declared


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_a_paper_links_or_names_exists(paper: Path) -> None:
    text = paper.read_text()
    links = [paper.parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)]
    named = [ROOT / name for name in re.findall(_PATHS, text)]
    assert [str(path) for path in [*links, *named] if not path.exists()] == []


def test_every_fault_is_a_test_and_says_which_are_run_with_long_alone() -> None:
    rows = re.findall(r"^\| .* \| .* \| (.*) \|$", (ROOT / "docs" / "faults.md").read_text(), re.MULTILINE)[1:]
    tests = _long_alone_by_test()
    named = [re.findall(r"`(test_\w+)`( \(long\))?", row) for row in rows]
    assert len(named) > 20
    assert all(named)
    assert [name for row in named for name, _mark in row if name not in tests] == []
    assert [name for row in named for name, mark in row if bool(mark) != tests[name]] == []


def _long_alone_by_test() -> dict[str, bool]:
    """Whether a test of this name is run with LONG=1 alone: its module, itself or all its cases are marked so."""
    found: dict[str, bool] = {}
    for file in (ROOT / "tests").rglob("test_*.py"):
        body = ast.parse(file.read_text()).body
        of_module = any(isinstance(each, ast.Assign) and "pytest.mark.long" in _marks(each) for each in body)
        for test in body:
            if isinstance(test, ast.FunctionDef):
                marked = of_module or any(_is_long(decorator) for decorator in test.decorator_list)
                found[test.name] = marked and found.get(test.name, True)
    return found


def _marks(assignment: ast.Assign) -> str:
    return ast.unparse(assignment.value) if ast.unparse(assignment.targets[0]) == "pytestmark" else ""


def _is_long(decorator: ast.expr) -> bool:
    if isinstance(decorator, ast.Call) and decorator.args and isinstance(decorator.args[-1], ast.List):
        return all("pytest.mark.long" in ast.unparse(case) for case in decorator.args[-1].elts)
    return ast.unparse(decorator) == "pytest.mark.long"


def test_alarm_is_an_automation_that_prefect_takes_and_hears_of_states_that_flows_end_in() -> None:
    automation = AutomationCore.model_validate(yaml.safe_load((ROOT / "deployments/alarm.yaml").read_text()))
    assert isinstance(automation.trigger, EventTrigger)
    assert "prefect.flow-run.Drift" in automation.trigger.expect
    assert f"prefect.flow-run.{RELEASED_UNWELL}" in automation.trigger.expect
    assert 'name="Drift"' in (ROOT / "flows/provision.py").read_text()


def test_alarm_of_no_backup_hears_of_what_backups_say_and_waits_as_long_as_the_rpo() -> None:
    automation = AutomationCore.model_validate(yaml.safe_load((ROOT / "deployments/alarm-no-backup.yaml").read_text()))
    assert isinstance(automation.trigger, EventTrigger)
    assert automation.trigger.posture is Posture.Proactive
    assert automation.trigger.within == timedelta(minutes=Objectives().rpo_minutes)
    assert automation.trigger.expect == {"odoo.backup.verified"}
    assert '"odoo.backup.verified"' in (ROOT / "tasks/events.py").read_text()
