"""What is made of a commit's requirements without any program's help."""

import pytest

from odoo_ops.policy.commit_checks import constraints_of, judge_audit, judge_pinned, unasked_audit


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        ("one==1.0\n", "all are pinned"),
        (
            "# ours\n\none == 1.0  # why\ntwo[a, b]===2.0 ; python_version < '4'\n--index-url https://a/b\n",
            "all are pinned",
        ),
        ("one==1.0 \\\n  --hash=sha256:a \\\n  --hash=sha256:b\n", "all are pinned"),
        ("one==1.0\r\ntwo>=2 # later\r\n", "not pinned to an exact version: two>=2"),
        ("one\ntwo==2.*\nthree==3,<4\n", "not pinned to an exact version: one; two==2.*; three==3,<4"),
        ("\ufeffone==1.0\n", "all are pinned"),
        (
            "git+https://user:canary@example.com/one.git#egg=one\n",
            "not pinned to an exact version: git+https://***@example.com/one.git#egg=one",
        ),
        ("-r base.txt\n-e .\n", "not pinned to an exact version: -r base.txt; -e ."),
    ],
)
def test_requirements_without_an_audit_are_not_measured_and_those_that_are_not_pinned_named(
    requirements: str, said: str
) -> None:
    check = unasked_audit("requirements", requirements)
    assert (check.outcome, check.detail.rpartition("; ")[0]) == ("not measured", said)
    assert "`audit: true`" in check.detail


_CONSTRAINED = "-c constraints.txt\none\nTwo_x>=1\n"


def test_requirements_that_constraints_pin_are_pinned() -> None:
    assert constraints_of(_CONSTRAINED + "--constraint=more.txt\n") == ["constraints.txt", "more.txt"]
    assert judge_pinned("pins", _CONSTRAINED, "one==1.0\ntwo.X==2\n").outcome == "passed"
    assert unasked_audit("pins", _CONSTRAINED, "one==1.0\ntwo-x==2\n").detail.startswith("all are pinned; ")
    unpinned = judge_pinned("pins", _CONSTRAINED, "one==1.0\ntwo-x>2\n")
    assert (unpinned.outcome, unpinned.detail) == ("failed", "Two_x>=1")


def test_gate_leaves_to_the_audit_what_a_text_does_not_tell() -> None:
    assert judge_pinned("pins", "-r base.txt\none @ https://example.com/one.whl\none==1\n", "").outcome == "passed"


@pytest.mark.parametrize(
    ("said", "constraints", "outcome"),
    [
        ("requirement one is not pinned: one (from RequirementLine)", "", "failed"),
        ("requirement one is not pinned to an exact version: one>=1", "", "failed"),
        ("requirement one is not pinned: one (from RequirementLine)", "one==1.0", "not measured"),
        ("Connection refused", "", "not measured"),
    ],
)
def test_audit_without_an_answer_fails_for_what_nothing_pins(said: str, constraints: str, outcome: str) -> None:
    check = judge_audit("audit", None, [f"ERROR:pip_audit._cli:{said}"], constraints)
    assert check.outcome == outcome
