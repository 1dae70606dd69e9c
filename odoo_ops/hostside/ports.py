"""TCP ports on the host."""

import socket
from collections.abc import Callable

from odoo_ops.hostside.channel import Channel


def free_port(channel: Channel) -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


OPERATIONS: dict[str, Callable[..., object]] = {"free_port": free_port}
