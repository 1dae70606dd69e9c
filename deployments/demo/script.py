"""The usual script, to compare with: `pg_dump -Fc` of the database, then `tar -czf` of the filestore."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deployments.engines.process import run
from odoo_ops.model.base import Value


class Cost(Value):
    """What one night took."""

    seconds: float
    new_bytes: int


@dataclass(frozen=True)
class Login:
    """PostgreSQL's client programs, the port of a server on 127.0.0.1, and as whom to use it."""

    programs: Path
    port: int
    role: str
    password: str = field(repr=False)

    @property
    def options(self) -> list[str]:
        """Options that all client programs share."""
        return ["--host=127.0.0.1", f"--port={self.port}", f"--username={self.role}"]

    def variables(self, path: str) -> dict[str, str]:
        """The variables of a program, with the PATH on which it is found."""
        return {"PATH": path, "PGPASSWORD": self.password, "LC_ALL": "C.UTF-8"}


def run_script(login: Login, database: str, filestore: Path, folder: Path, path: str) -> Cost:
    """Do one night as the script does, into a new folder.

    Args:
        login: where the database is.
        database: its name.
        filestore: the folder of its attachments.
        folder: where the two files go.
        path: the PATH on which tar and gzip are found.

    Raises CommandFailed when a program fails; PreconditionFailed when one is missing.
    """
    variables = login.variables(path)
    dump: list[str | Path] = [
        login.programs / "pg_dump",
        "-Fc",
        *login.options,
        f"--file={folder / 'database.dump'}",
        database,
    ]
    archive: list[str | Path] = ["tar", "-czf", folder / "filestore.tar.gz", "-C", filestore.parent, filestore.name]
    return measured_script(
        folder, lambda: run(dump, environment=variables), lambda: run(archive, environment=variables)
    )


def measured_script(folder: Path, *commands: Callable[[], object]) -> Cost:
    """What it costs to fill a new folder by these commands, one after the other."""
    folder.mkdir(parents=True)
    begun = time.monotonic()
    for command in commands:
        command()
    return Cost(seconds=time.monotonic() - begun, new_bytes=folder_bytes(folder))


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; 0 if it is not there."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
