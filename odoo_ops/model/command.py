"""A command to run on a host, and what came of it."""

import shlex
from collections.abc import Mapping

from pydantic import Field, SecretStr

from odoo_ops.model.base import Value


class Command(Value):
    """One process: program and arguments, never a shell line.

    Secrets travel in `secrets` (environment variables of the process) or `stdin`; `argv` holds none,
    so `str(command)` may be shown everywhere. Variables of the host's login whose names begin as `without` says
    are kept from it.
    """

    argv: tuple[str, ...] = Field(min_length=1)
    environment: Mapping[str, str] = {}
    secrets: Mapping[str, SecretStr] = {}
    without: tuple[str, ...] = ()
    stdin: SecretStr | None = None
    working_directory: str | None = None

    def __str__(self) -> str:
        return shlex.join(self.argv)


class Result(Value):
    """A process that ended with status 0.

    Attributes:
        stdout: its whole standard output, or "" where it went to a file or a callback.
        stderr: the last lines of its standard error.
        seconds: how long it ran.
    """

    stdout: str
    stderr: str
    seconds: float
