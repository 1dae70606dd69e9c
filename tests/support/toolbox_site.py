"""Sites on Docker Compose: their data is reached through toolboxes, and PostgreSQL runs in a container, too.

Each folder has the same path in the containers and here, so a test finds what a flow left as it does without them.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import compose_project
import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo
from real_processes import wait_until

from deployments.demo.docker_project import remove_project
from deployments.engines.docker import DockerEngine
from deployments.engines.ports import free_port
from odoo_ops.model.runtimes import ComposeProject

SERVER = "cluster"  # to a toolbox this machine's own address, to an Odoo on a copy the container of PostgreSQL


def _on_both(*marks: pytest.MarkDecorator) -> pytest.MarkDecorator:
    compose = pytest.param("compose", marks=[pytest.mark.docker, *marks])
    return pytest.mark.parametrize("runtime", ["native", compose], indirect=True)


both_runtimes = _on_both()
# what containers can hardly change: on Docker Compose only where there is time for it
both_runtimes_at_length = _on_both(pytest.mark.long)

_UNSAFE_AND_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True)
class PostgresContainer:
    """A PostgreSQL on a port of 127.0.0.1; its version is that of the toolboxes' programs.

    Attributes:
        network: one without a way out, in which it has the same port and is called `SERVER`.
    """

    port: int
    superuser_password: str
    network: str

    @property
    def conninfo(self) -> str:
        return make_conninfo(
            host="127.0.0.1", port=self.port, user="postgres", password=self.superuser_password, dbname="postgres"
        )

    def answers(self) -> bool:
        try:
            psycopg.connect(self.conninfo).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres_container(engine: DockerEngine, image: str, folder: Path) -> Iterator[PostgresContainer]:
    """A PostgreSQL of its own. Nothing is left of it afterwards."""
    port, superuser_password = free_port(), secrets.token_urlsafe(24)
    settings = ("listen_addresses=*", f"port={port}", *_UNSAFE_AND_FAST)
    service = {
        "image": image,
        "ports": [f"127.0.0.1:{port}:{port}"],
        "networks": {"default": {}, "inside": {"aliases": [SERVER]}},
        "command": ["postgres", *(word for setting in settings for word in ("-c", setting))],
        "environment": {
            "POSTGRES_PASSWORD": superuser_password,
            "POSTGRES_INITDB_ARGS": "--auth-host=scram-sha-256 --no-sync",  # its own default trusts 127.0.0.1
        },
    }
    described = {"services": {"db": service}, "networks": {"inside": {"internal": True}}}
    (folder / "compose.yaml").write_text(yaml.safe_dump(described))
    with compose_project.ComposeProject.made(engine, folder) as project:
        project.compose("up", "--detach")
        server = PostgresContainer(port, superuser_password, f"{project.name}_inside")
        wait_until(server.answers, "PostgreSQL answers", 60)
        yield server


@dataclass(frozen=True)
class Toolboxes:
    """Makes projects of toolboxes, for environments whose databases are on one server.

    Attributes:
        odoo: image in whose containers drills boot Odoo.
    """

    engine: DockerEngine
    image: str
    odoo: str
    cluster: PostgresContainer

    @contextmanager
    def project(self, name: str, folder: Path, data_dir: str) -> Iterator[ComposeProject]:
        """A project on a folder and the data of an Odoo in it. Nothing is left of it; its Odoo runs on copies alone."""
        user = f"{os.getuid()}:{os.getgid()}"  # who may delete what it wrote
        odoo = {"image": self.odoo, "user": user, "networks": ["inside"], "volumes": [f"{folder}:{folder}"]}
        toolbox = {
            "image": self.image,
            "user": user,
            "profiles": ["operations"],
            "network_mode": "host",
            "extra_hosts": [f"{SERVER}:127.0.0.1"],
            "environment": {"RESTIC_CACHE_DIR": f"{folder}/cache"},
            # as in the projects of `provision`
            "read_only": True,
            "cap_drop": ["ALL"],
            "cap_add": ["DAC_OVERRIDE"],
            "security_opt": ["no-new-privileges:true"],
            "tmpfs": ["/tmp"],  # noqa: S108 - of a container
        }
        restoring = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"]
        writing = {**toolbox, "cap_add": restoring, "volumes": [f"{folder}:{folder}"]}
        reading = {**toolbox, "volumes": [f"{folder}:{folder}", f"{data_dir}:{data_dir}:ro"]}
        services = {"odoo": odoo, "toolbox": reading, "toolbox-restore": writing}
        networks = {"inside": {"name": self.cluster.network, "external": True}}
        made = folder / name / "project"
        made.mkdir(parents=True)
        (made / "compose.yaml").write_text(yaml.safe_dump({"services": services, "networks": networks}))
        try:
            yield ComposeProject(project=name, folder=str(made))
        finally:
            remove_project(self.engine, name)


def put_program(project: ComposeProject, program: Path, place: str) -> None:
    """Have toolboxes that are started from now on find a program of this machine at a place of theirs."""
    file = Path(project.folder) / "compose.yaml"
    described = yaml.safe_load(file.read_text())
    for service in (project.toolbox, project.restore_toolbox):
        described["services"][service]["volumes"].append(f"{program}:{place}:ro")
    file.write_text(yaml.safe_dump(described))
