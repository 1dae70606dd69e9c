"""A Compose project of a test's own, which leaves nothing behind."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from deployments.engines.docker import DockerEngine


@dataclass(frozen=True)
class ComposeProject:
    """A project's name, the folder of its files, and the engine that runs it."""

    engine: DockerEngine
    name: str
    folder: Path

    def compose(self, *words: str) -> str:
        """Run a command of Compose on the project, and on services that only a profile starts."""
        options = (f"--project-name={self.name}", "--profile=*")
        return self.engine.run("compose", *options, *words, working_directory=self.folder)

    def start(self, *services: str) -> None:
        """Start services, and wait until they are healthy."""
        self.compose("up", "--detach", "--wait", *services)

    def exec(self, service: str, *words: str) -> str:
        return self.compose("exec", "--no-TTY", service, *words)

    def run(self, service: str, *words: str, variables: dict[str, str] | None = None) -> str:
        """Run one command in a container of its own, which is removed."""
        set_too = [word for name, value in (variables or {}).items() for word in ("--env", f"{name}={value}")]
        return self.compose("run", "--rm", "--no-TTY", *set_too, service, *words)

    def url(self, service: str, port: int) -> str:
        return f"http://{self.compose('port', service, str(port)).strip()}"

    def container(self, service: str) -> str:
        return self.compose("ps", "--all", "--quiet", service).strip()

    def volumes(self) -> set[str]:
        """All volumes of its containers, those without a name too."""
        found = set()
        for container in self.compose("ps", "--all", "--quiet").split():
            mounts = json.loads(self.engine.run("inspect", "--format", "{{json .Mounts}}", container))
            found |= {mount["Name"] for mount in mounts if mount["Type"] == "volume"}
        return found

    def remove(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--timeout=1")

    @classmethod
    @contextmanager
    def made(cls, engine: DockerEngine, folder: Path) -> Iterator[Self]:
        """The project of a folder's compose file; nothing is left of it afterwards."""
        project = cls(engine, f"odoo-ops-test-{secrets.token_hex(4)}", folder)
        try:
            yield project
        finally:
            project.remove()
