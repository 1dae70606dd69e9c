"""The demo's environments as processes of this machine, with a PostgreSQL cluster of their own."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.demo.databases import superuser
from deployments.demo.odoo_client import OdooAddress
from deployments.demo.script import Cost, Login, folder_bytes, run_script
from deployments.demo.site import Site, write_private
from deployments.engines.cluster import PostgresCluster
from odoo_ops.adapters.cluster import database_exists, drop_database
from odoo_ops.render import render


@dataclass(frozen=True)
class NativeSite(Site):
    """Where the programs are."""

    cluster: PostgresCluster
    odoo_program: Path
    restic: Path

    @property
    def odoo(self) -> OdooAddress:
        """Where people reach production's Odoo."""
        return OdooAddress(self.ports.odoo)

    @property
    def data_dir(self) -> Path:
        """Odoo's data_dir."""
        return self.layout.place("production") / "data"

    @property
    def filestore(self) -> Path:
        """Folder of production's attachments."""
        return self.data_dir / "filestore" / self.production

    @property
    def odoo_command(self) -> list[str]:
        """What starts production's Odoo."""
        return [str(self.odoo_program), "--config", str(self.layout.place("production") / "odoo.conf")]

    @property
    def odoo_log(self) -> Path:
        """What production's Odoo says."""
        return self.layout.logs / "odoo.log"

    def filestore_bytes(self) -> int:
        """Size of production's attachments."""
        return folder_bytes(self.filestore)

    def repository_bytes(self) -> int:
        """Size of the restic repository; 0 if there is none yet."""
        return folder_bytes(self.layout.repository)

    def run_script(self, folder: Path) -> Cost:
        """See `Site`."""
        login = Login(self.cluster.programs, self.cluster.port, self.role, self.password(self.role))
        return run_script(login, self.production, self.filestore, folder, os.environ["PATH"])

    def lose_everything(self) -> list[str]:
        """See `Site`."""
        with superuser(self.cluster) as connection:
            drop_database(connection, self.production)
            shutil.rmtree(self.filestore)
            left = [self.production] if database_exists(connection, self.production) else []
        return left + ([str(self.filestore)] if self.filestore.exists() else [])

    def write(self) -> None:
        """Make the folders of a run, and write passwords, the environment file and odoo.conf."""
        super().write()
        production = self.layout.place("production")
        for folder in ("production/state", "drill/state", "drill/data"):
            (self.layout.run / folder).mkdir(parents=True, mode=0o700)
        write_private(
            production / "odoo.conf",
            self.configuration(self.production, self.data_dir, pid_file=production / "odoo.pid"),
        )

    def configuration(self, database: str, data_dir: Path, pid_file: Path | None = None) -> str:
        """The text of an odoo.conf for a database of production's role."""
        return render(
            "odoo/demo.conf",
            database_port=self.cluster.port,
            role=self.role,
            password=self.password(self.role),
            database=database,
            data_dir=data_dir,
            pid_file=pid_file,
            http_port=self.ports.odoo,
        )

    def environment_file(self) -> dict[str, Any]:
        """Content of the environment file."""
        place = self.layout.place("production")
        service = {
            "kind": "process",
            "start": self.odoo_command,
            "pid_file": str(place / "odoo.pid"),
            "log_file": str(self.odoo_log),
        }
        production = self._environment("production", self.production, self.role)
        repository = {
            "location": {"kind": "folder", "path": str(self.layout.repository)},
            "password": self.secret("restic"),
        }
        return {
            "hosts": {"local": {"connection": {"kind": "local"}, "restic": str(self.restic)}},
            "repositories": {"demo": repository},
            "environments": {
                "production": {"stage": "production", **production, "service": service},
                "drill": {"stage": "testing", **self._environment("drill", "odoo_drill", self.drill_role)},
            },
        }

    def _environment(self, name: str, database: str, role: str) -> dict[str, Any]:
        return {
            "host": "local",
            "repository": "demo",
            "odoo": {
                "version": "19.0",
                "command": [str(self.odoo_program)],
                "config": str(self.layout.place("production") / "odoo.conf"),
                "url": self.odoo.url,
            },
            "database": {
                "name": database,
                "server": "127.0.0.1",
                "port": self.cluster.port,
                "user": role,
                "password": self.secret(role),
                "admin_user": "postgres",
                "admin_password": {"from_file": str(self.cluster.directory / "superuser-password")},
            },
            "data_dir": str(self.layout.place(name) / "data"),
            "state_dir": str(self.layout.place(name) / "state"),
        }
