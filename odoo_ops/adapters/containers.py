"""Agents in a one-off container of a compose project's service, on a machine that another transport reaches."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from secrets import token_hex

from odoo_ops.adapters.agent import Pipes, Transport
from odoo_ops.commands import compose
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.policy.containers import why_docker_refused

_PROOF = b"are you there\n"


class _PipesInside:
    """An agent's pipes; that they are closed is told once."""

    def __init__(self, pipes: Pipes, closed: Callable[[], None]) -> None:
        self._pipes = pipes
        self._after = ExitStack()
        self._after.callback(closed)
        self.stdin, self.stdout = pipes.stdin, pipes.stdout

    def close(self) -> None:
        self._pipes.close()
        self._after.close()

    def ended(self) -> bool:
        return self._pipes.ended()

    def last_words(self) -> str:
        return self._pipes.last_words()


class ContainerTransport:
    """Runs programs in a container of one service.

    It is started for the first program and ends with the last, or with the block for which it is `kept`. Its first
    process waits for the end of its stdin: it ends with the worker.

    Attributes:
        name: what messages call the container.
        container: Docker's name of the one that runs, or of the last one.
    """

    def __init__(self, machine: Transport, project: ComposeProject, service: str, *, host: str) -> None:
        self.name = f"{host} ({service} of {project.project})"
        self._machine = machine
        self._project = project
        self._service = service
        self._host = host
        self._lock = threading.Lock()
        self._users = 0
        self.container = ""
        self._end_container = ExitStack()

    def start(self, argv: tuple[str, ...]) -> Pipes:
        """Start a program. Raises PreconditionFailed when there can be no container, and what the machine raises."""
        self._enter()
        try:
            pipes = self._machine.start(compose.run_inside(self.container, argv))
        except BaseException:
            self._leave()
            raise
        return _PipesInside(pipes, self._leave)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """One container for all programs of the block."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if not self._users:
                self._start_container()
            self._users += 1

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._end_container.close()

    def _start_container(self) -> None:
        self.container = f"odoo-ops-{self._project.project}-{self._service}-{token_hex(4)}"
        argv = compose.run_kept(self._project, self._service, self.container)
        first = self._machine.start(argv)
        with ExitStack() as ended:
            ended.callback(first.close)
            answered = _answers(first)
            if answered:
                self._end_container = ended.pop_all()
        if not answered:
            tried = f"A container of {self._service}"
            raise PreconditionFailed(
                why_docker_refused(first.last_words(), self._project, host=self._host, tried=tried)
            )


def _answers(first: Pipes) -> bool:
    """Whether a container's first process is there: what it is told comes back."""
    try:
        first.stdin.write(_PROOF)
        first.stdin.flush()
    except OSError:
        return False
    return first.stdout.readline() == _PROOF
