"""What the host has."""

import os
from collections.abc import Callable

from odoo_ops.hostside.channel import Channel
from odoo_ops.hostside.processors import ALLOWED


def describe_machine(channel: Channel) -> dict[str, int]:
    """Its processors that may be used, and its memory in bytes."""
    return {
        "cores": len(ALLOWED),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


OPERATIONS: dict[str, Callable[..., object]] = {"describe_machine": describe_machine}
