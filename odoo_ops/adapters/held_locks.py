"""Locks that are held on a host, and what is said of one that is taken or lost."""

from collections.abc import Mapping

from odoo_ops.adapters.agent import Agent
from odoo_ops.errors import PermanentError, TransientError


class LockLost(PermanentError):
    """The environment's lock is no longer held: nothing more may be changed."""


class HeldLock:
    """A lock on a host, held by an agent there."""

    def __init__(self, agent: Agent, path: str) -> None:
        self._agent = agent
        self._path = path

    def check(self) -> None:
        """Make sure the lock is still held, before a destructive step. Raises LockLost."""
        try:
            self._agent.ping()
        except TransientError as error:
            raise LockLost(
                f"The lock {self._path} was lost ({error}). Nothing more was changed. "
                "Next step: look at the host, then run the flow again; it settles what was left."
            ) from error


def locked_message(path: str, host: str, owner: Mapping[str, str]) -> str:
    """Who holds the lock file `path` on a host, and what to do."""
    who = (
        f"{owner['holder']} holds it since {owner['since']} for: {owner['purpose']}"
        if owner
        else "it was taken a moment ago"
    )
    return (
        f"The environment is locked by {path} on {host}: {who}. No data was changed. "
        "Next step: wait until that run has ended, or cancel it; the lock goes with it. Where the machine of its "
        "worker is gone, it goes within twenty minutes."
    )
