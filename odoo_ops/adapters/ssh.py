"""Agents on another machine, by SSH."""

from odoo_ops.adapters.agent import Pipes
from odoo_ops.model.host import SshConnection


class SshTransport:
    """Runs programs on another machine."""

    def __init__(self, connection: SshConnection) -> None:
        self._connection = connection

    def start(self, argv: tuple[str, ...]) -> Pipes:
        """Start a program."""
        raise NotImplementedError
