"""Agents on another machine, by SSH: key only, and only where the host key is the known one.

Nothing of the worker's own SSH setup counts: no ~/.ssh, no ssh-agent, no configuration file of Fabric.
"""

import contextlib
import io
import socket
import threading
import weakref
from collections.abc import Iterator
from typing import NoReturn

import fabric
from paramiko import (
    AuthenticationException,
    BadHostKeyException,
    Channel,
    ECDSAKey,
    Ed25519Key,
    HostKeys,
    PasswordRequiredException,
    PKey,
    RejectPolicy,
    RSAKey,
    SSHClient,
    SSHConfig,
    SSHException,
    Transport,
)
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey
from paramiko.ssh_exception import ChannelException, IncompatiblePeer
from pydantic import SecretStr

from odoo_ops.adapters.agent import Pipes, quote
from odoo_ops.adapters.ssh_channel import BROKEN, ChannelPipes
from odoo_ops.errors import PreconditionFailed, Refused, TransientError
from odoo_ops.model.host import SshConnection

_KEEPALIVE_SECONDS = 15
_UNANSWERED_MILLISECONDS = 60_000
_SSH_PORT = 22


class _RefuseUnknown(RejectPolicy):
    """Refuses a machine of which no host key is known, and says which key it offered."""

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> NoReturn:  # noqa: ARG002
        raise Refused(
            f"The host key of {hostname} is not known: it offers {_shown(key)}, and known_hosts holds no key "
            f"for {hostname}. Nothing was sent. {_VERIFY}"
        )


_VERIFY = (
    "Next step: verify this fingerprint with the machine's operator, then update known_hosts with the output "
    "of `ssh-keyscan -p <port> <address>`."
)


def _parsed(private_key: SecretStr) -> PKey | None:
    """The key, or None if it cannot be read. Raises nothing: an error's frame would hold the key in clear."""
    text = "\n".join(private_key.get_secret_value().strip().splitlines()) + "\n"
    for kind in (Ed25519Key, ECDSAKey, RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text))
        except PasswordRequiredException:
            break
        except Exception:  # noqa: BLE001, S112 - parsers fail in many ways, and may quote what they read
            continue
    return None


class SshTransport:
    """Runs programs on another machine.

    One SSH connection serves all programs; another one is opened only while the server refuses more
    sessions on those that are open (its MaxSessions).
    """

    def __init__(self, connection: SshConnection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._open: list[fabric.Connection] = []
        weakref.finalize(self, _close_all, self._open)

    def start(self, argv: tuple[str, ...]) -> Pipes:
        """Start a program.

        Raises:
            Refused: the host key is unknown or has changed.
            PreconditionFailed: the private key cannot be read, or the machine does not accept it.
            TransientError: the machine does not answer, or the connection was lost.
        """
        with self._lock:
            channel = self._session()
        try:
            channel.exec_command(quote(argv))
        except BROKEN as error:
            channel.close()
            raise TransientError(f"{self._where()} did not start a program: {error or 'it hung up'}.") from error
        return ChannelPipes(channel, self)

    def _session(self) -> Channel:
        for connection in list(self._open):
            try:
                return self._session_on(connection)
            except ChannelException:
                continue  # as many sessions as the server allows on one connection
            except BROKEN:
                connection.close()
                self._open.remove(connection)
        connection = self._connect()
        self._open.append(connection)
        try:
            return self._session_on(connection)
        except BROKEN as error:
            connection.close()
            self._open.remove(connection)
            raise TransientError(f"{self._where()} opened no session: {error or 'it hung up'}.") from error

    def _session_on(self, connection: fabric.Connection) -> Channel:
        transport: Transport | None = connection.client.get_transport()
        if transport is None or not transport.is_active():
            raise SSHException("the connection has ended")
        return transport.open_session(timeout=self._connection.connect_timeout_seconds)

    def _connect(self) -> fabric.Connection:
        connection = self._prepared()
        with self._explained():
            try:
                connection.open()
            except BaseException:
                connection.client.close()
                raise
        transport: Transport = connection.client.get_transport()
        transport.set_keepalive(_KEEPALIVE_SECONDS)
        # a keepalive that nobody acknowledges ends the connection
        if isinstance(transport.sock, socket.socket) and hasattr(socket, "TCP_USER_TIMEOUT"):
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNANSWERED_MILLISECONDS)
        return connection

    def _prepared(self) -> fabric.Connection:
        seconds = self._connection.connect_timeout_seconds
        try:
            connection = fabric.Connection(
                self._connection.address,
                user=self._connection.user,
                port=self._connection.port,
                config=fabric.Config(ssh_config=SSHConfig(), lazy=True),
                gateway=False,
                forward_agent=False,
                connect_timeout=seconds,
                connect_kwargs={
                    "pkey": self._private_key(),
                    "look_for_keys": False,
                    "allow_agent": False,
                    "banner_timeout": seconds,
                    "auth_timeout": seconds,
                },
            )
        except ValueError as error:
            raise PreconditionFailed(
                f"{self._connection.address} is not an address: {error}. "
                "Next step: give host name, port and user each in its own field."
            ) from error
        connection.client.set_missing_host_key_policy(_RefuseUnknown())
        self._add_host_keys(connection.client.get_host_keys())
        return connection

    def _private_key(self) -> PKey:
        key = _parsed(self._connection.private_key)
        if key is None:
            raise PreconditionFailed(
                f"The private key for {self._where()} cannot be read. Next step: give an ed25519, ecdsa or rsa key "
                "without a passphrase in OpenSSH format, from its BEGIN line to its END line."
            )
        return key

    def _add_host_keys(self, known: HostKeys) -> None:
        for number, line in enumerate(self._connection.known_hosts.splitlines(), 1):
            fields = line.split()
            if not fields or fields[0].startswith("#"):
                continue
            if fields[0].startswith("@"):
                raise PreconditionFailed(
                    f"Line {number} of known_hosts for {self._where()} begins with {fields[0]}, which is not "
                    "supported. Next step: leave only lines as `ssh-keyscan` prints them."
                )
            try:
                entry = HostKeyEntry.from_line(" ".join(fields), number)
                if entry is not None:
                    for name in entry.hostnames or ():
                        known.add(name, entry.key.get_name(), entry.key)
                known.lookup(self._name())  # a hashed name that cannot be read shows here
            except (InvalidHostKey, SSHException, ValueError, AssertionError, IndexError) as error:
                raise PreconditionFailed(
                    f"Line {number} of known_hosts for {self._where()} cannot be read. "
                    "Next step: paste the line again as `ssh-keyscan` prints it."
                ) from error

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise what goes wrong while connecting as one of our own errors."""
        try:
            yield
        except BadHostKeyException as error:
            raise Refused(
                f"The host key of {self._name()} has changed: it offers {_shown(error.key)}, and known_hosts "
                f"expects {_shown(error.expected_key)}. Either the machine was installed anew, or another one "
                f"answers in its place. Nothing was sent. {_VERIFY}"
            ) from error
        except AuthenticationException as error:
            if "timeout" in str(error).lower() or "eof" in str(error).lower():
                raise TransientError(f"{self._where()} hung up during the login: {error}") from error
            raise PreconditionFailed(
                f"{self._where()} did not accept the private key ({error}). Next step: make sure that its public "
                f"key stands in ~{self._connection.user}/.ssh/authorized_keys there, and that the user is right."
            ) from error
        except IncompatiblePeer as error:
            raise PreconditionFailed(
                f"{self._where()} has no algorithm in common with this program: {error}. "
                "Next step: update the SSH server there."
            ) from error
        except BROKEN as error:
            raise TransientError(f"{self._where()} did not answer: {error or 'it hung up'}.") from error

    def _where(self) -> str:
        return f"{self._connection.user}@{self._connection.address}:{self._connection.port}"

    def _name(self) -> str:
        """The machine's name in known_hosts."""
        address, port = self._connection.address, self._connection.port
        return address if port == _SSH_PORT else f"[{address}]:{port}"


def _shown(key: PKey) -> str:
    return f"{key.get_name()} {key.fingerprint}"


def _close_all(connections: list[fabric.Connection]) -> None:
    for connection in connections:
        connection.close()
