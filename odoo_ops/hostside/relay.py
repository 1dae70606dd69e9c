"""Carries bytes between the worker and a socket on the host (PostgreSQL, Odoo), as the agent's user.

So a Unix socket with peer authentication works from a worker on another machine. While a connection is carried, stdin
and stdout hold frames: four bytes with a length, the most significant first, and so many bytes of the connection. An
empty frame says that its sender has no more; when both sides have said so, the next request may come.
"""

import contextlib
import json
import os
import socket
import struct
import sys
import threading
from typing import IO, Any

from odoo_ops.hostside.channel import Channel

_LENGTH = struct.Struct("!I")
_LARGEST_BYTES = 65536


def write_frame(stream: IO[bytes], data: bytes) -> None:
    """Send bytes of the connection; none: there are no more. Raises OSError when nobody reads them."""
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes:
    """Bytes of the connection; none: there are no more. Raises EOFError when the sender has gone, or sends no frame."""
    header = stream.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(header)
    if length > _LARGEST_BYTES:
        raise EOFError
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def serve(channel: Channel, request: dict[str, Any]) -> None:
    """Carry the connection that a request names, then those that the next ones name, until the worker goes away.

    One that cannot be made is reported as an error, and is the last.
    """
    line = b"\n"
    while line:
        try:
            connection = _connected(**request["arguments"])
        except OSError as error:
            message = f"cannot connect to {request['arguments']['address']}: {error}"
            channel.send("error", kind="TransientError", message=message, details={})
            return
        channel.send("ready")
        with connection:
            _carry(connection)
        if line := sys.stdin.buffer.readline():
            request = json.loads(line)


def _connected(address: str | list[Any]) -> socket.socket:
    """A connection to [host, port] or a Unix socket's path."""
    if isinstance(address, str):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(address)
    else:
        connection = socket.create_connection(tuple(address), timeout=15)
        connection.settimeout(None)
        # firewalls forget a connection that is silent for minutes, and a machine that vanished says nothing
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4)):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
    return connection


def _carry(connection: socket.socket) -> None:
    sender = threading.Thread(target=_to_socket, args=(connection,), daemon=True)
    sender.start()
    while data := _received(connection):
        write_frame(sys.stdout.buffer, data)
    write_frame(sys.stdout.buffer, b"")
    sender.join()


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(_LARGEST_BYTES)
    except OSError:  # the other side has reset it, or is not reached any more
        return b""


def _to_socket(connection: socket.socket) -> None:
    there = True
    while data := _from_worker():  # to the end in any case: the next request comes behind it
        there = there and _sent(connection, data)
    with contextlib.suppress(OSError):  # it was reset
        connection.shutdown(socket.SHUT_RDWR)


def _sent(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except OSError:  # the other side has gone
        return False
    return True


def _from_worker() -> bytes:
    try:
        return read_frame(sys.stdin.buffer)
    except EOFError:
        os._exit(0)  # the worker has gone, and nobody waits for the connection
