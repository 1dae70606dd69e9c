"""Runs of a flow that end by SIGKILL at a chosen step, one run a step or every few, until one comes to its end.

Each run is a process of its own, forked from one that has imported everything, which saves seconds a run. In it
`prefect.Task.__call__` is wrapped, in tests only: the process kills itself just before a task begins, which is just
after the one before has ended; and just before each part of the report is published or figures are kept. Within
one task, if that is named, it kills itself before each operation on the host, and before databases are renamed, too.
Steps are counted `since` a task, if that is named: what comes before it is passed each time.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from prefect.settings import PREFECT_API_URL
from real_processes import processes_with, wait_until
from slices import first_of_today

_MARK = "KILLED_RUN_OF_ODOO_OPS"


@dataclass(frozen=True)
class Ended:
    """How a run ended: killed at this place, or by itself (`place` is None) with this exit status."""

    place: str | None
    status: int
    passed: tuple[str, ...] = field(default=(), compare=False)


class KilledRuns:
    """A flow that is run again and again, killed `every` so many steps later each time."""

    def __init__(self, process: "subprocess.Popen[str]", places: Path, log: Path, lasting: str, every: int) -> None:
        self._process = process
        self._places = places
        self._log = log
        self._lasting = lasting
        self._every = every

    def _left_of(self, mark: str) -> list[str]:
        """Commands that a run started and that do not end with it, though they should."""
        return [
            command for command in processes_with(mark).values() if not self._lasting or self._lasting not in command
        ]

    def __iter__(self) -> Iterator[Ended]:
        """Each run after its end, and after the end of all it had started. The last one was not killed."""
        first = first_of_today(self._every) + 1
        for number in itertools.count(first, self._every):
            self._places.write_text("")
            cast("IO[str]", self._process.stdin).write(f"{number}\n")
            cast("IO[str]", self._process.stdin).flush()
            line = cast("IO[str]", self._process.stdout).readline()
            assert line, self.log()
            status = json.loads(line)
            passed = self._places.read_text().splitlines()
            place = passed.pop() if len(passed) == number else None
            assert (status == -signal.SIGKILL) == (place is not None), self.log()
            mark = f"{_MARK}={number}-{self._process.pid}"
            wait_until(lambda mark=mark: not self._left_of(mark), f"still there: {self._left_of(mark)}")
            yield Ended(place, status, tuple(passed))
            if place is None:
                assert number > first, f"no run was killed: it has fewer than {first} steps"
                return

    def log(self) -> str:
        return self._log.read_text(errors="replace")


@contextmanager
def killed_runs(
    flow: str, *arguments: str, folder: Path, since: str = "", within: str = "", lasting: str = "", every: int = 1
) -> Iterator[KilledRuns]:
    """Runs of a flow with these arguments: killed before each task `since` one, and before each operation `within` one.

    Not at each of these steps, but at `every` so many, others each day (see `slices`). All that they start ends with
    them, but for commands that hold the word `lasting`: a service, say.
    """
    places, log = folder / f"{flow}-places", folder / f"{flow}-killed.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, __file__, flow, since, within, str(places), *arguments],
            env={
                **os.environ,
                "PREFECT_API_URL": str(PREFECT_API_URL.value()),
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        with process:
            yield KilledRuns(process, places, log, lasting, every)


def _arm(number: int, since: str, within: str, places: str) -> None:
    """Let this process kill itself at the `number`-th place."""
    from prefect import Task

    from odoo_ops.adapters import cluster
    from odoo_ops.adapters.agent import AgentLauncher
    from tasks import reports, trends

    passed = itertools.count(1)
    begun, inside = not since, False

    def pass_by(place: str) -> None:
        if not begun:
            return
        with Path(places).open("a") as file:
            file.write(f"{place}\n")
        if next(passed) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def stop_before(owner: object, name: str, place: Callable[..., str]) -> None:
        call = getattr(owner, name)

        def called(*arguments: object, **named: object) -> object:
            if words := place(*arguments):
                pass_by(words)
            return call(*arguments, **named)

        setattr(owner, name, called)

    run_task = Task.__call__

    def called(task: "Task[..., object]", *arguments: object, **named: object) -> object:
        nonlocal begun, inside
        begun = begun or task.name == since
        pass_by(f"before {task.name}")
        inside = task.name == within
        try:
            return run_task(task, *arguments, **named)
        finally:
            inside = False

    Task.__call__ = called  # type: ignore[method-assign, assignment]
    for way in ("start", "call"):
        stop_before(AgentLauncher, way, lambda _launcher, name, *_: f"in {within} before {name}" if inside else "")
    stop_before(cluster, "swap_databases", lambda *_: f"in {within} before swap_databases" if inside else "")
    stop_before(reports, "create_markdown_artifact", lambda *_: "before the report")
    stop_before(reports, "create_table_artifact", lambda *_: "within the report")
    stop_before(trends, "create_table_artifact", lambda *_: "before the figures")


def _serve(flow: str, since: str, within: str, places: str, *arguments: str) -> None:
    """Fork a run for each number that comes in, and answer with the status with which it ended."""
    import importlib

    run = getattr(importlib.import_module(f"flows.{flow}"), flow)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            os.setsid()
            os.dup2(2, 1)
            os.environ[_MARK] = f"{int(line)}-{os.getppid()}"
            _arm(int(line), since, within, places)
            run(*arguments)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
