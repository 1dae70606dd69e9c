"""A lock at the environment itself: flock on a file that says who holds it, since when and why.

The kernel frees it when the agent ends, however it ends.
"""

import fcntl
import json
import os
from collections.abc import Callable
from typing import Any

from odoo_ops.hostside.channel import Channel, OperationError


def hold_lock(channel: Channel, path: str, owner: dict[str, str]) -> None:
    """Take the lock or fail at once with its owner; keep it until the worker lets go."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OperationError("Locked", "locked", owner=_owner(descriptor)) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(owner).encode(), 0)
    channel.send("ready")
    channel.abandoned.wait()


def _owner(descriptor: int) -> dict[str, Any]:
    text = os.pread(descriptor, 4096, 0).decode("utf-8", "replace")
    try:
        owner: dict[str, Any] = json.loads(text)
    except ValueError:  # the holder is just writing it
        return {}
    return owner


OPERATIONS: dict[str, Callable[..., object]] = {"hold_lock": hold_lock}
