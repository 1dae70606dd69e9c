"""Odoo's source in a folder: which version, and which Python it needs."""

import re
from dataclasses import dataclass
from pathlib import Path

from odoo_ops.errors import PreconditionFailed

_SERIES = re.compile(r"^version_info = \((\d+), (\d+)", re.MULTILINE)
_LEAST_PYTHON = re.compile(r"^MIN_PY_VERSION = \((\d+), (\d+)\)", re.MULTILINE)
_OLDEST = 18


@dataclass(frozen=True)
class OdooSource:
    """A checkout of Odoo, or the folder in which its package is.

    Attributes:
        series: such as 19.0.
        least_python: such as (3, 10).
    """

    folder: Path
    series: str
    least_python: tuple[int, int]

    @property
    def is_checkout(self) -> bool:
        """Whether it is as in git: with `odoo-bin`, most addons beside the package, and a list of requirements."""
        return (self.folder / "odoo-bin").is_file()

    @property
    def addons(self) -> tuple[Path, ...]:
        """Folders of addons that Odoo does not find by itself when others are named."""
        return (self.folder / "addons",) if self.is_checkout else ()

    @property
    def requirements(self) -> tuple[Path, ...]:
        """Its own list of requirements, if it has one."""
        return (self.folder / "requirements.txt",) if self.is_checkout else ()


def find_source(folder: Path) -> OdooSource:
    """The Odoo in a folder. Raises PreconditionFailed where there is none, or one that is too old."""
    release = folder / "odoo" / "release.py"
    text = release.read_text() if release.is_file() else ""
    series, least = _SERIES.search(text), _LEAST_PYTHON.search(text)
    if not series or not least:
        raise PreconditionFailed(
            f"{folder} holds no Odoo: neither odoo-bin, as in a git checkout, nor the package `odoo`. Nothing was "
            "changed. Next step: correct `odoo`; it names the folder in which the folder `odoo` with release.py is."
        )
    if int(series[1]) < _OLDEST:
        raise PreconditionFailed(
            f"{folder} is Odoo {series[1]}.{series[2]}, and {_OLDEST}.0 is the oldest that is known here. Nothing was "
            "changed. Next step: name another one in `odoo`."
        )
    return OdooSource(folder, f"{series[1]}.{series[2]}", (int(least[1]), int(least[2])))
