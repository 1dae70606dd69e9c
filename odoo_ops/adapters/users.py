"""Agents that run as another user of a host than the one who logs in there."""

from odoo_ops.adapters.agent import Pipes, Transport


class AsUser:
    """A transport whose programs run as another user there."""

    def __init__(self, transport: Transport, user: str) -> None:
        self._transport = transport
        self._user = user

    def start(self, argv: tuple[str, ...]) -> Pipes:
        """Start a program as that user. Raises as the transport does."""
        return self._transport.start(("sudo", "-n", "-u", self._user, "--", *argv))


class BelowRoot:
    """A transport of root whose programs run as another user: with that user's groups, and root's variables gone.

    Attributes:
        user: name of the other user.
    """

    def __init__(self, transport: Transport, user: str) -> None:
        self.user = user
        self._transport = transport

    def start(self, argv: tuple[str, ...]) -> Pipes:
        """Start a program as that user. Raises as the transport does."""
        # setpriv alone would still find the program by root's rights
        becoming = ("runuser", "-u", self.user, "--", "setpriv", "--reset-env", "--")
        return self._transport.start((*becoming, *argv))
