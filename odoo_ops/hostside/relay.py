"""Carries bytes between the worker and a socket on the host (PostgreSQL, Odoo), as the agent's user.

So a Unix socket with peer authentication works from a worker on another machine.
"""

import os
import socket
import sys
import threading
from typing import Any

from odoo_ops.hostside.channel import Channel


def relay(channel: Channel, address: str | list[Any]) -> None:
    """Connect to [host, port] or a Unix socket's path, then carry bytes until one side ends."""
    try:
        if isinstance(address, str):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(address)
        else:
            connection = socket.create_connection(tuple(address), timeout=15)
            connection.settimeout(None)
    except OSError as error:
        channel.send("error", kind="TransientError", message=f"cannot connect to {address}: {error}", details={})
        return
    channel.send("ready")
    threading.Thread(target=_to_socket, args=(connection,), daemon=True).start()
    while data := connection.recv(65536):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    os._exit(0)


def _to_socket(connection: socket.socket) -> None:
    while data := os.read(sys.stdin.fileno(), 65536):
        connection.sendall(data)
    os._exit(0)
