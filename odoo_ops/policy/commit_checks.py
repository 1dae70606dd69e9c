"""What is made of pip-audit's and pylint-odoo's words on a commit of addons."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from odoo_ops.model.checks import Check, first_of, passed_or_failed

# what pip-audit cannot work with in the file: not pinned, without a hash beside others, twice, no requirement at all
_REFUSED = re.compile(r"ERROR:pip_audit\._cli:(?:requirement|package) (.*)")
_ELSEWHERE = "requirements.txt is a link that leads out of the commit"
_IN_THE_FILE = "pins must stand in requirements.txt itself: pip-audit reads no constraints"
# not by an address or a file, of which pip-audit knows more
_NAMED = re.compile(r"(?!\S+\.whl\b)[\w.-]+\s*(\[[^]]*\])?\s*([<>=!~;].*)?")
_PINNED = re.compile(r"[\w.-]+\s*(\[[^]]*\])?\s*===?\s*[^\s*,;]+\s*(;.*|--hash.*)?")
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
# options that bring requirements of their own, which may be anything
_BRINGS_MORE = ("-r", "--requirement", "-e", "--editable")


def judge_audit(name: str, packages: Sequence[Mapping[str, Any]] | None, said: Sequence[str]) -> Check:
    """Whether requirements are pinned and without known vulnerabilities.

    Args:
        name: of the check.
        packages: pip-audit's answer, with `name`, `version` and `vulns`, or with `skip_reason` where nothing is known
            of a package; None: it came to no answer.
        said: what it said beside that, by lines.
    """
    if packages is None:
        return _without_answer(name, [line for line in said if line.strip()])
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


def _without_answer(name: str, said: Sequence[str]) -> Check:
    """What it cannot work with in the file is a fault of the commit; where no data can be had, it is not."""
    if refused := [found[1] for line in said if (found := _REFUSED.match(line))]:
        advice = f"; {_IN_THE_FILE}" if any("is not pinned" in line for line in refused) else ""
        return Check(name=name, outcome="failed", detail=f"{first_of(refused)}{advice}")
    return Check(name=name, outcome="not measured", detail=said[-1] if said else "pip-audit said nothing")


def judge_pinned(name: str, requirements: str | None) -> Check:
    """Whether each requirement that is named is pinned to an exact version, in the file itself."""
    if requirements is None:
        return Check(name=name, outcome="not measured", detail=_ELSEWHERE)
    if unpinned := [line for line in _unpinned(requirements) if _NAMED.fullmatch(line)]:
        return Check(name=name, outcome="failed", detail=f"{first_of(unpinned)}; {_IN_THE_FILE}")
    return Check(name=name, outcome="passed", detail="those that are named")


def no_audit(name: str, requirements: str | None, why: str) -> Check:
    """Of requirements that are not audited: the file says what is not pinned, and nobody what is vulnerable."""
    if requirements is None:
        pinned = _ELSEWHERE
    else:
        unpinned = [_CREDENTIALS.sub("://***@", line) for line in _unpinned(requirements)]
        pinned = f"not pinned to an exact version there: {first_of(unpinned)}" if unpinned else "all are pinned"
    detail = f"{pinned}; known vulnerabilities are not looked for: {why}"
    return Check(name=name, outcome="not measured", detail=detail)


def _unpinned(requirements: str) -> list[str]:
    return [line for line in _requirements_in(requirements) if not _PINNED.fullmatch(line)]


def _requirements_in(text: str) -> list[str]:
    """The lines of a requirements.txt that ask for something, as pip joins them and without its comments."""
    whole = re.sub(r"\\\r?\n", " ", text.removeprefix("\ufeff")).splitlines()
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in whole]
    return [line for line in lines if line and (line[0] != "-" or line.startswith(_BRINGS_MORE))]


def unseen_commit() -> Check:
    """Of an image, whose commit's own checks nobody can run here: it has neither the repository nor the checkers."""
    detail = "they belong to what builds the image: `odoo-ops render-ci` writes such a pipeline"
    return Check(name="The commit's own checks, pylint-odoo and pip-audit", outcome="not measured", detail=detail)


def missing_checker(name: str, package: str, python: str) -> Check:
    """A checker that was asked for and is not there: nothing passed."""
    return Check(name=name, outcome="failed", detail=f"{python} has no {package}: install it there")
