"""Ports of this machine, for servers that listen on 127.0.0.1 alone."""

import secrets
import socket

_PORTS = range(20000, 32000)  # below the ports that outgoing connections take


def is_free(port: int) -> bool:
    """Whether nothing listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def free_port() -> int:
    """A port on which nothing listens."""
    while True:
        port = secrets.choice(_PORTS)
        if is_free(port):
            return port
