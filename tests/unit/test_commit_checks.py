"""What is made of a commit's requirements without any program's help."""

import pytest

from odoo_ops.policy.commit_checks import unasked_audit


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
