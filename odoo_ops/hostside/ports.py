"""TCP ports on the host."""

import errno
import socket
from collections.abc import Callable

from odoo_ops.hostside.channel import Channel, OperationError


def free_port(channel: Channel) -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def taken_ports(channel: Channel, address: str, ports: list[int]) -> list[int]:
    """Those of these ports of an address on which somebody listens.

    Of a port that only root may take, none is taken where nobody answers.
    """
    return [port for port in ports if _is_taken(address, port)]


def _is_taken(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise OperationError(
                    "PreconditionFailed",
                    f"{address} is no address of this host. Nothing was changed. "
                    "Next step: correct `provision.bind` in the environment file.",
                ) from error
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
            if error.errno == errno.EADDRINUSE:
                return True
        else:
            return False
    with socket.socket(family) as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


OPERATIONS: dict[str, Callable[..., object]] = {"free_port": free_port, "taken_ports": taken_ports}
