"""Starts agents on a host and speaks with them: one operation at a time each.

Only `python -c <one line>` stands in argv; the agent's source, the requests and their secrets go by stdin.
When the worker ends, however it ends, stdin ends, and the agent ends what it started.
"""

import json
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module, resources
from typing import IO, Any, Protocol

from pydantic import SecretStr

from odoo_ops.errors import CommandFailed, OdooOpsError, PreconditionFailed, TransientError, VerificationFailed

OnLine = Callable[[str, str], None]
OnProgress = Callable[[int, int, str], None]

_PACKAGE = "odoo_ops.hostside"
_BOOT = (
    "import sys,json;m=json.loads(sys.stdin.buffer.readline());g={};"
    "exec(m['bootstrap'],g);g['begin'](m['sources'],m['request'])"
)


class Locked(OdooOpsError):
    """The lock is another's.

    Attributes:
        owner: who holds it, since when and why, as written by the holder.
    """

    def __init__(self, message: str, owner: Mapping[str, str]) -> None:
        super().__init__(message)
        self.owner = owner


class Pipes(Protocol):
    """Both ends of an agent that runs somewhere."""

    stdin: IO[bytes]
    stdout: IO[bytes]

    def close(self) -> None:
        """End the agent by ending its stdin, and wait until it has ended what it started."""

    def ended(self) -> bool:
        """Whether the agent has ended."""

    def last_words(self) -> str:
        """What it wrote to stderr; complete once it has ended."""


class Transport(Protocol):
    """A way to run a program on a host with its stdin and stdout connected."""

    def start(self, argv: tuple[str, ...]) -> Pipes:
        """Start a program. Raises TransientError when the host does not answer, Refused for a wrong host key."""


@cache
def _sources() -> dict[str, str]:
    sources = {"odoo_ops": ""}
    for file in resources.files(_PACKAGE).iterdir():
        if file.name.endswith(".py"):
            module = _PACKAGE if file.name == "__init__.py" else f"{_PACKAGE}.{file.name[:-3]}"
            sources[module] = file.read_text(encoding="utf-8")
    return sources


@cache
def _modules() -> dict[str, str]:
    """Operation -> the module of `odoo_ops.hostside` that does it."""
    found = {"relay": "relay"}
    for name in _sources():
        operations = getattr(import_module(name), "OPERATIONS", {})
        found |= dict.fromkeys(operations, name.rpartition(".")[2])
    return found


def _in_clear(value: object) -> str:
    """A secret as the agent needs it. Only here: what shows local variables of an error's frames must not show it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    raise TypeError(f"{type(value).__name__} cannot be sent to a host")


class Agent:
    """A process on a host that does an operation, and after its result may be asked for the next."""

    def __init__(self, pipes: Pipes, *, host: str, processors: int | None = None) -> None:
        self.pipes = pipes
        self._host = host
        self._processors = processors
        self._operation = self._shown = ""

    def request(self, operation: str, arguments: Mapping[str, Any], *, shown: str = "") -> None:
        """Send the agent a request, the first time with its source. `shown` is how errors name the operation."""
        first = not self._operation
        self._operation, self._shown = operation, shown or operation
        message: dict[str, Any] = {
            "module": _modules()[operation],
            "operation": operation,
            "arguments": dict(arguments),
        }
        if first:
            sources, message = _sources(), {**message, "processors": self._processors}
            message = {"bootstrap": sources[f"{_PACKAGE}.bootstrap"], "sources": sources, "request": message}
        if not self._sends(json.dumps(message, default=_in_clear).encode()):
            raise self._lost()

    def wait_for(self, event: str, on_line: OnLine | None = None, on_progress: OnProgress | None = None) -> Any:
        """Read events up to the one named and return it; raise what the agent reports as an error."""
        while line := self.pipes.stdout.readline():
            message = self._parse(line)
            match message["event"]:
                case "line" if on_line:
                    on_line(message["stream"], message["text"])
                case "progress" if on_progress:
                    on_progress(message["done"], message["total"], message["unit"])
                case "error":
                    raise self._error(message)
                case name if name == event:
                    return message
        raise self._lost()

    def ping(self) -> None:
        """Make sure the agent is still there. Raises TransientError if it is not."""
        if not self._sends(b"ping"):
            raise self._lost()
        self.wait_for("pong")

    def _sends(self, line: bytes) -> bool:
        """Write a line and return whether it could be. No error leaves this: its frames hold the line's secrets."""
        try:
            self.pipes.stdin.write(line + b"\n")
            self.pipes.stdin.flush()
        except (OSError, ValueError):  # ValueError: the pipe was closed when the agent was lost
            return False
        return True

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            message: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise PreconditionFailed(
                f"{self._host} did not answer as an agent but with {line[:200]!r}. Next step: make sure that a "
                "login there prints nothing (look at .bashrc, /etc/profile) and that Python 3.10 or later runs."
            ) from error
        return message

    def _lost(self) -> TransientError:
        self.pipes.close()
        words = self.pipes.last_words().strip()
        return TransientError(
            f"The connection to {self._host} was lost during `{self._shown}`, or its agent was ended"
            + (f": {words}" if words else ".")
            + " Next step: see that the host answers, then run the flow again; it settles what was left."
        )

    def _error(self, message: Mapping[str, Any]) -> Exception:
        details = message["details"]
        match message["kind"]:
            case "CommandFailed":
                return CommandFailed(self._shown, details["exit_status"], details["output"], where=self._host)
            case "Locked":
                return Locked(message["message"], details["owner"])
            case "TransientError":
                return TransientError(f"{self._host}: {message['message']}")
            case "VerificationFailed":
                return VerificationFailed(f"On {self._host}: {message['message']}")
            case "PreconditionFailed":
                return PreconditionFailed(
                    f"On {self._host}, in {self._operation}: {message['message']}. Next step: make sure that the user "
                    "who acts there may do that, that the path is right and that the disk is not full."
                )
        return OdooOpsError(f"The agent on {self._host} failed in {self._operation}:\n{message['message']}")


class AgentLauncher:
    """Starts agents on one host; with `processors`, they and what they start use no more of them."""

    def __init__(self, transport: Transport, *, host: str, python: str, processors: int | None = None) -> None:
        self._transport = transport
        self._host = host
        self._processors = processors
        self._argv = (python, "-c", _BOOT)
        self._lock = threading.Lock()
        self._keepers = 0
        self._idle: list[Agent] = []
        self._idle_relays: list[Agent] = []

    @contextmanager
    def start(self, operation: str, arguments: Mapping[str, Any], *, shown: str = "") -> Iterator[Agent]:
        """Start an operation that lasts (a lock, a relay, a server): it is ended when the block is left."""
        agent = self._new()
        try:
            agent.request(operation, arguments, shown=shown)
            yield agent
        finally:
            agent.pipes.close()

    @contextmanager
    def call(self, operation: str, arguments: Mapping[str, Any], *, shown: str = "") -> Iterator[Agent]:
        """Start an operation whose result the block waits for; an error that leaves the block ends it.

        An agent that has given its result is asked for the next one while agents are `kept`.
        """
        with self._one_of(self._idle) as agent:
            agent.request(operation, arguments, shown=shown)
            yield agent

    @contextmanager
    def relay(self, arguments: Mapping[str, Any]) -> Iterator[Agent]:
        """Start to carry a connection, which the block ends in good order; an error that leaves it ends the agent.

        One that has carried a connection is asked for the next one while agents are `kept`.
        """
        with self._one_of(self._idle_relays) as agent:
            agent.request("relay", arguments)
            yield agent

    @contextmanager
    def _one_of(self, idle: list[Agent]) -> Iterator[Agent]:
        agent = self._take(idle) or self._new()
        try:
            yield agent
        except BaseException:
            agent.pipes.close()
            raise
        self._give_back(agent, idle)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Until the block is left, agents stay for the next call: starting one takes longer than most calls."""
        with self._lock:
            self._keepers += 1
        try:
            yield
        finally:
            with self._lock:
                self._keepers -= 1
                ending = [] if self._keepers else [*self._idle, *self._idle_relays]
                if ending:
                    self._idle.clear()
                    self._idle_relays.clear()
            for agent in ending:
                agent.pipes.close()

    def _new(self) -> Agent:
        return Agent(self._transport.start(self._argv), host=self._host, processors=self._processors)

    def _take(self, idle: list[Agent]) -> Agent | None:
        """One that waits for work; those that have ended meanwhile (a connection that was lost) are let go."""
        while True:
            with self._lock:
                agent = idle.pop() if idle else None
            if agent is None or not agent.pipes.ended():
                return agent
            agent.pipes.close()

    def _give_back(self, agent: Agent, idle: list[Agent]) -> None:
        with self._lock:
            if self._keepers:
                idle.append(agent)
                return
        agent.pipes.close()


def quote(argv: tuple[str, ...]) -> str:
    """A program and its arguments as one line for a POSIX shell: the only place where that is done."""
    return shlex.join(argv)


class StderrTail:
    """Keeps the last bytes that a stream gave, read in a thread so that its writer never waits."""

    _BYTES = 16 * 1024

    def __init__(self, stream: IO[bytes]) -> None:
        self._kept = b""
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        while chunk := stream.read1(4096):  # type: ignore[attr-defined]
            self._kept = (self._kept + chunk)[-self._BYTES :]

    def text(self) -> str:
        """What was kept, once the stream has ended."""
        self._thread.join(timeout=5)
        return self._kept.decode("utf-8", "replace")
