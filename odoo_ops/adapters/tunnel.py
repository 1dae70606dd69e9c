"""Leads a Unix socket on this machine to a socket on a host, through agents there."""

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from odoo_ops.adapters.agent import Agent, AgentLauncher
from odoo_ops.errors import OdooOpsError
from odoo_ops.hostside.relay import read_frame, write_frame
from odoo_ops.model.sockets import Address, TcpAddress, UnixAddress

_END_SECONDS = 30
# libpq looks for this name in the folder that it is given as host
_SOCKET_NAME = ".s.PGSQL.5432"


@contextmanager
def tunnel_to(launcher: AgentLauncher, address: Address) -> Iterator[UnixAddress]:
    """A private Unix socket on this machine, each connection to which leads to `address` on the host.

    Connections that are still open at the end of the block are closed, and their agents free for others.
    """
    target = [address.host, address.port] if isinstance(address, TcpAddress) else address.path
    folder = tempfile.mkdtemp(prefix="odoo-ops-")
    listener = socket.socket(socket.AF_UNIX)
    carried: list[tuple[socket.socket, threading.Thread]] = []
    try:
        path = f"{folder}/{_SOCKET_NAME}"
        listener.bind(path)
        listener.listen()
        threading.Thread(target=_accept, args=(listener, launcher, target, carried), daemon=True).start()
        yield UnixAddress(path=path)
    finally:
        _wake(listener)
        listener.close()
        shutil.rmtree(folder)
        for connection, _carrying in carried:
            _wake(connection)
        for _connection, carrying in carried:
            carrying.join(_END_SECONDS)


def _wake(waiting: socket.socket) -> None:
    """Let who waits for something on a socket go on: nothing more comes."""
    with suppress(OSError):  # it is closed already
        waiting.shutdown(socket.SHUT_RDWR)


def _accept(
    listener: socket.socket,
    launcher: AgentLauncher,
    target: object,
    carried: list[tuple[socket.socket, threading.Thread]],
) -> None:
    while True:
        try:
            connection, _address = listener.accept()
        except OSError:
            return  # the tunnel was closed
        carrying = threading.Thread(target=_carry, args=(connection, launcher, target), daemon=True)
        carrying.start()
        carried.append((connection, carrying))


def _carry(connection: socket.socket, launcher: AgentLauncher, target: object) -> None:
    # an agent that cannot connect, or is lost, is ended; the client sees its connection closed and says so
    lost = (OdooOpsError, OSError, EOFError, ValueError)
    with connection, suppress(*lost), launcher.relay({"address": target}) as agent:
        agent.wait_for("ready")
        ended = threading.Event()
        back = threading.Thread(target=_from_host, args=(agent, connection, ended), daemon=True)
        back.start()
        _to_host(agent, connection)
        back.join(_END_SECONDS)
        if not ended.is_set():
            raise EOFError


def _to_host(agent: Agent, connection: socket.socket) -> None:
    with suppress(ConnectionError):  # the client has gone
        while data := connection.recv(65536):
            write_frame(agent.pipes.stdin, data)
    write_frame(agent.pipes.stdin, b"")


def _from_host(agent: Agent, connection: socket.socket, ended: threading.Event) -> None:
    """What comes from the host goes to the client. That it ends in good order, or the agent is lost, ends both ways."""
    with suppress(OSError, ValueError, EOFError):  # the agent is lost, or its stdout was closed on its end
        while data := read_frame(agent.pipes.stdout):
            with suppress(OSError):  # the client has gone; what still comes for it is read, and lost
                connection.sendall(data)
        ended.set()
    _wake(connection)
