"""PostgreSQL by psycopg: facts, snapshots, databases. Bulk data never comes this way."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import PreconditionFailed, TransientError
from odoo_ops.model.environment import DatabaseSettings
from odoo_ops.model.manifest import Facts, Sequence
from odoo_ops.model.sockets import Address, TcpAddress, UnixAddress

Connection = psycopg.Connection[tuple[Any, ...]]

_TABLES_PER_QUERY = 200

# a session waits in its transaction while pg_dump and restic work
_NO_TIMEOUTS = "-c idle_in_transaction_session_timeout=0 -c statement_timeout=0"
_SWAP_TRIES = 5

INVENTORY = """
SELECT json_build_object('id', id, 'fname', store_fname, 'checksum', checksum, 'size', file_size,
                         'model', res_model, 'record', res_id, 'field', res_field)
FROM ir_attachment WHERE store_fname IS NOT NULL AND store_fname <> '' ORDER BY id
"""


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

    Commits at the end. Raises PreconditionFailed (wrong password, no such database, no room for locks) and
    TransientError (no answer, or the connection was lost).
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
                autocommit=autocommit,
                options=_NO_TIMEOUTS,
                application_name="odoo-ops",
            )
        except psycopg.OperationalError as error:
            raise _connect_error(shown, error) from None
        with connection:
            try:
                yield connection
            except psycopg.errors.OutOfMemory as error:
                raise PreconditionFailed(
                    f"{shown}: {error.diag.message_primary} ({error.diag.message_hint}). "
                    "Nothing was put in place. Next step: each table takes locks; raise PostgreSQL's "
                    "max_locks_per_transaction (256 did for 10,000 tables), restart it, then run the flow again."
                ) from error
            except psycopg.OperationalError as error:
                if not connection.closed:
                    raise
                raise TransientError(
                    f"The connection to {shown} was lost: {_last_line(error)}. Next step: see that PostgreSQL runs "
                    "(its log tells why the session ended), then run the flow again; it settles what was left."
                ) from error


def _last_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[-1].strip()


def _location(address: Address) -> dict[str, Any]:
    match address:
        case TcpAddress():
            return {"host": address.host, "port": address.port}
        case UnixAddress():
            folder, _slash, name = address.path.rpartition("/")
            return {"host": folder, "port": int(name.rpartition(".")[2])}


def _connect_error(shown: str, error: psycopg.OperationalError) -> Exception:
    reason = _last_line(error)
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
    if "does not exist" in reason:
        return PreconditionFailed(
            f"Cannot open {shown}: {reason}. Nothing was changed. Next step: correct `database` in the environment "
            "file; if the database was lost, run `restore`."
        )
    return TransientError(
        f"Cannot open {shown}: {reason}. Next step: see that PostgreSQL runs and that the address is right."
    )


def read_facts(connection: Connection) -> Facts:
    """Read everything that a manifest compares, in the connection's current transaction."""
    return Facts(
        rows=_row_counts(connection),
        sequences=read_sequences(connection),
        extensions=dict(_rows(connection, "SELECT extname, extversion FROM pg_extension ORDER BY 1")),
        unaccent_immutable=_unaccent_immutable(connection),
        unaccent_indexes=tuple(
            name
            for (name,) in _rows(
                connection, "SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%unaccent(%' ORDER BY 1"
            )
        ),
        modules=dict(
            _rows(
                connection,
                "SELECT name, coalesce(latest_version, '') FROM ir_module_module"
                " WHERE state IN ('installed', 'to upgrade', 'to remove') ORDER BY 1",
            )
        ),
        users_sha256=read_users_digest(connection),
        database_uuid=read_database_uuid(connection),
    )


def read_sequences(connection: Connection) -> dict[str, Sequence]:
    """State of every sequence now: sequences are part of no snapshot."""
    rows = _rows(connection, "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2")
    return {f"{schema}.{name}": Sequence(last_value=value) for schema, name, value in rows}


def _rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def list_tables(connection: Connection) -> list[tuple[str, str]]:
    """Schema and name of every table that is dumped with rows."""
    return [
        (schema, table)
        for schema, table in _rows(
            connection,
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
            " ORDER BY 1, 2",
        )
    ]


def _row_counts(connection: Connection) -> dict[str, int]:
    tables = list_tables(connection)
    counts: dict[str, int] = {}
    for begin in range(0, len(tables), _TABLES_PER_QUERY):
        part = tables[begin : begin + _TABLES_PER_QUERY]
        union = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {}, count(*) FROM {}").format(f"{schema}.{table}", sql.Identifier(schema, table))
            for schema, table in part
        )
        counts.update(dict(connection.execute(union).fetchall()))
    return dict(sorted(counts.items()))


def _unaccent_immutable(connection: Connection) -> bool | None:
    row = connection.execute(
        "SELECT p.provolatile = 'i' FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'"
        " JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'unaccent'"
        " WHERE p.proname = 'unaccent' AND p.pronargs = 1"
    ).fetchone()
    return row[0] if row else None


def read_users_digest(connection: Connection) -> str:
    """sha256 over logins, active flags and groups of all users."""
    digest = hashlib.sha256()
    query = (
        "SELECT u.id, u.login, u.active, array_agg(r.gid ORDER BY r.gid) FROM res_users u"
        " LEFT JOIN res_groups_users_rel r ON r.uid = u.id GROUP BY 1, 2, 3 ORDER BY 1"
    )
    for row in connection.execute(query):
        digest.update(repr(row).encode())
    return digest.hexdigest()


def read_database_uuid(connection: Connection) -> str | None:
    """Odoo's own identity of a database."""
    row = connection.execute("SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'").fetchone()
    return row[0] if row else None


def read_odoo_version(connection: Connection) -> str:
    """Odoo's version as the installed base module tells it."""
    row = connection.execute("SELECT latest_version FROM ir_module_module WHERE name = 'base'").fetchone()
    return str(row[0]) if row else ""


def read_database_bytes(connection: Connection) -> int:
    """Bytes of the current database on disk."""
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0


def read_table_bytes(connection: Connection) -> int:
    """Bytes of the tables and what is stored out of line, without indexes: a compressed dump is rarely larger."""
    row = connection.execute(
        "SELECT coalesce(sum(pg_table_size(c.oid)), 0) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
    ).fetchone()
    return int(row[0]) if row else 0


def read_unsettled_modules(connection: Connection) -> list[str]:
    """Modules that an interrupted installation, update or removal left behind."""
    return [
        name for (name,) in _rows(connection, "SELECT name FROM ir_module_module WHERE state LIKE 'to %' ORDER BY 1")
    ]


def read_sample_attachment(connection: Connection) -> tuple[int, str] | None:
    """Id and sha1 of an attachment that an administrator can read: of no record, with content."""
    row = connection.execute(
        "SELECT id, checksum FROM ir_attachment"
        " WHERE store_fname IS NOT NULL AND checksum IS NOT NULL AND file_size > 0 AND type = 'binary'"
        " ORDER BY res_field IS NULL DESC, res_model IS NULL DESC, res_model = 'res.partner' DESC, id DESC LIMIT 1"
    ).fetchone()
    return (row[0], row[1]) if row else None


def read_data_directory(connection: Connection) -> str | None:
    """PostgreSQL's folder on its host; None to roles that may not know it."""
    row = connection.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'").fetchone()
    return str(row[0]) if row else None


def read_system_identifier(connection: Connection) -> str:
    """PostgreSQL's own identity of a cluster."""
    row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    return str(row[0]) if row else ""


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
def exported_snapshot(connection: Connection) -> Iterator[str]:
    """One consistent view of the database, which other sessions join by the id given."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    ((snapshot,),) = connection.execute("SELECT pg_export_snapshot()").fetchall()
    yield str(snapshot)
    connection.rollback()


def database_exists(connection: Connection, name: str) -> bool:
    """Whether the server has a database of this name."""
    return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def read_database_marks(connection: Connection) -> dict[str, str]:
    """Databases that carry a comment: name -> comment. Ours are marked so."""
    return dict(
        _rows(
            connection,
            "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database"
            " WHERE shobj_description(oid, 'pg_database') IS NOT NULL",
        )
    )


def create_scratch_database(connection: Connection, name: str, *, owner: str, mark: str) -> None:
    """A new empty database as Odoo makes them, marked as ours and hidden from Odoo. Needs autocommit.

    An Odoo whose configuration pins no `db_name` runs scheduled actions on every database that its role owns,
    templates excepted (`odoo.service.db.list_dbs`). So what is not in its place yet, or no more, is a template.
    """
    connection.execute(
        sql.SQL(
            "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' IS_TEMPLATE true"
        ).format(sql.Identifier(name), sql.Identifier(owner))
    )
    mark_database(connection, name, mark)


def mark_database(connection: Connection, name: str, mark: str) -> None:
    """Say in the database's comment what it is; a rename keeps it."""
    connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(mark)))


def drop_database(connection: Connection, name: str) -> None:
    """Drop a database, a hidden one too, and end its sessions. Needs autocommit.

    A template cannot be dropped. One that allows no connections is hidden from Odoo as well, until it is gone.
    """
    if database_exists(connection, name):
        connection.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false IS_TEMPLATE false").format(sql.Identifier(name))
        )
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _hide(connection: Connection, name: str, *, hidden: bool) -> None:
    """Keep a database out of Odoo's sight, or bring it back (see `create_scratch_database`)."""
    connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE {}").format(sql.Identifier(name), sql.Literal(hidden)))


def prepare_extensions(connection: Connection, names: list[str], *, unaccent: bool) -> None:
    """Make a backup's extensions, many of which only a superuser may make; unaccent IMMUTABLE where it was.

    Odoo's indexes need that, and pg_dump does not carry it. Raises PreconditionFailed for one that is not here.
    """
    try:
        for name in names:
            connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)))
        if unaccent:
            connection.execute("ALTER FUNCTION unaccent(text) IMMUTABLE")
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile) as error:
        raise PreconditionFailed(
            f"An extension of the backup cannot be made: {_last_line(error)}. "
            "Next step: install that extension for this PostgreSQL, then run again."
        ) from error


def list_databases(connection: Connection) -> list[str]:
    """Names of all databases of the server."""
    return [name for (name,) in _rows(connection, "SELECT datname FROM pg_database")]


def swap_databases(connection: Connection, *, scratch: str, target: str, kept: str, kept_mark: str) -> bool:
    """Rename `target` to `kept` and `scratch` to `target`, both or neither. Returns whether there was a target.

    Sessions on both are ended first. Needs autocommit. Raises PreconditionFailed when PostgreSQL refuses, or when
    something keeps coming back between the end of the sessions and the rename; nothing was renamed then.
    """
    for _attempt in range(_SWAP_TRIES):
        try:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = ANY(%s)",
                [[scratch, target]],
            )
            return _rename_both(connection, scratch, target, kept, kept_mark)
        except psycopg.errors.ObjectInUse:
            continue
        except psycopg.Error as error:
            if connection.closed:  # at a commit nobody knows: the journal stays, the next run looks
                raise
            raise PreconditionFailed(
                f"PostgreSQL did not rename {target!r}: {_last_line(error)}. It is as it was. Next step: if a role may "
                "not do that, set admin_user in the environment file and register it again; then run the restore again."
            ) from error
    raise PreconditionFailed(
        f"{target!r} is as it was: new sessions came to it {_SWAP_TRIES} times, so it could not be renamed. "
        "Next step: stop what connects to it (Odoo, a pooler, monitoring), then run the restore again."
    )


def _rename_both(connection: Connection, scratch: str, target: str, kept: str, kept_mark: str) -> bool:
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    replaced = database_exists(connection, target)
    with connection.transaction():
        if replaced:
            connection.execute(rename.format(sql.Identifier(target), sql.Identifier(kept)))
            mark_database(connection, kept, kept_mark)
            _hide(connection, kept, hidden=True)
        connection.execute(rename.format(sql.Identifier(scratch), sql.Identifier(target)))
        _hide(connection, target, hidden=False)
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS NULL").format(sql.Identifier(target)))
    return replaced
