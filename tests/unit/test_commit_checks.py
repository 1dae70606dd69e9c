"""What is made of a commit's requirements without any program's help."""

from pathlib import Path

import pytest

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands.git import print_file, text_of
from odoo_ops.model.command import Command
from odoo_ops.model.host import Host
from odoo_ops.policy.commit_checks import judge_audit, judge_pinned, unasked_audit


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
    check = unasked_audit("requirements", requirements)
    assert (check.outcome, check.detail.rpartition("; ")[0]) == ("not measured", said)
    assert "`audit: true`" in check.detail


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
    for check in (judge_pinned("pins", out), unasked_audit("pins", out)):
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
