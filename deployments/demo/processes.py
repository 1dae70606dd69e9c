"""The processes of the demo: started apart from this one, found again by a mark in their environment.

A pid in a file is written after the process began, so a demo that is killed in between leaves one that nobody
knows. The mark is there from the start, and what a process starts has it too: flow runs, restic, Odoo.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployments.demo.variables import MARK
from odoo_ops.errors import CommandFailed, TransientError

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 4  # what they write is thrown away anyway
_KILLED_SECONDS = 10
_SHOWN_LINES = 15


@dataclass(frozen=True)
class Program:
    """A program that was started, and the file with what it says."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise CommandFailed, with its last lines, if it has ended."""
        status = self.process.poll()
        if status is not None:
            raise CommandFailed(self.name, status, last_lines(self.log), where="this machine", hint=f"read {self.log}")


def start(
    name: str, argv: Sequence[str | Path], variables: Mapping[str, str], log: Path, folder: Path | None = None
) -> Program:
    """Start a program in a session of its own, in a folder (None: that of its log); its output is added to the log."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in argv],
            env=dict(variables),
            cwd=folder or log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Program(name, process, log)


def finish(program: Program, *, within_seconds: float) -> None:
    """Wait for a program to end. Raises CommandFailed for any status but 0, TransientError when it takes longer."""
    try:
        status = program.process.wait(within_seconds)
    except subprocess.TimeoutExpired:
        raise TransientError(
            f"{program.name} did not end within {within_seconds:.0f} s. Next step: read {program.log}."
        ) from None
    if status:
        program.check()


def wait_until(
    ready: Callable[[], bool], what: str, *, within_seconds: float, log: Path, check: Sequence[Program]
) -> None:
    """Wait for something to become true.

    Raises CommandFailed if one of the programs ends meanwhile, TransientError, with the log's last lines, if it
    does not become true in time.
    """
    give_up = time.monotonic() + within_seconds
    while not ready():
        for program in check:
            program.check()
        if time.monotonic() > give_up:
            raise TransientError(
                f"{what} was not seen within {within_seconds:.0f} s. The last lines of {log}:\n{last_lines(log)}\n"
                f"Next step: read {log}."
            )
        time.sleep(_POLL_SECONDS)


def last_lines(log: Path) -> str:
    """The end of a log; nothing if there is none."""
    if not log.is_file():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:])


def end_marked(mark: str) -> int:
    """End every process that carries the mark: SIGTERM, after a while SIGKILL. Returns how many there were.

    Raises TransientError if some remain even so.
    """
    begun, told = time.monotonic(), set[tuple[int, int]]()
    while pids := list(_marked(mark)):
        waited = time.monotonic() - begun
        if waited > _GRACE_SECONDS + _KILLED_SECONDS:
            raise TransientError(f"The demo's processes {pids} do not end. Next step: look at them with `ps`.")
        number = signal.SIGTERM if waited < _GRACE_SECONDS else signal.SIGKILL
        for pid in pids:
            if (pid, number) not in told:
                _signal(pid, mark, number)
                told.add((pid, number))
        time.sleep(_POLL_SECONDS)
    return len({pid for pid, _number in told})


def _marked(mark: str) -> Iterator[int]:
    pids = (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal())
    return (pid for pid in pids if _carries(pid, mark))


def _carries(pid: int, mark: str) -> bool:
    """Whether a process has the mark; one that has ended, or is another user's, has not."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return os.fsencode(f"{MARK}={mark}") in variables.split(b"\0")


def _signal(pid: int, mark: str, number: signal.Signals) -> None:
    """Signal a process, and no other that took its number meanwhile."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _carries(pid, mark):
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
