"""The demo's two environments as files: passwords, odoo.conf, and the environment file that is registered."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deployments.demo.layout import Layout
from deployments.demo.ports import Ports
from deployments.demo.script import Login
from deployments.engines.cluster import PostgresCluster
from odoo_ops.render import render

_PASSWORDS = ("odoo_demo", "odoo_drill", "restic")


@dataclass(frozen=True)
class Site:
    """The environments `production`, with an Odoo, and `drill`, where restores are rehearsed."""

    layout: Layout
    ports: Ports
    cluster: PostgresCluster
    odoo: Path
    restic: Path

    production: str = "odoo_production"
    role: str = "odoo_demo"
    drill_role: str = "odoo_drill"

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
        return [str(self.odoo), "--config", str(self.layout.place("production") / "odoo.conf")]

    @property
    def odoo_log(self) -> Path:
        """What production's Odoo says."""
        return self.layout.logs / "odoo.log"

    @property
    def login(self) -> Login:
        """As whom the usual script works."""
        return Login(self.cluster.programs, self.cluster.port, self.role, self.password(self.role))

    def password(self, name: str) -> str:
        """A password of this run."""
        return (self.layout.secrets / name).read_text()

    def write(self) -> None:
        """Make the folders of a run and write passwords, odoo.conf and the environment file."""
        places = ("production/state", "drill/state", "drill/data")
        for folder in ("logs", "secrets", "environments", "home", "tmp", *places):
            (self.layout.run / folder).mkdir(parents=True, mode=0o700)
        for name in _PASSWORDS:
            write_private(self.layout.secrets / name, secrets.token_urlsafe(24))
        production = self.layout.place("production")
        write_private(
            production / "odoo.conf",
            self.configuration(self.production, self.data_dir, pid_file=production / "odoo.pid"),
        )
        file = self.layout.environments / "demo.yaml"
        file.write_text(yaml.safe_dump(self._environment_file(), sort_keys=False))

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

    def _environment_file(self) -> dict[str, Any]:
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
            "password": self._secret("restic"),
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
                "command": [str(self.odoo)],
                "config": str(self.layout.place("production") / "odoo.conf"),
                "url": self.ports.odoo_url,
            },
            "database": {
                "name": database,
                "server": "127.0.0.1",
                "port": self.cluster.port,
                "user": role,
                "password": self._secret(role),
                "admin_user": "postgres",
                "admin_password": {"from_file": str(self.cluster.directory / "superuser-password")},
            },
            "data_dir": str(self.layout.place(name) / "data"),
            "state_dir": str(self.layout.place(name) / "state"),
        }

    def _secret(self, name: str) -> dict[str, str]:
        return {"from_file": str(self.layout.secrets / name)}


def write_private(file: Path, text: str) -> None:
    """Write a file that only this user can read."""
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:  # noqa: PTH123
        stream.write(text)
