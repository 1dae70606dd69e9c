"""Where a server listens."""

from odoo_ops.model.base import Value


class TcpAddress(Value):
    """A TCP port."""

    host: str
    port: int


class UnixAddress(Value):
    """A Unix domain socket."""

    path: str


Address = TcpAddress | UnixAddress
