"""What is there: the engines that the demo and the tests can use now. Nothing is installed by looking."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from deployments.engines.docker import docker_version, find_docker
from deployments.engines.odoo import find_odoo, odoo_version
from deployments.engines.postgres_programs import find_programs
from deployments.engines.process import run
from deployments.engines.rest_server import find_rest_server, rest_server_version
from deployments.engines.restic import find_restic, restic_version


@dataclass(frozen=True)
class Engines:
    """Paths of the engines; None: not there.

    Attributes:
        folder: where engines are installed.
        odoo: the program of Odoo 19.
        restic: the program restic, 0.17 or later.
        rest_server: the program of restic's rest-server.
        postgres: the folder of PostgreSQL's newest server programs.
        docker: the program docker, where an engine answers or can be started and Compose is there.
    """

    folder: Path
    odoo: Path | None
    restic: Path | None
    rest_server: Path | None
    postgres: Path | None
    docker: Path | None

    @classmethod
    def look(cls, folder: Path) -> Self:
        """Look for the engines. Raises PreconditionFailed if ODOO_BIN is not an Odoo 19."""
        return cls(
            folder=folder,
            odoo=find_odoo(folder),
            restic=find_restic(folder),
            rest_server=find_rest_server(folder),
            postgres=find_programs(),
            docker=find_docker(folder),
        )

    def describe(self) -> dict[str, object]:
        """Paths and versions, ready for JSON; each version is what the program itself says."""
        return {
            "folder": str(self.folder),
            "odoo": self.odoo and {"path": str(self.odoo), "version": odoo_version(self.odoo)},
            "restic": self.restic
            and {"path": str(self.restic), "version": ".".join(map(str, restic_version(self.restic)))},
            "rest_server": self.rest_server
            and {"path": str(self.rest_server), "version": rest_server_version(self.rest_server)},
            "postgres": self.postgres
            and {
                "path": str(self.postgres),
                "version": run([self.postgres / "postgres", "--version"]).strip(),
            },
            "docker": self.docker and {"path": str(self.docker), "version": docker_version(self.docker)},
        }
