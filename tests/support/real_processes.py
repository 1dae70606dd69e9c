"""Real processes: a flow in one of its own, what it started, and waiting for what must happen."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

from prefect.settings import PREFECT_API_URL

_RUN_FLOW = "import sys; from flows.{0} import {0}; {0}(*sys.argv[1:])"
_MARK = "TEST_RUN_OF_ODOO_OPS"  # not ODOO_…: such variables are kept from an Odoo on a copy


def wait_until(condition: Callable[[], object], what: str | Callable[[], str], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what if isinstance(what, str) else what()
        time.sleep(0.05)


def processes_with(variable: str) -> dict[int, str]:
    """Processes whose environment holds `NAME=value`, with their command: what one run started, whoever its parent."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in process.joinpath("environ").read_bytes().split(b"\0"):
                found[int(process.name)] = process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has just ended
            continue
    return found


class MarkedProcess:
    """A process that leads its own group, as Prefect's worker starts flows; its children carry a mark."""

    def __init__(self, argv: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._mark = f"{_MARK}={secrets.token_hex(8)}"
        self._log = log
        name, value = self._mark.split("=")
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                argv,
                env={
                    **os.environ,
                    "PREFECT_API_URL": str(PREFECT_API_URL.value()),
                    "PYTHONPATH": os.pathsep.join(sys.path),
                    **(environment or {}),
                    name: value,
                },
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def children(self) -> dict[int, str]:
        found = processes_with(self._mark)
        found.pop(self._process.pid, None)
        return found

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = 120) -> None:
        """Wait for something that happens while it runs."""

        def happened() -> bool:
            done = bool(condition())
            assert done or self._process.poll() is None, f"it ended before {what}:\n{self.log()}"
            return done

        wait_until(happened, lambda: f"not seen: {what}\n{self.log()}", seconds)

    def wait_for_child(self, *words: str) -> None:
        """Wait until a child runs whose command line holds these words, in this order."""

        def runs(command: str) -> bool:
            at = 0
            for word in words:
                at = command.find(word, at)
                if at < 0:
                    return False
            return True

        self.wait_until(lambda: any(map(runs, self.children().values())), f"a child {words}")

    def signal(self, number: int) -> int:
        """Send a signal to its group and return the status with which it ended."""
        os.killpg(self._process.pid, number)
        return self._process.wait(60)

    def kill_child(self, *words: str) -> None:
        """SIGKILL for the only child whose command line holds these words."""
        (found,) = [pid for pid, command in self.children().items() if all(word in command for word in words)]
        os.kill(found, signal.SIGKILL)

    def end(self, seconds: float) -> int:
        """Wait until it ends by itself, and return its status."""
        wait_until(lambda: self._process.poll() is not None, self.log, seconds)
        return self._process.wait()

    def kill(self) -> None:
        """End it by SIGKILL, then see that all it started ends by itself."""
        assert self.children(), f"it had no children:\n{self.log()}"
        assert self.signal(signal.SIGKILL) == -signal.SIGKILL, self.log()
        self.see_children_end()

    def kill_with_children(self) -> None:
        """End it and all it started by SIGKILL at once, as where a machine loses its power.

        A process that nobody has waited for yet would still count as one that holds a lock.
        """
        os.killpg(self._process.pid, signal.SIGSTOP)
        children = self.children()
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        assert self.signal(signal.SIGKILL) == -signal.SIGKILL, self.log()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), f"still there: {children}")

    def see_children_end(self) -> None:
        wait_until(lambda: not self.children(), lambda: f"still there: {self.children()}", 60)

    def close(self) -> None:
        """End whatever is left of it: only for a test that failed."""
        for pid in [self._process.pid, *self.children()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()


def run_flow(name: str, *environments: str, log: Path) -> MarkedProcess:
    """Start a flow on an environment, and its target, in a process of its own."""
    return MarkedProcess([sys.executable, "-c", _RUN_FLOW.format(name), *environments], log)


def run_worker(pool: str, log: Path) -> MarkedProcess:
    """Start Prefect's own process worker, which serves a pool. The runs that it starts lead groups of their own."""
    argv = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process"]
    return MarkedProcess(argv, log, {"PREFECT_WORKER_QUERY_SECONDS": "1"})


def execute_run(run: UUID, folder: Path) -> str:
    """As a worker does it: in a process of its own, which ends when the run is suspended. Its output.

    In an empty folder: the command copies the one in which it is started.
    """
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    execute = [sys.executable, "-m", "prefect", "flow-run", "execute", str(run)]
    process = MarkedProcess(["env", f"--chdir={empty}", *execute], folder / "run.log")
    with ExitStack() as failed:
        failed.callback(process.close)
        process.end(300)
        failed.pop_all()
    return process.log()
