"""The demo's two environments as files: passwords, and the environment file that is registered."""

import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from deployments.demo.layout import Layout
from deployments.demo.odoo_client import OdooAddress
from deployments.demo.ports import Ports
from deployments.demo.script import Cost

_FOLDERS = ("logs", "secrets", "environments", "home", "tmp")


@dataclass(frozen=True)
class Site(ABC):
    """The environments `production`, with an Odoo, and `drill`, where restores are rehearsed; however they run."""

    layout: Layout
    ports: Ports

    production: ClassVar[str] = "odoo_production"
    role: ClassVar[str] = "odoo_demo"
    drill_role: ClassVar[str] = "odoo_drill"

    @property
    @abstractmethod
    def odoo(self) -> OdooAddress:
        """Where people reach production's Odoo."""

    @abstractmethod
    def filestore_bytes(self) -> int:
        """Size of production's attachments."""

    @abstractmethod
    def repository_bytes(self) -> int:
        """Size of the restic repository; 0 if there is none yet."""

    @abstractmethod
    def run_script(self, folder: Path) -> Cost:
        """One night of the usual script, into a new folder. Raises CommandFailed when a program fails."""

    @abstractmethod
    def lose_everything(self) -> list[str]:
        """Drop the database and delete the filestore, under the running Odoo. Returns what is still there."""

    @abstractmethod
    def environment_file(self) -> dict[str, Any]:
        """Content of the environment file."""

    def passwords(self) -> Mapping[str, str]:
        """New passwords by name."""
        return {name: secrets.token_urlsafe(24) for name in (self.role, self.drill_role, "restic")}

    def write(self) -> None:
        """Make the folders of a run, and write passwords and the environment file."""
        for folder in _FOLDERS:
            (self.layout.run / folder).mkdir(parents=True, mode=0o700)
        for name, password in self.passwords().items():
            write_private(self.layout.secrets / name, password)
        file = self.layout.environments / "demo.yaml"
        file.write_text(yaml.safe_dump(self.environment_file(), sort_keys=False))

    def password(self, name: str) -> str:
        """A password of this run."""
        return (self.layout.secrets / name).read_text()

    def secret(self, name: str) -> dict[str, str]:
        """A password as an environment file names it."""
        return {"from_file": str(self.layout.secrets / name)}


def write_private(file: Path, text: str) -> None:
    """Write a file that only this user can read."""
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:  # noqa: PTH123
        stream.write(text)
