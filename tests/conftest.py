"""The real programs, for every test that needs one. Fixtures find them; `make` installs them.

    python -m deployments.engines install

A test that needs a missing program is skipped and says so; with ODOO_OPS_REQUIRE_ENGINES=1 (CI) it fails.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.engines.cluster import PostgresCluster
from deployments.engines.folder import engines_folder
from deployments.engines.inventory import Engines


def require_engine(name: str, program: Path | None, next_step: str) -> Path:
    """The program; if it is missing, skip the test, or fail it where engines are required."""
    if program is not None:
        return program
    reason = f"{name} is missing. Next step: {next_step}"
    if os.environ.get("ODOO_OPS_REQUIRE_ENGINES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def engines() -> Engines:
    return Engines.look(engines_folder())


@pytest.fixture(scope="session")
def restic(engines: Engines) -> Path:
    return require_engine("restic", engines.restic, "python -m deployments.engines install restic")


@pytest.fixture(scope="session")
def rest_server_program(engines: Engines) -> Path:
    return require_engine("rest-server", engines.rest_server, "python -m deployments.engines install rest-server")


@pytest.fixture(scope="session")
def odoo19(engines: Engines) -> Path:
    return require_engine("Odoo 19", engines.odoo, "python -m deployments.engines install odoo")


@pytest.fixture(scope="session")
def sshd_program() -> Path:
    found = shutil.which("sshd", path="/usr/sbin:/usr/bin")
    return require_engine("OpenSSH's server", Path(found) if found else None, "apt-get install openssh-server")


@pytest.fixture(scope="session")
def postgres_programs(engines: Engines) -> Path:
    return require_engine("PostgreSQL's server", engines.postgres, "apt-get install postgresql")


@pytest.fixture(scope="session")
def postgres_cluster(
    postgres_programs: Path,  # noqa: ARG001 - the cluster finds them itself; this skips where there are none
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PostgresCluster]:
    cluster = PostgresCluster(tmp_path_factory.mktemp("postgres"), fast=True)
    cluster.start()
    yield cluster
    cluster.stop()
