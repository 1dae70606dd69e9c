"""Commands that look at a commit of addons without Odoo: pylint-odoo, and pip-audit."""

import json
from collections.abc import Sequence
from typing import Any

from odoo_ops.model.command import Command

_NO_MODULE = "No module named"


def lint(python: str, checkout: str, modules: Sequence[str], series: str, *, own_choice: bool) -> Command:
    """Look at modules with pylint-odoo; it ends with another status than 0 when it finds something.

    Args:
        python: program that has pylint-odoo.
        checkout: folder of the commit.
        modules: their folders in the checkout.
        series: of Odoo, such as 19.0.
        own_choice: whether the repository itself says, in its .pylintrc, what is looked for. Else it is all that
            pylint-odoo knows but the rule that the OCA is the author.
    """
    choice = () if own_choice else ("--disable=all", "--enable=odoolint", "--disable=manifest-required-author")
    return _of_python(
        python,
        checkout,
        *("pylint", "--load-plugins=pylint_odoo", f"--valid-odoo-versions={series}", "--persistent=no", "--score=no"),
        *(*choice, "--", *modules),
    )


def audit(python: str, requirements: str) -> Command:
    """Ask whether vulnerabilities of pinned requirements are known; `parse_audit` reads what it prints.

    Nothing is installed and no dependency is looked for. It ends with status 1 when it knows one, too. The user who
    acts on the host runs it, so not in the commit's folder: Python before 3.11 would import the commit's modules.

    Args:
        python: program that has pip-audit.
        requirements: path of the file.
    """
    words = ("pip_audit", "--disable-pip", "--no-deps", "--format=json", "--desc=off", "--progress-spinner=off")
    return _of_python(python, "/", *words, f"--requirement={requirements}")


def parse_audit(output: str) -> list[dict[str, Any]] | None:
    """The packages that were asked about, with `vulns` or a `skip_reason` each; None: it came to no answer."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    return list(json.loads(lines[-1])["dependencies"]) if lines else None


def is_missing(output: str) -> bool:
    """Whether Python said that it has no such program."""
    return _NO_MODULE in output


def _of_python(python: str, folder: str, module: str, *words: str) -> Command:
    return Command(
        argv=(python, "-m", module, *words),
        working_directory=folder,
        environment={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1"},  # Python 3.11: no module of the commit's
    )
