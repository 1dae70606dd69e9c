"""Where a benchmark runs: a cluster, a Prefect server and one environment, all of its own, under `.demo/bench`."""

import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from deployments.bench.grow import Connection
from deployments.demo.databases import create_empty, ensure_role, superuser
from deployments.demo.docker_project import project_name
from deployments.demo.layout import CHECKOUT, Layout
from deployments.demo.ports import settle_ports
from deployments.demo.prefect_api import PrefectApi
from deployments.demo.prefect_base import copy_prefect_base
from deployments.demo.processes import end_marked, finish, start, wait_until
from deployments.demo.site import write_private
from deployments.demo.variables import program_variables
from deployments.engines.cluster import PostgresCluster
from deployments.engines.folder import engines_folder
from deployments.engines.restic import install_restic

_ROLE = "bench"
_SERVER_SECONDS = 120
NAME = "bench"
CLUSTER_NAME = "cluster"  # of the machine's own address, where a compose project must name a service


@dataclass(frozen=True)
class Site:
    """The environment `bench`: its database and its filestore, and the variables of programs that act on it."""

    layout: Layout
    cluster: PostgresCluster
    variables: Mapping[str, str]

    database: str = "bench"

    @property
    def data_dir(self) -> Path:
        """Odoo's data_dir."""
        return self.layout.place(NAME) / "data"

    @property
    def filestore(self) -> Path:
        """Folder of the attachments."""
        return self.data_dir / "filestore" / self.database

    @property
    def script_folder(self) -> Path:
        """What the script keeps."""
        return self.layout.run / "script"

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection to the database as its role, each statement for itself."""
        with superuser(self.cluster, self.database) as connection:
            connection.execute(f"SET ROLE {_ROLE}")
            yield connection

    def create(self) -> None:
        """An empty database and an empty filestore."""
        with superuser(self.cluster) as connection:
            create_empty(self.cluster, connection, self.database, _ROLE)
        self.filestore.mkdir(parents=True)

    def settle(self) -> None:
        """Let nothing of what was done before be paid for by what is measured next."""
        with superuser(self.cluster) as connection:
            connection.execute("CHECKPOINT")
        os.sync()


@contextmanager
def opened_site(root: Path, *, keep: bool) -> Iterator[Site]:
    """A site, made anew; all its processes are ended with the block, and its folder is deleted unless it is kept."""
    layout = Layout(root)
    _clear(layout)
    try:
        yield _open(layout)
    finally:
        _end(layout)
        if not keep:
            shutil.rmtree(root)


def _clear(layout: Layout) -> None:
    """End and delete what a benchmark that was killed left, or one that was kept."""
    _end(layout)
    if layout.root.exists():
        shutil.rmtree(layout.root)


def _end(layout: Layout) -> None:
    end_marked(str(layout.root))
    PostgresCluster(layout.postgres).stop()


def _open(layout: Layout) -> Site:
    state, data = (layout.place(NAME) / folder for folder in ("state", "data"))
    folders = ("logs", "secrets", "environments", "home", "tmp")
    for folder in (*(layout.run / name for name in folders), state, data):
        folder.mkdir(parents=True, mode=0o700)
    ports = settle_ports(layout.ports)
    cluster = PostgresCluster(layout.postgres)
    cluster.start()
    site = Site(layout, cluster, program_variables(layout, ports, os.environ))
    for name in (_ROLE, "restic"):
        write_private(layout.secrets / name, secrets.token_urlsafe(24))
    with superuser(cluster) as connection:
        ensure_role(connection, _ROLE, (layout.secrets / _ROLE).read_text())
    copy_prefect_base(layout, site.variables)
    log = layout.logs / "prefect-server.log"
    words = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(ports.prefect)]
    server = start("prefect-server", words, site.variables, log)
    api = PrefectApi(ports.prefect_url)
    wait_until(api.healthy, "Prefect's server", within_seconds=_SERVER_SECONDS, log=log, check=[server])
    return site


def register(site: Site, repository: Path, name: str = NAME, project: Path | None = None) -> None:
    """Register an environment on the site's data with this repository. Raises CommandFailed when that is refused.

    Args:
        site: where it is.
        repository: its folder.
        name: of the environment, its host and its repository.
        project: folder of the compose project through which the data is reached; None: it is reached directly.
    """
    file = site.layout.environments / "bench.yaml"
    file.write_text(yaml.safe_dump(_environment_file(site, repository, name, project), sort_keys=False))
    words = [sys.executable, "-m", "deployments.cli", "environments", "register", str(site.layout.environments)]
    log = site.layout.logs / "register.log"
    finish(start("register", words, site.variables, log, CHECKOUT), within_seconds=_SERVER_SECONDS)


def _environment_file(site: Site, repository: Path, name: str, project: Path | None) -> dict[str, object]:
    server = CLUSTER_NAME if project else "127.0.0.1"
    environment: dict[str, object] = {
        "stage": "testing",
        "host": name,
        "repository": name,
        "odoo": {"version": "19.0", "command": ["/usr/bin/odoo"], "url": f"http://{server}:8069"},
        "database": {
            "name": site.database,
            "server": server,
            "port": site.cluster.port,
            "user": _ROLE,
            "password": {"from_file": str(site.layout.secrets / _ROLE)},
            "admin_user": "postgres",
            "admin_password": {"from_file": str(site.cluster.directory / "superuser-password")},
        },
        "data_dir": str(site.data_dir),
        "state_dir": str(site.layout.place(name) / "state"),
    }
    if project:
        environment["runtime"] = {"kind": "compose", "project": project_name(site.layout.root), "folder": str(project)}
    password = {"from_file": str(site.layout.secrets / "restic")}
    host: dict[str, object] = {"connection": {"kind": "local"}}
    if project is None:  # a toolbox has its own
        host["restic"] = str(install_restic(engines_folder()))
    return {
        "hosts": {name: host},
        "repositories": {name: {"location": {"kind": "folder", "path": str(repository)}, "password": password}},
        "environments": {name: environment},
    }
