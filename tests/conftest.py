"""The real programs, for every test that needs one. Fixtures find them; `make` installs them.

    python -m deployments.engines install

A test that needs a missing program is skipped and says so; with ODOO_OPS_REQUIRE_ENGINES=1 (CI) it fails.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from required_engines import require_engine, require_image
from slices import turns_of_today

from deployments.engines.cluster import PostgresCluster
from deployments.engines.docker import DockerEngine, docker_engine
from deployments.engines.folder import engines_folder
from deployments.engines.inventory import Engines

_LONGEST = ["test_secrets.py", "test_release.py"]
# Each client of Prefect's API reads all authorities that it may trust, and to save a block makes a dozen clients: with
# all those of the Web that is a tenth of the tests' time. The servers here speak HTTP.
os.environ["PREFECT_API_SSL_CERT_FILE"] = str(Path(__file__).parent / "support" / "authority.pem")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--in-turn", action="store_true", help="of the tests marked `in_turn` run only those of today")


@pytest.hookimpl(trylast=True)  # the shares are of what is run: `-m` has chosen before
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first: a worker that came to one late would end last. Leave out what has its turn later."""
    items.sort(key=lambda item: (*_LONGEST, item.path.name).index(item.path.name))
    if config.getoption("--in-turn"):
        # what is marked is a test, or a file, whose tests share what is made
        marked = {item: node.nodeid for item in items for node, _ in item.iter_markers_with_node("in_turn")}
        today = turns_of_today(marked.values())
        others = [item for item, name in marked.items() if name not in today]
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=others)


@pytest.fixture(scope="session")
def require() -> Callable[[str, Path | None, str], Path]:
    """`require_engine`, for what only some tests need."""
    return require_engine


@pytest.fixture(scope="session")
def as_root() -> None:
    """For a test that does what only root may."""
    require_engine("a right that only root has", None if os.geteuid() else Path("/"), "run the tests as root")


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


def require_system_program(name: str, package: str) -> Path:
    """A program of the system, also one for administrators; else as `require_engine`."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    return require_engine(name, Path(found) if found else None, f"apt-get install {package}")


@pytest.fixture(scope="session")
def sshd_program() -> Path:
    return require_system_program("sshd", "openssh-server")


@pytest.fixture(scope="session")
def nginx_program() -> Path:
    return require_system_program("nginx", "nginx-light")


@pytest.fixture(scope="session")
def strace() -> Path:
    return require_system_program("strace", "strace")


@pytest.fixture(scope="session")
def sudo() -> Path:
    return require_system_program("sudo", "sudo")


@pytest.fixture(scope="session")
def wkhtmltopdf() -> Path:
    """Odoo looks for it on PATH by itself."""
    return require_system_program("wkhtmltopdf", "wkhtmltopdf")


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


@pytest.fixture(scope="session")
def docker(engines: Engines) -> Iterator[DockerEngine]:
    require_engine("Docker with Compose", engines.docker, "python -m deployments.engines install docker")
    with docker_engine(engines.folder) as engine:
        yield engine


@pytest.fixture(scope="session")
def image(docker: DockerEngine) -> Callable[[str], str]:
    """The tag of an image, by its name (see `docker_images`). What is missing is built; else as `require_engine`."""
    return lambda name: require_image(docker, name)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server, on which the flows of the session run."""
    from prefect.testing.utilities import prefect_test_harness

    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    with prefect_test_harness(server_startup_timeout=180):
        yield
