"""The account that runs a PostgreSQL server: it refuses to run as root.

An ordinary user runs it directly. Root runs it by `setpriv` as the system's `postgres`, or `nobody`. That
account may be unable to enter the folder (a checkout in /root); then one capability helps, the weakest that
does.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from deployments.engines.process import run
from odoo_ops.errors import CommandFailed, PreconditionFailed

_NAMES = ("postgres", "nobody")
_CAPABILITIES = (None, "dac_read_search", "dac_override")


@dataclass(frozen=True)
class ServerAccount:
    """Who a server's files belong to and who runs it."""

    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Give a file or folder to the account."""
        os.chown(path, self.uid, self.gid)

    def prefix(self, folder: Path) -> list[str]:
        """The words before a program's own that make it run as this account, with access to the folder.

        Args:
            folder: an existing folder of the account.

        Raises:
            PreconditionFailed: the account cannot enter the folder, with any capability there is here.
        """
        if self.uid == os.geteuid():
            return []
        for capability in _CAPABILITIES:
            words = setpriv(self.uid, self.gid, capability)
            if _can_read(words, folder):
                return words
        raise PreconditionFailed(
            f"The account {self.uid}, which runs PostgreSQL, cannot enter {folder}. "
            "Next step: move the checkout to a folder that everybody may enter, or run as an ordinary user."
        )


def new_account() -> ServerAccount:
    """The account for a cluster that is about to be made.

    Raises:
        PreconditionFailed: this is root, and the system has no account for a server.
    """
    if os.geteuid():
        return ServerAccount(os.geteuid(), os.getegid())
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in _NAMES:
        if name in known:
            return ServerAccount(known[name].pw_uid, known[name].pw_gid)
    raise PreconditionFailed(
        "PostgreSQL does not run as root, and the system has no account `postgres` or `nobody`. "
        "Next step: run as an ordinary user."
    )


def account_of(folder: Path) -> ServerAccount:
    """The account that a cluster's files belong to.

    Raises:
        PreconditionFailed: it is another user's, and this is not root.
    """
    status = folder.stat()
    if os.geteuid() not in (0, status.st_uid):
        raise PreconditionFailed(
            f"{folder} belongs to the account {status.st_uid}. "
            "Next step: run as that account or as root, or use another folder."
        )
    return ServerAccount(status.st_uid, status.st_gid)


def setpriv(uid: int, gid: int, capability: str | None) -> list[str]:
    """The words that run a program as another account, with at most one of root's powers."""
    identity = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
    powers = [f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"] if capability else []
    return [*identity, *powers]


def _can_read(words: list[str], folder: Path) -> bool:
    try:  # `test -r` would not do: the kernel answers it without regard to capabilities
        run([*words, "ls", folder], working_directory=Path("/"))
    except CommandFailed:
        return False
    return True
