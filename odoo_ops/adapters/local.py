"""Agents on this machine: child processes of the worker."""

import contextlib
import subprocess
from typing import IO, cast

from odoo_ops.adapters.agent import Pipes, StderrTail
from odoo_ops.errors import PreconditionFailed

_END_SECONDS = 30


class _ProcessPipes:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.stdin = cast("IO[bytes]", process.stdin)
        self.stdout = cast("IO[bytes]", process.stdout)
        self._stderr = StderrTail(cast("IO[bytes]", process.stderr))

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            self.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.stdout.close()

    def ended(self) -> bool:
        return self._process.poll() is not None

    def last_words(self) -> str:
        return self._stderr.text()


class LocalTransport:
    """Runs programs on this machine."""

    def start(self, argv: tuple[str, ...]) -> Pipes:
        """Start a program in a session of its own: signals to the worker's group do not reach it."""
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise PreconditionFailed(
                f"This machine has no {argv[0]}. Next step: install it, or name its path."
            ) from error
        return _ProcessPipes(process)
