"""PostgreSQL by psycopg: a connection, and what holds while it is open. Bulk data never comes this way."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import OdooOpsError, PermanentError, PreconditionFailed, TransientError
from odoo_ops.model.environment import DatabaseSettings
from odoo_ops.model.sockets import Address, TcpAddress, UnixAddress

Connection = psycopg.Connection[tuple[Any, ...]]

# a session waits in its transaction while pg_dump and restic work
_NO_TIMEOUTS = "-c idle_in_transaction_session_timeout=0 -c statement_timeout=0"


def server_address(database: DatabaseSettings) -> Address:
    """Where the environment's PostgreSQL listens, as its host sees it."""
    if database.server.startswith("/"):
        return UnixAddress(path=f"{database.server}/.s.PGSQL.{database.port}")
    return TcpAddress(host=database.server, port=database.port)


@contextmanager
def connect(
    host: HostAdapter,
    database: DatabaseSettings,
    name: str | None = None,
    *,
    admin: bool = False,
    autocommit: bool = False,
) -> Iterator[Connection]:
    """A connection to the database, or to another one of its server.

    As its role, or (`admin`) as the superuser where the environment names one.

    Commits at the end. Raises PreconditionFailed (wrong password, no such database, no room for locks, a full disk),
    TransientError (no answer, or the connection was lost) and PermanentError (another statement that failed): none of
    psycopg's errors leaves the block, so whoever settles what was begun sees them all.
    """
    user, password = database.user, database.password
    if admin and database.admin_user:
        user, password = database.admin_user, database.admin_password
    shown = f"database {name or database.name!r} at {database.server}:{database.port} on {host.name} as {user}"
    with host.tunnel(server_address(database)) as address:
        try:
            connection = psycopg.connect(
                **_location(address),
                dbname=name or database.name,
                user=user,
                password=password.get_secret_value() if password else None,
                connect_timeout=15,
                # firewalls forget a connection that is silent for minutes, as one is while restic stores
                keepalives_idle=60,
                keepalives_interval=15,
                keepalives_count=4,
                autocommit=autocommit,
                options=_NO_TIMEOUTS,
                client_encoding="utf-8",  # a cluster made without a locale would give bytes for text
                application_name="odoo-ops",
            )
        except psycopg.OperationalError as error:
            raise _connect_error(shown, error) from None
        try:
            with connection:
                yield connection
        except psycopg.Error as error:
            raise _error_of_use(shown, error, lost=connection.broken) from error


def last_line(error: psycopg.Error) -> str:
    """What PostgreSQL said at last, without its empty lines."""
    return str(error).strip().splitlines()[-1].strip()


def _location(address: Address) -> dict[str, Any]:
    match address:
        case TcpAddress():
            return {"host": address.host, "port": address.port}
        case UnixAddress():
            folder, _slash, name = address.path.rpartition("/")
            return {"host": folder, "port": int(name.rpartition(".")[2])}


def _connect_error(shown: str, error: psycopg.OperationalError) -> Exception:
    reason = last_line(error)
    if "Peer authentication failed" in reason:
        return PreconditionFailed(
            f"Cannot open {shown}: {reason}. Nothing was changed. Next step: by its socket PostgreSQL lets only the "
            "system's user of that name in. Set `server: 127.0.0.1` and a password in the environment file."
        )
    if "authentication failed" in reason:
        return PreconditionFailed(
            f"Cannot open {shown}: {reason}. Nothing was changed. "
            "Next step: correct the user or password in the environment file and register it again."
        )
    if "not currently accepting connections" in reason:
        return PreconditionFailed(
            f"Cannot open {shown}: {reason}. A run that died while it put another database in its place, or somebody, "
            "shut it. Nothing was changed. Next step: run `restart`, which settles what a run left."
        )
    if "does not exist" in reason:
        return PreconditionFailed(
            f"Cannot open {shown}: {reason}. Nothing was changed. Next step: correct `database` in the environment "
            "file; if the database was lost, run `restore`."
        )
    return TransientError(
        f"Cannot open {shown}: {reason}. Next step: see that PostgreSQL runs and that the address is right."
    )


def _error_of_use(shown: str, error: psycopg.Error, *, lost: bool) -> OdooOpsError:
    if isinstance(error, psycopg.errors.OutOfMemory):
        return PreconditionFailed(
            f"{shown}: {error.diag.message_primary} ({error.diag.message_hint}). "
            "Nothing was put in place. Next step: each table takes locks; raise PostgreSQL's "
            "max_locks_per_transaction (256 did for 10,000 tables), restart it, then run the flow again."
        )
    if lost:
        return TransientError(
            f"The connection to {shown} was lost: {last_line(error)}. Next step: see that PostgreSQL runs "
            "(its log tells why the session ended), then run the flow again; it settles what was left."
        )
    said = error.diag.message_primary or last_line(error)  # what comes after it may quote values
    if isinstance(error, psycopg.errors.DiskFull):
        return PreconditionFailed(
            f"{shown}: {said}. Next step: make room on the disk of PostgreSQL's data (and of its WAL), or enlarge it, "
            "then run the flow again; it settles what was left."
        )
    return PermanentError(
        f"{shown}: {said}. Next step: see in PostgreSQL's log which statement failed, then run the flow again; it "
        "settles what was left."
    )


@contextmanager
def collector_held_off(connection: Connection) -> Iterator[None]:
    """Keep Odoo's garbage collector from deleting attachments' files; writers go on.

    The collector takes ir_attachment in SHARE mode (`ir.attachment._gc_file_store`) and gives up after ten
    seconds when it cannot have it; ROW EXCLUSIVE conflicts with that and with no ordinary write.
    The transaction has no snapshot, so it does not hold vacuum back.
    """
    connection.execute("LOCK TABLE ir_attachment IN ROW EXCLUSIVE MODE")
    yield
    connection.rollback()  # after an error `connect` does it: here a lost connection would hide that error


@contextmanager
def actions_held_off(connection: Connection) -> Iterator[None]:
    """Keep Odoo from beginning scheduled actions; people go on, and an action that is at work does.

    Odoo locks an action's row before it runs it, and passes over one that is locked (`ir.cron._acquire_one_job`). One
    that is not active is left to whoever switches it on: Odoo lets that be where its row is locked, and says nothing.
    Where the session is ended meanwhile, as before a database is renamed, they are held off until then; at the latest
    for half an hour where the worker's machine is lost. Raises TransientError when PostgreSQL refuses.
    """
    try:
        connection.execute("SET LOCAL lock_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '30min'")
        connection.execute("SELECT id FROM ir_cron WHERE active FOR NO KEY UPDATE SKIP LOCKED")
    except psycopg.Error as error:
        raise TransientError(f"Scheduled actions cannot be held off: {last_line(error)}") from error
    yield
    with suppress(psycopg.Error):
        connection.rollback()


@contextmanager
def exported_snapshot(connection: Connection) -> Iterator[str]:
    """One consistent view of the database, which other sessions join by the id given."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    ((snapshot,),) = connection.execute("SELECT pg_export_snapshot()").fetchall()
    yield str(snapshot)
    connection.rollback()
