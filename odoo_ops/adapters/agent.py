"""Starts the agent on a host and speaks with it: one process an operation.

Only `python -c <one line>` stands in argv; the agent's source, the request and its secrets go by stdin.
When the worker ends, however it ends, stdin ends, and the agent ends what it started.
"""

import json
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import resources
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


def _in_clear(value: object) -> str:
    """A secret as the agent needs it. Only here: what shows local variables of an error's frames must not show it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    raise TypeError(f"{type(value).__name__} cannot be sent to a host")


class Agent:
    """One operation under way on a host."""

    def __init__(self, pipes: Pipes, *, host: str, operation: str, shown: str) -> None:
        self.pipes = pipes
        self._host = host
        self._operation = operation
        self._shown = shown

    def request(self, arguments: Mapping[str, Any]) -> None:
        """Send the agent its source and its request."""
        sources = _sources()
        message = {
            "bootstrap": sources[f"{_PACKAGE}.bootstrap"],
            "sources": sources,
            "request": {"operation": self._operation, "arguments": dict(arguments)},
        }
        try:
            self.pipes.stdin.write(json.dumps(message, default=_in_clear).encode() + b"\n")
            self.pipes.stdin.flush()
        except OSError as error:
            raise self._lost() from error

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
        try:
            self.pipes.stdin.write(b"ping\n")
            self.pipes.stdin.flush()
        except OSError as error:
            raise self._lost() from error
        self.wait_for("pong")

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
    """Starts agents on one host."""

    def __init__(self, transport: Transport, *, host: str, python: str, become: str | None) -> None:
        self._transport = transport
        self._host = host
        sudo = ("sudo", "-n", "-u", become, "--") if become else ()
        self._argv = (*sudo, python, "-c", _BOOT)

    @contextmanager
    def start(self, operation: str, arguments: Mapping[str, Any], *, shown: str = "") -> Iterator[Agent]:
        """Start an operation; when the block is left, the operation is ended if it still runs.

        `shown` is how the operation is named in errors.
        """
        pipes = self._transport.start(self._argv)
        try:
            agent = Agent(pipes, host=self._host, operation=operation, shown=shown or operation)
            agent.request(arguments)
            yield agent
        finally:
            pipes.close()


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
