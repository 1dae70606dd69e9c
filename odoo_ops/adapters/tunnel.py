"""Leads a Unix socket on this machine to a socket on a host, through agents there."""

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from odoo_ops.adapters.agent import Agent, AgentLauncher
from odoo_ops.errors import OdooOpsError
from odoo_ops.model.sockets import Address, TcpAddress, UnixAddress

# libpq looks for this name in the folder that it is given as host
_SOCKET_NAME = ".s.PGSQL.5432"


@contextmanager
def tunnel_to(launcher: AgentLauncher, address: Address) -> Iterator[UnixAddress]:
    """A private Unix socket on this machine, each connection to which leads to `address` on the host."""
    target = [address.host, address.port] if isinstance(address, TcpAddress) else address.path
    folder = tempfile.mkdtemp(prefix="odoo-ops-")
    listener = socket.socket(socket.AF_UNIX)
    try:
        path = f"{folder}/{_SOCKET_NAME}"
        listener.bind(path)
        listener.listen()
        threading.Thread(target=_accept, args=(listener, launcher, target), daemon=True).start()
        yield UnixAddress(path=path)
    finally:
        listener.close()
        shutil.rmtree(folder)


def _accept(listener: socket.socket, launcher: AgentLauncher, target: object) -> None:
    while True:
        try:
            connection, _address = listener.accept()
        except OSError:
            return  # the tunnel was closed
        threading.Thread(target=_carry, args=(connection, launcher, target), daemon=True).start()


def _carry(connection: socket.socket, launcher: AgentLauncher, target: object) -> None:
    with connection, launcher.start("relay", {"address": target}) as agent:
        try:
            agent.wait_for("ready")
        except OdooOpsError:
            return  # the client sees its connection closed and says so
        back = threading.Thread(target=_from_host, args=(agent, connection), daemon=True)
        back.start()
        with suppress(BrokenPipeError, ConnectionResetError):  # one side has ended: so does the other
            while data := connection.recv(65536):
                agent.pipes.stdin.write(data)
                agent.pipes.stdin.flush()
        agent.pipes.close()
        back.join()


def _from_host(agent: Agent, connection: socket.socket) -> None:
    with suppress(OSError, ValueError):  # the client has gone, or the agent's stdout was closed on its end
        while data := agent.pipes.stdout.read1(65536):  # type: ignore[attr-defined]
            connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)
