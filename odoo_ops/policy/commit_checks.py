"""What is made of pip-audit's and pylint-odoo's words on a commit of addons."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from odoo_ops.model.checks import Check, first_of, passed_or_failed

_UNPINNED = "is not pinned"  # to an exact version, or at all
_NAMED = re.compile(r"([\w.-]+)\s*(\[[^]]*\])?\s*([<>=!~;].*)?")  # not by an address, of which pip-audit knows more
_CONSTRAINTS = re.compile(r"(?:-c|--constraint)[\s=]*(\S+)")
_PINNED = re.compile(r"[\w.-]+\s*(\[[^]]*\])?\s*===?\s*[^\s*,;]+\s*(;.*|--hash.*)?")
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
# options that bring requirements of their own, which may be anything
_BRINGS_MORE = ("-r", "--requirement", "-e", "--editable")


def judge_audit(
    name: str, packages: Sequence[Mapping[str, Any]] | None, said: Sequence[str], constraints: str = ""
) -> Check:
    """Whether requirements are pinned and without known vulnerabilities.

    Args:
        name: of the check.
        packages: pip-audit's answer, with `name`, `version` and `vulns`, or with `skip_reason` where nothing is known
            of a package; None: it came to no answer.
        said: what it said beside that, by lines.
        constraints: text of the files of constraints, which it does not read.
    """
    if packages is None:
        return _without_answer(name, [line for line in said if line.strip()], _pinned_in(constraints))
    known = [
        f"{package['name']} {package['version']}: {vulnerability['id']}{_fixed_in(vulnerability)}"
        for package in packages
        for vulnerability in package.get("vulns", ())
    ]
    skipped = [f"{package['name']}: {package['skip_reason']}" for package in packages if "skip_reason" in package]
    if skipped and not known:
        return Check(name=name, outcome="not measured", detail=first_of(skipped))
    return passed_or_failed(name, known, f"{len(packages)} packages")


def _fixed_in(vulnerability: Mapping[str, Any]) -> str:
    versions = vulnerability.get("fix_versions")
    return f" (mended in {', '.join(versions)})" if versions else ""


def _without_answer(name: str, said: Sequence[str], by_constraints: Collection[str]) -> Check:
    """One that is not pinned is a fault of the commit, unless by constraints; where no data can be had, it is not."""
    unpinned = [line.partition("requirement ")[2] for line in said if _UNPINNED in line]
    if unpinned and all(_name_of(line.partition(" ")[0]) in by_constraints for line in unpinned):
        detail = f"pinned only by constraints, which pip-audit does not read: {first_of(unpinned)}"
        return Check(name=name, outcome="not measured", detail=detail)
    if unpinned:
        return Check(name=name, outcome="failed", detail=first_of(unpinned))
    return Check(name=name, outcome="not measured", detail=said[-1] if said else "pip-audit said nothing")


def judge_pinned(name: str, requirements: str, constraints: str) -> Check:
    """Whether each requirement that is named is pinned to an exact version, itself or by constraints."""
    unpinned = [line for line in _unpinned(requirements, constraints) if _NAMED.fullmatch(line)]
    return passed_or_failed(name, unpinned, "those that are named")


def constraints_of(requirements: str) -> list[str]:
    """Files of constraints that a requirements.txt names, beside it."""
    return [found[1] for line in _lines(requirements) if (found := _CONSTRAINTS.fullmatch(line))]


def _unpinned(requirements: str, constraints: str) -> list[str]:
    pinned = _pinned_in(constraints)
    return [
        line
        for line in _requirements_in(requirements)
        if not (_PINNED.fullmatch(line) or (_NAMED.fullmatch(line) and _name_of(line) in pinned))
    ]


def _pinned_in(constraints: str) -> set[str]:
    return {_name_of(line) for line in _lines(constraints) if _PINNED.fullmatch(line)}


def _name_of(line: str) -> str:
    """The package that a line names, as PyPI compares names."""
    found = _NAMED.match(line)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""


def unasked_audit(name: str, requirements: str, constraints: str = "") -> Check:
    """Of requirements for which no audit was asked: the file says what is not pinned, and nobody what is vulnerable."""
    unpinned = [_CREDENTIALS.sub("://***@", line) for line in _unpinned(requirements, constraints)]
    pinned = f"not pinned to an exact version: {first_of(unpinned)}" if unpinned else "all are pinned"
    detail = f"{pinned}; known vulnerabilities are looked for where the repository has `audit: true`"
    return Check(name=name, outcome="not measured", detail=detail)


def _requirements_in(text: str) -> list[str]:
    """The lines of a requirements.txt that ask for something, as pip joins them and without its comments."""
    return [line for line in _lines(text) if line[0] != "-" or line.startswith(_BRINGS_MORE)]


def _lines(text: str) -> list[str]:
    whole = re.sub(r"\\\r?\n", " ", text.removeprefix("\ufeff")).splitlines()
    return [line for line in (re.sub(r"(^|\s)#.*", "", line).strip() for line in whole) if line]


def unseen_commit() -> Check:
    """Of an image, whose commit's own checks nobody can run here: it has neither the repository nor the checkers."""
    detail = "they belong to what builds the image: `odoo-ops render-ci` writes such a pipeline"
    return Check(name="The commit's own checks, pylint-odoo and pip-audit", outcome="not measured", detail=detail)


def missing_checker(name: str, package: str, python: str) -> Check:
    """A checker that was asked for and is not there: nothing passed."""
    return Check(name=name, outcome="failed", detail=f"{python} has no {package}: install it there")
