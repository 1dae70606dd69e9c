"""The demo's environments in a Docker Compose project, which `provision` makes."""

import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployments.demo.odoo_client import LOGIN, PASSWORD, OdooAddress
from deployments.demo.script import Cost, measured_script
from deployments.demo.site import Site, write_private
from deployments.engines.docker import DockerEngine
from deployments.engines.process import run
from odoo_ops.adapters.local_ca import make_authority, make_certificate

_HOST = "odoo-demo.localhost"  # browsers look for it on this machine; they remember HSTS for it, not for localhost
_SUPERUSER = "postgres"
_BACKUPS, _DATA, _STATE = "/var/backups/odoo", "/var/lib/odoo", "/var/lib/odoo-ops"
_USERS = 4
_MEMORY_BYTES = 7 * 2**29  # the machine has more to do


@dataclass(frozen=True)
class ComposeSite(Site):
    """What the project is called, and what runs it.

    Attributes:
        images: id of the image of each service; there once they were looked for.
    """

    engine: DockerEngine
    project: str
    images: dict[str, str] = field(default_factory=dict)

    @property
    def odoo(self) -> OdooAddress:
        """Where people reach production's Odoo."""
        return OdooAddress(self.ports.odoo, authority=self.layout.place("tls") / "authority.pem", host=_HOST)

    @property
    def filestore(self) -> str:
        """Folder of production's attachments, in its container."""
        return f"{_DATA}/filestore/{self.production}"

    def compose(self, *words: str) -> str:
        """Run a command of Compose on the project. Raises as `process.run` does."""
        return self.engine.run("compose", *self._project, *words)

    def filestore_bytes(self) -> int:
        """Size of production's attachments."""
        return _sum(self._inside("odoo", *_list_sizes(self.filestore)))

    def repository_bytes(self) -> int:
        """Size of the restic repository; 0 if there is none yet."""
        return _sum(self.compose("run", "--rm", "--no-TTY", "--no-deps", "toolbox", *_list_sizes(_BACKUPS)))

    def run_script(self, folder: Path) -> Cost:
        """See `Site`."""
        dump = ("db", "pg_dump", "-Fc", f"--username={_SUPERUSER}", self.production)
        archive = ("odoo", "tar", "-czf", "-", "-C", f"{_DATA}/filestore", self.production)
        return measured_script(
            folder,
            lambda: self._inside_into(folder / "database.dump", *dump),
            lambda: self._inside_into(folder / "filestore.tar.gz", *archive),
        )

    def lose_everything(self) -> list[str]:
        """See `Site`."""
        self._sql(f'DROP DATABASE "{self.production}" WITH (FORCE)')
        self._inside("odoo", "rm", "-r", self.filestore)
        there = self._sql("SELECT datname FROM pg_database") + self._inside("odoo", "find", _DATA, "-maxdepth", "2")
        return [lost for lost in (self.production, self.filestore) if lost in there.split()]

    def passwords(self) -> dict[str, str]:
        """New passwords by name; the administrator's is Odoo's default."""
        return {**super().passwords(), _SUPERUSER: secrets.token_urlsafe(24), LOGIN: PASSWORD}

    def write(self) -> None:
        """Make the folders of a run, and write passwords, the environment file, and a certificate."""
        super().write()
        now, place = datetime.now(UTC), self.layout.place("tls")
        place.mkdir(mode=0o700)
        authority = make_authority("the demo", now)
        own = make_certificate(authority, [_HOST], now)
        (place / "authority.pem").write_text(authority.certificate)
        (place / "certificate.pem").write_text(own.certificate)
        write_private(place / "key.pem", own.key.get_secret_value())

    def environment_file(self) -> dict[str, Any]:
        """Content of the environment file."""
        trial = {"odoo_services": ["odoo-drill"], "toolbox": "toolbox-drill", "restore_toolbox": "toolbox-drill"}
        production = self._environment("production", self.production, self.role, service="odoo")
        production["runtime"]["odoo_services"] = ["odoo", "odoo-cron"]
        drill = self._environment("drill", "odoo_drill", self.drill_role, service="odoo-drill")
        drill["runtime"].update(trial)
        return {
            "hosts": {"docker": {"connection": {"kind": "local"}}},
            "repositories": {
                "demo": {"location": {"kind": "folder", "path": _BACKUPS}, "password": self.secret("restic")}
            },
            "environments": {
                "production": {"stage": "production", **production, "provision": self._provision()},
                "drill": {"stage": "testing", **drill},
            },
        }

    def _environment(self, name: str, database: str, role: str, *, service: str) -> dict[str, Any]:
        return {
            "host": "docker",
            "repository": "demo",
            "runtime": {"kind": "compose", "project": self.project, "folder": str(self.layout.project)},
            "odoo": {
                "version": "19.0",
                "command": ["odoo"],
                "config": "/etc/odoo/odoo.conf",
                "url": f"http://{service}:8069",
            },
            "database": {
                "name": database,
                "server": "db",
                "user": role,
                "password": self.secret(role),
                "admin_user": _SUPERUSER,
                "admin_password": self.secret(_SUPERUSER),
            },
            "data_dir": _DATA,
            "state_dir": f"{_STATE}/{name}",
        }

    def _provision(self) -> dict[str, Any]:
        tls = self.layout.place("tls")
        return {
            "images": self.images,
            "domains": [_HOST],
            "tls": {
                "kind": "files",
                "certificate": str(tls / "certificate.pem"),
                "private_key_file": str(tls / "key.pem"),
            },
            "bind": "127.0.0.1",
            "http_port": self.ports.redirect,
            "https_port": self.ports.odoo,
            "expected_users": _USERS,
            "memory_bytes": _MEMORY_BYTES,
            "admin_password": self.secret(LOGIN),
        }

    @property
    def _project(self) -> tuple[str, ...]:
        return (f"--project-name={self.project}", f"--file={self.layout.project}/compose.yaml")

    def _inside(self, service: str, *words: str) -> str:
        return self.compose("exec", "--no-TTY", service, *words)

    def _inside_into(self, file: Path, service: str, *words: str) -> None:
        """As `_inside`, with the output in a file, as a script has it."""
        argv = ("docker", "compose", *self._project, "exec", "--no-TTY", service, *words)
        run(["sh", "-c", 'exec "$@" >"$0"', file, *argv], environment={**os.environ, **self.engine.variables})

    def _sql(self, statement: str) -> str:
        words = ("psql", f"--username={_SUPERUSER}", "--no-align", "--tuples-only", "--quiet", f"--command={statement}")
        return self._inside("db", *words)


def _list_sizes(folder: str) -> tuple[str, ...]:
    return ("find", folder, "-type", "f", "-printf", "%s\\n")


def _sum(sizes: str) -> int:
    return sum(map(int, sizes.split()))
