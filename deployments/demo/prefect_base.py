"""An empty Prefect database, made once: its migrations take longer than all else in the start of a server."""

import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from deployments.demo.layout import Layout
from deployments.demo.processes import finish, start
from deployments.engines.folder import make_once

_FILE = "prefect.db"
_MIGRATION_SECONDS = 120


def copy_prefect_base(layout: Layout, variables: Mapping[str, str]) -> None:
    """Put an empty database of this Prefect into its home, made first unless that was done before.

    Raises CommandFailed when Prefect says no; nothing is published then.
    """
    make_once(layout.prefect_base, version("prefect"), lambda folder: _build(layout, variables, folder))
    home = Path(variables["PREFECT_HOME"])
    home.mkdir()
    shutil.copy(layout.prefect_base / _FILE, home)


def _build(layout: Layout, variables: Mapping[str, str], folder: Path) -> None:
    words = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
    elsewhere = {**variables, "PREFECT_HOME": str(folder)}
    migration = start("Prefect's migrations", words, elsewhere, layout.logs / "prefect-base.log")
    finish(migration, within_seconds=_MIGRATION_SECONDS)
