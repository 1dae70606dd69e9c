"""One host: run commands, move files, hold locks, reach sockets. Everything happens there, beside the data."""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from datetime import datetime
from typing import Any

from odoo_ops.adapters.agent import Agent, AgentLauncher, Locked, OnLine, OnProgress, Transport
from odoo_ops.adapters.containers import ContainerTransport
from odoo_ops.adapters.held_locks import HeldLock, locked_message
from odoo_ops.adapters.local import LocalTransport
from odoo_ops.adapters.tunnel import tunnel_to
from odoo_ops.adapters.users import AsUser, BelowRoot
from odoo_ops.errors import CommandFailed, PreconditionFailed, Refused, TransientError
from odoo_ops.model.command import Command, Result
from odoo_ops.model.host import Host, LocalConnection, OpenHost, SshConnection
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.model.sockets import Address
from odoo_ops.policy.space import Need, ended_for_room

_log = logging.getLogger(__name__)


class HostAdapter:
    """Acts on one host, or in a container there that counts as one.

    Attributes:
        name: what messages call it.
        python: program of Python there.
        restic: program of restic there.
        registry: from which its private images come.
        processors: so many of its processors may be used by what is done there; None: all.
    """

    def __init__(
        self,
        host: Host,
        container: ContainerTransport | None = None,
        *,
        below_root: BelowRoot | None = None,
        processors: int | None = None,
    ) -> None:
        local = isinstance(host.connection, LocalConnection)
        self.host = host
        self.name = container.name if container else host.name + (f" (as {below_root.user})" if below_root else "")
        self.restic = "restic" if container else host.restic
        self.registry = host.registry if isinstance(host, OpenHost) else None
        self._container = container
        self._transport = container or below_root or _transport(host)
        self._is_here = local and not host.become and not container and not below_root
        self.python = "python3" if container else host.python or (sys.executable if local else "python3")
        self.processors = processors
        self._launcher = AgentLauncher(self._transport, host=self.name, python=self.python, processors=processors)

    def in_container(self, project: ComposeProject, service: str) -> "HostAdapter":
        """A container of a service on this host, as a host of its own; it runs only while something is done in it."""
        container = ContainerTransport(self._transport, project, service, host=self.name)
        return HostAdapter(self.host, container, processors=self.processors)

    def below_root(self, owner_of: str | None = None) -> "HostAdapter":
        """This host for foreign code: where agents are root, these are the user to whom a path belongs, or `nobody`.

        Raises PreconditionFailed where that user cannot run Python there.
        """
        user = self.call("user_below_root", owner_of=owner_of)
        if user is None:
            return self
        below = HostAdapter(self.host, below_root=BelowRoot(self._transport, user), processors=self.processors)
        try:
            below.call("describe_path", path="/")
        except TransientError as error:
            self.call("describe_path", path="/")  # the host answers root
            raise PreconditionFailed(
                f"{user} on {self.name}, as whom foreign code is run there, cannot run {self.python}: {error} "
                "Nothing was changed. Next step: name a Python that every user can run as `python` of the host."
            ) from error
        return below

    @property
    def container(self) -> str | None:
        """Docker's name of the container that this is, while agents are kept in it; None for a host itself."""
        return self._container.container if self._container else None

    @contextmanager
    def agents_kept(self) -> Iterator[None]:
        """Until the block is left, agents that have done their operation wait there for the next one.

        All of them are in one container, if in any.
        """
        with self._container.kept() if self._container else nullcontext(), self._launcher.kept():
            yield

    def call(
        self,
        operation: str,
        *,
        shown: str = "",
        on_line: OnLine | None = None,
        on_progress: OnProgress | None = None,
        **arguments: Any,
    ) -> Any:
        """Do one operation of the agent (see `odoo_ops.hostside`) and return its value.

        Raises what the agent reports, and TransientError when the connection is lost.
        """
        with self._launcher.call(operation, arguments, shown=shown) as agent:
            return self._value(agent, shown or operation, on_line, on_progress)

    @contextmanager
    def beside(
        self,
        operation: str,
        *,
        shown: str = "",
        on_line: OnLine | None = None,
        on_progress: OnProgress | None = None,
        **arguments: Any,
    ) -> Iterator[Callable[[], Any]]:
        """Do one operation while the block does other things; the function given waits for its value.

        The block is left when the operation is done; its error is raised then, as `call` does. An error that
        leaves the block ends the operation first.
        """
        with (
            ThreadPoolExecutor(max_workers=1) as pool,
            self._launcher.call(operation, arguments, shown=shown) as agent,
        ):
            value = pool.submit(copy_context().run, self._value, agent, shown or operation, on_line, on_progress)
            yield value.result
            value.result()

    def _value(self, agent: Agent, shown: str, on_line: OnLine | None, on_progress: OnProgress | None) -> Any:
        result = agent.wait_for("result", on_line, on_progress)
        _log.debug("%s: `%s` took %.3f s", self.name, shown, result["seconds"])
        return result["value"]

    def call_command(self, operation: str, command: Command, **arguments: Any) -> Any:
        """Do an operation of the agent that runs a command and reads its output itself; else as `call`."""
        with _advised(command):
            return self.call(operation, **_of_command(command), **arguments)

    @contextmanager
    def call_command_beside(self, operation: str, command: Command, **arguments: Any) -> Iterator[Callable[[], Any]]:
        """The same while the block does other things, as `beside`."""
        with _advised(command), self.beside(operation, **_of_command(command), **arguments) as value:
            yield value

    def run(
        self,
        command: Command,
        *,
        on_line: OnLine | None = None,
        stdout_file: str | None = None,
        timeout_seconds: float | None = None,
        next_step: str = "",
    ) -> Result:
        """Run a command to its end.

        Its standard output is returned, or, with `stdout_file`, written to that file on the host, or, with
        `on_line`, given line by line with its standard error. Raises CommandFailed for every status but 0;
        `next_step` is what its message advises instead of the command's own, unless its status says what is wrong.
        """
        value = self.call("run", **_of_run(command, on_line, stdout_file, timeout_seconds))
        return self._result(command, value, next_step)

    @contextmanager
    def run_beside(
        self, command: Command, *, on_line: OnLine | None = None, reserve: Need | None = None, next_step: str = ""
    ) -> Iterator[None]:
        """Run a command to its end while the block does other things, as `beside`. Raises as `run` does.

        With a `reserve` it is ended, and PreconditionFailed raised, before it writes to what must stay free there.
        """
        room: dict[str, Any] = {"room_in": reserve.folder, "room_bytes": reserve.needed_bytes} if reserve else {}
        with self.beside("run", **_of_run(command, on_line), **room) as value:
            yield
            done = value()
            if reserve and done["ended_for_room"] and done["exit_status"]:
                raise ended_for_room(str(command), reserve, self.name)
            self._result(command, done, next_step)

    def _result(self, command: Command, value: Mapping[str, Any], next_step: str) -> Result:
        if value["exit_status"]:
            late = f" (ended after {value['seconds']:.1f} s, its time limit)" if value["timed_out"] else ""
            output = (value["stderr"] or value["stdout"][-4000:]) + late
            status = value["exit_status"]
            hint = command.advice(status, otherwise=next_step)
            raise CommandFailed(str(command), status, output, where=self.name, hint=hint)
        return Result(stdout=value["stdout"], stderr=value["stderr"], seconds=value["seconds"])

    @contextmanager
    def lock(self, path: str, *, holder: str, purpose: str, now: datetime) -> Iterator[HeldLock]:
        """Hold the lock file `path` on the host. Raises Refused at once, naming the holder, if it is taken."""
        owner = {"holder": holder, "purpose": purpose, "since": now.isoformat(timespec="seconds")}
        with self._launcher.start("hold_lock", {"path": path, "owner": owner}) as agent:
            try:
                agent.wait_for("ready")
            except Locked as error:
                raise Refused(locked_message(path, self.name, error.owner)) from error
            yield HeldLock(agent, path)

    def refuse_locked(self, path: str) -> None:
        """Raise Refused, naming the holder, when the lock file `path` is held on the host. It is not taken."""
        owner = self.call("lock_owner", path=path)
        if owner is not None:
            raise Refused(locked_message(path, self.name, owner))

    @contextmanager
    def serve(self, command: Command, *, log_file: str) -> Iterator[Agent]:
        """Run a server on the host for as long as the block lasts; its output goes to a file there."""
        arguments = {
            **process_arguments(command),
            "working_directory": command.working_directory,
            "log_file": log_file,
        }
        with self._launcher.start("serve", arguments, shown=str(command)) as agent:
            agent.wait_for("ready")
            yield agent

    @contextmanager
    def tunnel(self, address: Address) -> Iterator[Address]:
        """An address on this machine that leads to `address` as the host sees it."""
        if self._is_here:
            yield address
        else:
            with tunnel_to(self._launcher, address) as local:
                yield local

    def find_program(self, name: str, folders: Sequence[str]) -> str | None:
        """Full path of a program on the host: first in the named folders, then on PATH."""
        found: str | None = self.call("find_program", name=name, folders=list(folders))
        return found


def _transport(host: Host) -> Transport:
    transport: Transport
    match host.connection:
        case SshConnection() as connection:
            # Fabric takes a fifth of a second to import, and most runs need none
            from odoo_ops.adapters.ssh import SshTransport

            transport = SshTransport(connection)
        case LocalConnection():
            transport = LocalTransport()
    return AsUser(transport, host.become) if host.become else transport


def _of_command(command: Command) -> dict[str, Any]:
    """Arguments of an operation that runs a command."""
    return {"shown": str(command), **process_arguments(command)}


@contextmanager
def _advised(command: Command) -> Iterator[None]:
    """Add the command's next step to the error that says that it failed."""
    try:
        yield
    except CommandFailed as error:
        if error.command != str(command):
            raise
        hint = command.advice(error.exit_status)
        raise CommandFailed(error.command, error.exit_status, error.output, where=error.where, hint=hint) from error


def _of_run(
    command: Command,
    on_line: OnLine | None,
    stdout_file: str | None = None,
    timeout_seconds: float | None = None,
) -> dict[str, Any]:
    """Arguments of the operation `run`."""
    return {
        **_of_command(command),
        "on_line": on_line,
        "stdin": command.stdin,
        "working_directory": command.working_directory,
        "capture": on_line is None,
        "stdout_file": stdout_file,
        "timeout_seconds": timeout_seconds,
    }


def process_arguments(command: Command) -> Mapping[str, Any]:
    """What an operation needs to start a command's process; its secrets are in clear only where they are sent."""
    return {
        "argv": command.argv,
        "environment": {**command.environment, **command.secrets},
        "without": command.without,
        "files": command.files,
    }
