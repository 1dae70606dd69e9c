"""Ports of this machine, for servers that listen on 127.0.0.1 alone."""

import fcntl
import functools
import os
import secrets
import socket
import tempfile
from pathlib import Path
from typing import BinaryIO

_PORTS = range(20000, 32000)  # below the ports that outgoing connections take
_given: set[int] = set()


def is_free(port: int) -> bool:
    """Whether nothing listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def free_port() -> int:
    """A port on which nothing listens, and that this user's other processes are not given while this one lives."""
    while True:
        port = secrets.choice(_PORTS)
        if port not in _given and is_free(port) and reserve(port):
            _given.add(port)
            return port


def reserve(port: int) -> bool:
    """Keep a port from this user's other processes for as long as this one lives; False: another one has it.

    What it is for may listen on it much later, such as a container that is yet to be made.
    """
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@functools.cache
def _reservations() -> BinaryIO:
    """A file of which a process locks the byte of each of its ports. It is never closed: that would let go of all."""
    return Path(tempfile.gettempdir(), f"odoo-ops-ports-{os.getuid()}").open("ab")
