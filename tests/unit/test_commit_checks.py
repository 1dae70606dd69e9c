"""What is made of a commit's requirements without any program's help."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock, create_autospec

import pytest

from blocks import OdooEnvironment
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands.git import print_file, text_of
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.addons import AddonsRepository, ReleasePolicy
from odoo_ops.model.checks import Check
from odoo_ops.model.command import Command
from odoo_ops.model.host import Host
from odoo_ops.model.release import FetchedAddons
from odoo_ops.policy.commit_checks import judge_audit, judge_pinned, no_audit
from odoo_ops.runtimes.commit_checks import check_commit, check_pinned
from odoo_ops.runtimes.runtime import Runtime
from tasks import releases


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        ("one==1.0\n", "all are pinned"),
        (
            "# ours\n\none == 1.0  # why\ntwo[a, b]===2.0 ; python_version < '4'\n--index-url https://a/b\n",
            "all are pinned",
        ),
        ("one==1.0 \\\n  --hash=sha256:a \\\n  --hash=sha256:b\n", "all are pinned"),
        ("one==1.0\r\ntwo>=2 # later\r\n", "not pinned to an exact version there: two>=2"),
        ("one\ntwo==2.*\nthree==3,<4\n", "not pinned to an exact version there: one; two==2.*; three==3,<4"),
        ("\ufeffone==1.0\n", "all are pinned"),
        (
            "git+https://user:canary@example.com/one.git#egg=one\n",
            "not pinned to an exact version there: git+https://***@example.com/one.git#egg=one",
        ),
        ("-r base.txt\n-e .\n", "not pinned to an exact version there: -r base.txt; -e ."),
    ],
)
def test_requirements_without_an_audit_are_not_measured_and_those_that_are_not_pinned_named(
    requirements: str, said: str
) -> None:
    check = no_audit("requirements", requirements, "as it is not asked")
    assert (check.outcome, check.detail.rpartition("; ")[0]) == ("not measured", said)
    assert check.detail.endswith("; known vulnerabilities are not looked for: as it is not asked")


def test_requirements_that_only_constraints_pin_are_refused_by_name() -> None:
    check = judge_pinned("pins", "-c constraints.txt\none\nTwo_x>=1\nthree==3\n")
    assert (check.outcome, check.detail.partition(": ")[0]) == (
        "failed",
        "one; Two_x>=1; pins must stand in requirements.txt itself",
    )
    assert judge_pinned("pins", "-c nowhere.txt\n-c https://example.com/c.txt\none==1\n").outcome == "passed"


def test_gate_leaves_to_the_audit_what_a_text_does_not_tell() -> None:
    text = "-r base.txt\none @ https://example.com/one.whl\none-1.0-py3-none-any.whl ; python_version > '3'\none==1\n"
    assert judge_pinned("pins", text).outcome == "passed"


def test_requirements_are_read_through_links_that_stay_in_the_commit(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base/requirements.txt").write_text("one==1\n# a comment\n")
    (tmp_path / "requirements.txt").symlink_to("base/requirements.txt")
    (tmp_path / "out.txt").symlink_to("/etc/hostname")
    (tmp_path / "nowhere.txt").symlink_to("nothing")
    here, named = HostAdapter(Host(name="here")), ("-c", "user.name=it", "-c", "user.email=it@example.com")
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message=first")):
        here.run(Command(argv=("git", "-C", str(tmp_path), *named, *words)))
    files = ("requirements.txt", "base/requirements.txt", "out.txt", "nowhere.txt", "base", "none")
    texts = [text_of(here.run(print_file(str(tmp_path), file)).stdout) for file in files]
    assert texts == ["one==1\n# a comment\n"] * 2 + [None] * 4


def test_requirements_that_lead_out_of_the_commit_are_not_measured_without_an_audit() -> None:
    out, inside = text_of("symlink 11\n/etc/passwd\n"), text_of("blob\none>1\n\n")
    assert (out, inside) == (None, "one>1\n")
    for check in (judge_pinned("pins", out), no_audit("pins", out, "as it is not asked")):
        assert (check.outcome, "leads out of the commit" in check.detail) == ("not measured", True)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("requirement one is not pinned: one (from RequirementLine)", "failed"),
        ("requirement one is not pinned to an exact version: one>=1", "failed"),
        ("requirement file requirements.txt contains invalid specifier at line 1: one.whl is not valid", "failed"),
        ("requirement one==1 does not contain a hash", "failed"),
        ("package one has duplicate requirements: one==2", "failed"),
        ("Could not connect to OSV's vulnerability feed", "not measured"),
    ],
)
def test_audit_without_an_answer_fails_for_what_the_file_does_not_tell(said: str, outcome: str) -> None:
    check = judge_audit("audit", None, [f"ERROR:pip_audit._cli:{said}"])
    assert check.outcome == outcome
    assert said.removeprefix("requirement ").removeprefix("package ") in check.detail
    assert ("requirements.txt itself" in check.detail) == ("is not pinned" in said)


@pytest.fixture
def commit(tmp_path: Path) -> Path:
    """The checkout of a commit."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    return folder


def looked_at(
    commit: Path, files: Mapping[str, str], foreign: Callable[[], HostAdapter], **asked: object
) -> list[Check]:
    """What is said of a commit of these files, on this machine."""
    runtime, repository = committed(commit, files, **asked)
    pinned = check_pinned(runtime, repository, str(commit))
    return [*pinned, *check_commit(runtime, repository, str(commit), foreign, lambda _: None)]


def committed(commit: Path, files: Mapping[str, str], **asked: object) -> tuple[Runtime, AddonsRepository]:
    """A commit of these files, on this machine."""
    for name, text in files.items():
        (commit / name).parent.mkdir(parents=True, exist_ok=True)
        (commit / name).write_text(text)
    named = ("-c", "user.name=it", "-c", "user.email=it@example.com")
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message=first")):
        _HERE.run(Command(argv=("git", "-C", str(commit), *named, *words)))
    fields = {"url": "https://git.example.com/ours.git", "ref": "main", "folder": "/opt/addons/ours"}
    repository = AddonsRepository.model_validate(fields | asked)
    runtime = create_autospec(Runtime, instance=True)
    runtime.machine, runtime.environment = _HERE, SimpleNamespace(odoo=SimpleNamespace(version="19.0"))
    return runtime, repository


_HERE = HostAdapter(Host(name="here"))
_VALIDATOR = "import sys\nprint(sys.argv[1:])\nsys.exit(sys.argv[1:] != ['.', '--verbose'])\n"
_PATH = "framework/validator/validate.py"


@pytest.mark.parametrize(
    ("validator", "asked", "outcomes"),
    [
        (_VALIDATOR, {}, [(f"{_PATH} . --verbose", "passed")]),
        ("raise SystemExit('line 3 is bad')", {}, [(f"{_PATH} . --verbose", "failed")]),
        ("raise SystemExit('line 3 is bad')", {"checks": [["true"]]}, [("true", "passed")]),
        (None, {}, []),
    ],
)
def test_own_validator_of_a_repository_is_run_where_no_other_checks_are_named(
    commit: Path, validator: str | None, asked: dict[str, object], outcomes: list[tuple[str, str]]
) -> None:
    found = looked_at(commit, {"a": "", **({_PATH: validator} if validator else {})}, lambda: _HERE, **asked)
    assert [check.outcome for check in found] == [outcome for _, outcome in outcomes]
    assert all(check.name.endswith(name) for check, (name, _) in zip(found, outcomes, strict=True))
    assert not found or found[0].outcome == "passed" or "line 3 is bad" in found[0].detail


@pytest.mark.parametrize(("checks", "times"), [([["true"], ["true"]], 1), ([], 0)])
def test_other_user_is_asked_for_once_a_gate_and_only_where_a_program_is_run(
    commit: Path, monkeypatch: pytest.MonkeyPatch, checks: list[list[str]], times: int
) -> None:
    runtime, repository = committed(commit, {"a": ""}, checks=checks)
    asked = Mock(return_value=_HERE)
    monkeypatch.setattr(runtime, "for_foreign_programs", asked)
    monkeypatch.setattr(OdooEnvironment, "open", lambda _: runtime)
    monkeypatch.setattr(releases, "_policy_of", lambda _: ReleasePolicy(addons=(repository,)))
    monkeypatch.setattr(releases, "get_run_logger", lambda: logging.getLogger(__name__))
    fetched = FetchedAddons(folder="/l", ref="main", commit="a" * 40, checkout=str(commit), present=None)
    assert [check.outcome for check in releases.check_commits.fn("erp", (fetched,))] == ["passed"] * len(checks)
    assert asked.call_count == times


def test_programs_that_cannot_be_run_as_another_user_fail_their_checks_all_in_the_same_way(commit: Path) -> None:
    def refuse() -> HostAdapter:
        raise PreconditionFailed("odoo cannot run python3. Next step: name another Python.")

    files = {"shelf/__manifest__.py": "{}\n", _PATH: _VALIDATOR}
    found = looked_at(commit, files, refuse, pylint_odoo=True)
    assert [(check.outcome, check.detail.partition(".")[0]) for check in found] == [
        ("failed", "odoo cannot run python3"),
        ("failed", "odoo cannot run python3"),
    ]


@pytest.mark.parametrize(
    ("audit", "requirements", "outcomes"),
    [
        (None, "one==1\n", ["passed", "not measured"]),
        (None, "one>=1\n", ["failed", "not measured"]),
        (None, None, []),
        (True, "one==1\n", ["passed", "failed"]),
        (False, "one>=1\n", ["not measured"]),
    ],
)
def test_requirements_are_audited_unless_that_is_not_wanted_and_a_missing_pip_audit_fails_only_where_it_is_asked_for(
    commit: Path, monkeypatch: pytest.MonkeyPatch, audit: bool | None, requirements: str | None, outcomes: list[str]
) -> None:
    monkeypatch.setattr(_HERE, "python", str(_without_packages(commit.parent)))
    files = {"a": "", **({"requirements.txt": requirements} if requirements else {})}
    found = looked_at(commit, files, lambda: _HERE, audit=audit)
    assert [check.outcome for check in found] == outcomes
    assert audit is False or not found or "has no pip-audit" in found[-1].detail


def test_audit_runs_no_module_of_the_commit_where_python_is_too_old_to_be_told(
    commit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.10 knows no PYTHONSAFEPATH."""
    monkeypatch.setattr(_HERE, "python", str(_python(commit.parent, "env -u PYTHONSAFEPATH /usr/bin/python3")))
    ran = commit.parent / "ran"
    looked_at(commit, {"requirements.txt": "one==1\n", "pip_audit.py": f"open({str(ran)!r}, 'w')"}, lambda: _HERE)
    assert not ran.exists()


def _without_packages(folder: Path) -> Path:
    return _python(folder, "/usr/bin/python3 -I")


def _python(folder: Path, command: str) -> Path:
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    python.chmod(0o755)
    return python
