"""What the host has."""

import os
import pwd
from collections.abc import Callable

from odoo_ops.hostside.channel import Channel, OperationError
from odoo_ops.hostside.processors import ALLOWED


def describe_machine(channel: Channel) -> dict[str, int]:
    """Its processors that may be used, and its memory in bytes."""
    return {
        "cores": len(ALLOWED),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def user_below_root(channel: Channel, owner_of: str | None) -> str | None:
    """As whom foreign code is run where agents are root: the user who owns a path, without one `nobody`.

    None: agents are no root here, or root owns the path, or nothing is there yet.
    """
    if os.geteuid() != 0:
        return None
    if owner_of is None:
        return "nobody"
    uid = os.stat(owner_of).st_uid if os.path.exists(owner_of) else 0
    try:
        return pwd.getpwuid(uid).pw_name if uid else None
    except KeyError as error:
        raise OperationError("PreconditionFailed", f"{owner_of} belongs to {uid}, which is no user") from error


OPERATIONS: dict[str, Callable[..., object]] = {
    "describe_machine": describe_machine,
    "user_below_root": user_below_root,
}
