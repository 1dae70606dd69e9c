"""A lock at the environment itself: flock on a file that says who holds it, since when and why.

The kernel frees it when the agent ends, however it ends.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable
from typing import Any

from odoo_ops.hostside.channel import Channel, OperationError

# so long, at the most, who only looks at a lock holds it
_LOOK_SECONDS = 0.5
_ALIVE_SECONDS = 30.0


def hold_lock(channel: Channel, path: str, owner: dict[str, str]) -> None:
    """Take the lock or fail within a second with its owner; keep it until the worker lets go."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    _take(descriptor)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(owner).encode(), 0)
    channel.send("ready")
    # a worker whose machine vanished says nothing: what is sent to it and never received ends the connection, and this
    while not channel.abandoned.wait(_ALIVE_SECONDS):
        channel.send("alive")


def _take(descriptor: int) -> None:
    deadline = time.monotonic() + _LOOK_SECONDS
    while not _locked(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            raise OperationError("Locked", "locked", owner=_owner(descriptor))
        time.sleep(0.05)


def _locked(descriptor: int, kind: int) -> bool:
    """Take the lock if it is free. Returns whether it was."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_owner(channel: Channel, path: str) -> dict[str, Any] | None:
    """What the holder of a lock wrote about itself; None: nobody holds it. Nothing is changed."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _locked(descriptor, fcntl.LOCK_SH) else _owner(descriptor)
    finally:
        os.close(descriptor)


def _owner(descriptor: int) -> dict[str, Any]:
    text = os.pread(descriptor, 4096, 0).decode("utf-8", "replace")
    try:
        owner: dict[str, Any] = json.loads(text)
    except ValueError:  # the holder is just writing it
        return {}
    return owner


OPERATIONS: dict[str, Callable[..., object]] = {"hold_lock": hold_lock, "lock_owner": lock_owner}
