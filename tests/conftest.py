"""Real programs for tests. A missing one is a skip with its reason, and a failure where all must be there."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def require_engine(program: str | None, reason: str) -> str:
    """The program's path; else skip, or fail where ODOO_OPS_REQUIRE_ENGINES=1."""
    if program:
        return program
    if os.environ.get("ODOO_OPS_REQUIRE_ENGINES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def restic() -> str:
    return require_engine(
        shutil.which("restic", path=f"{Path.cwd()}/.demo/engines/restic/bin:/tmp/lab/restic/usr/bin"), "restic >= 0.17"
    )
