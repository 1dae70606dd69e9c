"""Odoo of a folder: its configuration, its program, and the process that serves."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from deployments.demo.processes import Program, start, wait_until
from deployments.demo.site import write_private
from deployments.engines.process import run
from odoo_ops.errors import TransientError

_DEV = "--dev=all"
_READY_SECONDS = 300
_END_SECONDS = 60
_POLL_SECONDS = 0.1
_OF_OTHERS = ("ODOO_", "PG", "PYTHON")  # of the login: Odoo heeds them more than its configuration

_PROGRAM = """#!{python}
# Made by odoo-ops. Odoo of this folder, with its configuration: changes made here are lost.
import os
import sys

os.environ.setdefault("ODOO_RC", {configuration!r})
os.environ["TZ"] = "UTC"
# when a file was changed, Odoo goes on as the first Python of PATH
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
sys.path.insert(0, {source!r})

from odoo.cli import main

main()
"""


@dataclass(frozen=True)
class OdooServer:
    """The Odoo of a folder, on a port of loopback."""

    folder: Path
    port: int

    @property
    def program(self) -> Path:
        """Odoo's program; it has its configuration, so `shell` or `--update` may be given to it by hand."""
        return self.folder / "bin" / "odoo"

    @property
    def configuration(self) -> Path:
        """Its odoo.conf."""
        return self.folder / "odoo.conf"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "odoo.log"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def _words(self) -> list[str | Path]:
        return [self.folder / "venv" / "bin" / "python", self.program]

    def write(self, configuration: str, source: Path) -> bool:
        """Write its configuration and its program. Returns whether they are other ones than before."""
        python = self.folder / "venv" / "bin" / "python"
        text = _PROGRAM.format(python=python, configuration=str(self.configuration), source=str(source))
        self.program.parent.mkdir(exist_ok=True)
        wanted = {self.configuration: configuration, self.program: text}
        differs = [file for file in wanted if not file.is_file() or file.read_text() != wanted[file]]
        for file in differs:
            write_private(file, wanted[file])
        self.program.chmod(0o700)
        return bool(differs)

    def run(self, *words: str) -> None:
        """Run it to its end. Raises CommandFailed with what it said."""
        run([*self._words, *words], working_directory=self.folder, environment=_variables())

    def pid(self) -> int | None:
        """The process that serves; None while there is none."""
        wanted = [os.fsencode(self.program), os.fsencode(_DEV)]
        pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
        return next((pid for pid in pids if _arguments(pid)[1:3] == wanted), None)

    def start(self) -> None:
        """Start it, and wait until its login page answers.

        Raises CommandFailed when it ends meanwhile, TransientError when it does not answer in time.
        """
        process = start("Odoo", [*self._words, _DEV], _variables(), self.log, self.folder)
        self.wait([process])

    def wait(self, check: "list[Program]") -> None:
        """Wait until the login page answers. Raises as `start` does."""
        wait_until(self._answers, f"{self.url}/web/login", within_seconds=_READY_SECONDS, log=self.log, check=check)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/web/login", timeout=60, trust_env=False).is_success
        except httpx.RequestError:
            return False

    def stop(self) -> bool:
        """End it: SIGTERM, and after a minute SIGKILL. Returns whether it ran.

        Raises TransientError if it remains even so.
        """
        pid = self.pid()
        if pid is None:
            return False
        for number in (signal.SIGTERM, signal.SIGKILL):
            os.kill(pid, number)
            if _becomes(lambda: self.pid() != pid, _END_SECONDS):
                return True
        raise TransientError(f"Odoo's process {pid} does not end. Next step: look at it with `ps`.")


def _becomes(true: Callable[[], bool], seconds: float) -> bool:
    give_up = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _arguments(pid: int) -> list[bytes]:
    """The words of a process; none of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _variables() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_OF_OTHERS)}
