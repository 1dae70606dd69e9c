"""A command to run on a host, and what came of it."""

import shlex
from collections.abc import Mapping

from pydantic import Field, SecretStr

from odoo_ops.model.base import Value


class Command(Value):
    """One process: program and arguments, never a shell line.

    Secrets travel in `secrets` (environment variables of the process) or `stdin`; `argv` holds none,
    so `str(command)` may be shown everywhere. Variables of the host's login whose names begin as `without` says
    are kept from it. `files` are texts that the process reads as files: `placed(name)` in an argument or a variable
    stands for the path, known only on the host, where they are in memory and never on a disk; of a name such as
    `folder/file` it is the path of a folder that holds the file. `next_step` is the advice where it fails and its
    caller has none; `next_steps` that of an exit status which says by itself what is wrong.
    """

    argv: tuple[str, ...] = Field(min_length=1)
    environment: Mapping[str, str] = {}
    secrets: Mapping[str, SecretStr] = {}
    without: tuple[str, ...] = ()
    files: Mapping[str, SecretStr] = {}
    stdin: SecretStr | None = None
    working_directory: str | None = None
    next_step: str = ""
    next_steps: Mapping[int, str] = {}

    def __str__(self) -> str:
        return shlex.join(self.argv)

    def advice(self, exit_status: int, otherwise: str = "") -> str:
        """What to do where it ended so; `otherwise` is its caller's advice, where the status alone says too little."""
        return self.next_steps.get(exit_status, otherwise or self.next_step)


def placed(name: str) -> str:
    """What stands for the path of one of a command's files, or of the folder that its name says it is in."""
    return f"%{name}%"


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
