"""Odoo as its users reach it, through the proxy: the certificate that they are shown, and the way of websockets."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Origin

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import TransientError, VerificationFailed
from odoo_ops.model.health import Certificate
from odoo_ops.model.sockets import TcpAddress, UnixAddress

_ANSWER_SECONDS = 20
_UPGRADE_SECONDS = 90  # for its first websocket an Odoo that was started just now loads all modules
_CLOSE_SECONDS = 10
_PORTS = {"http": 80, "https": 443}


class PublicSite:
    """The address under which users know an Odoo, reached as its host reaches it.

    Args:
        host: from there the address is reached.
        url: the address.
        authority: certificates (PEM) of the authority that signed its certificate, or that itself; None: those of this
            machine.
        server: where the host finds the proxy; None: where the address leads.
    """

    def __init__(self, host: HostAdapter, url: str, authority: str | None, *, server: TcpAddress | None = None) -> None:
        parts = urlsplit(url)
        self._host = host
        self.url = url.rstrip("/")
        self._name = parts.hostname or ""
        self._target = server or TcpAddress(host=self._name, port=parts.port or _PORTS[parts.scheme])
        self._authority = authority

    @property
    def has_certificate(self) -> bool:
        """Whether users come by HTTPS."""
        return self.url.startswith("https:")

    def read_certificate(self) -> Certificate:
        """The certificate, which is trusted and of the right name.

        Raises VerificationFailed for any other, and TransientError when nobody answers.
        """
        with self._connected() as plain:
            try:
                with self._tls().wrap_socket(plain, server_hostname=self._name) as secured:
                    ends = ssl.cert_time_to_seconds(str((secured.getpeercert() or {})["notAfter"]))
            except ssl.SSLCertVerificationError as error:
                raise VerificationFailed(
                    f"The certificate of {self.url} is refused: {error.verify_message.rstrip('.')}. Next step: renew "
                    "it or complete its chain at the proxy; name an authority of your own as `odoo.public_ca`."
                ) from error
        return Certificate(ends_at=datetime.fromtimestamp(ends, UTC))

    def upgrades_to_websocket(self, database: str) -> bool:
        """Upgrade a connection to a websocket of Odoo, as a browser does, have a ping answered, and close it again.

        Args:
            database: it is asked for by name, in case the server has several.

        Returns:
            True.

        Raises:
            VerificationFailed: it was not upgraded, or nobody answers there.
            TransientError: nobody answers.
        """
        with self._connected() as plain:
            try:
                answered = asyncio.run(self._ping(plain, database))
            except (InvalidHandshake, ConnectionClosed) as error:
                raise VerificationFailed(f"{self.url}/websocket is not upgraded: {_answered(error)}.") from error
        if not answered:
            raise VerificationFailed(f"{self.url}/websocket was upgraded, but nobody there answers a ping.")
        return True

    async def _ping(self, plain: socket.socket, database: str) -> bool:
        """Upgrade a connection, and tell whether a ping is answered.

        In one thread: the client without asyncio reads a connection in one and writes it in another, at which TLS may
        see an end that is none (python-websockets/websockets, issue 1648).
        """
        options: dict[str, Any] = {"ssl": self._tls(), "server_hostname": self._name} if self.has_certificate else {}
        upgrade = _Upgrade(
            uri=f"ws{self.url.removeprefix('http')}/websocket",
            sock=plain,
            origin=Origin(self.url),
            additional_headers={"X-Odoo-Database": database},
            user_agent_header=None,  # a browser would have to know which version of the client Odoo wants
            open_timeout=_UPGRADE_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            **options,
        )
        async with upgrade as websocket:
            # Odoo's answer to the close is none to go by: nginx may drop it, as Odoo ends the connection at once
            with suppress(ConnectionClosed, TimeoutError):
                await asyncio.wait_for(await websocket.ping(), _ANSWER_SECONDS)
                return True
        return False

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        """A connection to the proxy. Raises TransientError for all that goes wrong with it while the block lasts."""
        try:
            with self._host.tunnel(self._target) as address, connection_to(address) as plain:
                yield plain
        except OSError as error:
            raise TransientError(
                f"Nobody answers at {self.url}, as {self._host.name} sees it: {str(error) or type(error).__name__}."
            ) from error

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self._authority)
        if self._authority:  # what was named is trusted, whether it signed itself or not
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context


class _Upgrade(connect):
    """An upgrade that follows nobody elsewhere."""

    def process_redirect(self, exc: Exception) -> Exception:
        """Leave the answer as it is."""
        return exc


def connection_to(address: TcpAddress | UnixAddress) -> socket.socket:
    """A connection to an address, which gives up when nobody answers for a while. Raises OSError."""
    if isinstance(address, TcpAddress):
        return socket.create_connection((address.host, address.port), timeout=_ANSWER_SECONDS)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_ANSWER_SECONDS)
    connection.connect(address.path)
    return connection


def _answered(error: InvalidHandshake | ConnectionClosed) -> str:
    if isinstance(error, InvalidStatus):
        return f"status {error.response.status_code} instead of 101"
    return str(error)
