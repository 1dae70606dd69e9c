"""Connections carried by real agents on this machine."""

import secrets
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Iterator

import pytest
from real_processes import wait_until

from deployments.engines.ports import free_port
from odoo_ops.adapters.agent import AgentLauncher, Pipes
from odoo_ops.adapters.local import LocalTransport
from odoo_ops.adapters.tunnel import tunnel_to
from odoo_ops.model.sockets import TcpAddress, UnixAddress


class Counting:
    """Runs programs on this machine, and counts them."""

    def __init__(self) -> None:
        self.started: list[Pipes] = []

    def start(self, argv: tuple[str, ...]) -> Pipes:
        self.started.append(LocalTransport().start(argv))
        return self.started[-1]


class _Echo(socketserver.BaseRequestHandler):
    """Repeats what it is sent; ends the connection after `bye`, and resets it after `reset`."""

    def handle(self) -> None:
        while data := self.request.recv(65536):
            if data == b"reset":
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.request.close()
                return
            self.request.sendall(data)
            if data == b"bye":
                return


@pytest.fixture
def echo() -> Iterator[TcpAddress]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield TcpAddress(host="127.0.0.1", port=server.server_address[1])
        server.shutdown()


@pytest.fixture
def transport() -> Counting:
    return Counting()


@pytest.fixture
def launcher(transport: Counting) -> AgentLauncher:
    return AgentLauncher(transport, host="here", python=sys.executable)


def _said(address: UnixAddress, data: bytes) -> bytes:
    """What comes back for some bytes. Then the client goes, or it is gone already."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(address.path)
        threading.Thread(target=client.sendall, args=(data,), daemon=True).start()
        received = b""
        while len(received) < len(data) and (more := client.recv(65536)):
            received += more
        if data in {b"", b"bye"}:
            assert client.recv(1) == b"", "the other side's end is seen"
    return received


def _idle(launcher: AgentLauncher) -> None:
    wait_until(lambda: len(launcher._idle_relays) == 1, "the agent waits for the next connection")


def test_one_agent_carries_one_connection_after_the_other(
    launcher: AgentLauncher, transport: Counting, echo: TcpAddress
) -> None:
    with launcher.kept(), tunnel_to(launcher, echo) as address:
        for data in (b"hello", secrets.token_bytes(1_000_000), b"bye", b"hello again"):
            assert _said(address, data) == data
            _idle(launcher)
        assert len(transport.started) == 1
    assert transport.started[0].ended()


def test_agent_carries_the_next_connection_after_one_that_was_reset(
    launcher: AgentLauncher, transport: Counting, echo: TcpAddress
) -> None:
    with launcher.kept(), tunnel_to(launcher, echo) as address:
        assert _said(address, b"reset") == b""
        _idle(launcher)
        assert _said(address, b"hello") == b"hello"
        _idle(launcher)
        assert len(transport.started) == 1


def test_agent_ends_with_its_connection_where_none_are_kept(
    launcher: AgentLauncher, transport: Counting, echo: TcpAddress
) -> None:
    with tunnel_to(launcher, echo) as address:
        assert _said(address, b"hello") == b"hello"
    wait_until(transport.started[0].ended, "the agent ends")


def test_connection_that_cannot_be_made_is_closed_and_others_are_carried(
    launcher: AgentLauncher, echo: TcpAddress
) -> None:
    with launcher.kept():
        with tunnel_to(launcher, TcpAddress(host="127.0.0.1", port=free_port())) as nowhere:
            assert _said(nowhere, b"") == b""
        with tunnel_to(launcher, echo) as address:
            assert _said(address, b"hello") == b"hello"
            _idle(launcher)


def test_connection_that_its_client_left_open_ends_with_the_tunnel(
    launcher: AgentLauncher, transport: Counting, echo: TcpAddress
) -> None:
    with launcher.kept(), socket.socket(socket.AF_UNIX) as client:
        with tunnel_to(launcher, echo) as address:
            client.connect(address.path)
            client.sendall(b"hello")
            assert client.recv(5) == b"hello"
        assert len(launcher._idle_relays) == 1
        assert client.recv(1) == b""
    assert transport.started[0].ended()


def test_client_sees_its_end_when_the_agent_is_lost(
    launcher: AgentLauncher, transport: Counting, echo: TcpAddress
) -> None:
    with launcher.kept(), tunnel_to(launcher, echo) as address:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(address.path)
            client.sendall(b"hello")
            assert client.recv(5) == b"hello"
            transport.started[0].close()
            assert client.recv(1) == b""
        assert _said(address, b"hello") == b"hello"
        assert len(transport.started) == 2
