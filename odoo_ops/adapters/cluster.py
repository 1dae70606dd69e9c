"""The databases of one PostgreSQL, by psycopg: made, marked as ours, hidden from Odoo, swapped by rename, dropped."""

import time
from typing import NamedTuple

import psycopg
from psycopg import sql
from pydantic import SecretStr

from odoo_ops.adapters.database import Connection, last_line
from odoo_ops.adapters.database_properties import carry_over
from odoo_ops.errors import PreconditionFailed

_SWAP_TRIES = 5
_STRATEGIES_SINCE = 15
_REFLINKS_SINCE = 18
_END_SECONDS, _LOOK_SECONDS = 10.0, 0.05


def read_data_directory(connection: Connection) -> str | None:
    """PostgreSQL's folder on its host; None to roles that may not know it."""
    row = connection.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'").fetchone()
    return str(row[0]) if row else None


def read_system_identifier(connection: Connection) -> str:
    """PostgreSQL's own identity of a cluster."""
    row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    return str(row[0]) if row else ""


def database_exists(connection: Connection, name: str) -> bool:
    """Whether the server has a database of this name."""
    return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def read_database_bytes(connection: Connection, name: str) -> int | None:
    """Bytes of a database on disk; None where there is none. It need not let anybody in."""
    row = connection.execute("SELECT pg_database_size(oid) FROM pg_database WHERE datname = %s", [name]).fetchone()
    return int(row[0]) if row else None


def list_databases(connection: Connection) -> list[str]:
    """Names of all databases of the server."""
    return [name for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall()]


def read_database_marks(connection: Connection) -> dict[str, str]:
    """Databases that carry a comment: name -> comment. Ours are marked so."""
    return dict(
        connection.execute(
            "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database"
            " WHERE shobj_description(oid, 'pg_database') IS NOT NULL"
        ).fetchall()
    )


def role_exists(connection: Connection, name: str) -> bool:
    """Whether the server has a role of this name."""
    return connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone() is not None


def ensure_role(
    connection: Connection, name: str, password: SecretStr | None, *, makes_databases: bool | None = None
) -> None:
    """Make a role that may log in, or give the one that is there its password.

    `makes_databases`: whether it may; None: a new one may not, and one that is there keeps what it may.
    PostgreSQL is told a SCRAM verifier, never the password: its log may hold statements.
    """
    options: sql.Composable = sql.SQL("LOGIN")
    if makes_databases is not None:
        options += sql.SQL(" CREATEDB" if makes_databases else " NOCREATEDB")
    if password:
        verifier = connection.pgconn.encrypt_password(
            password.get_secret_value().encode(), name.encode(), b"scram-sha-256"
        )
        options += sql.SQL(" PASSWORD {}").format(sql.Literal(verifier.decode()))
    verb = sql.SQL("ALTER" if role_exists(connection, name) else "CREATE")
    connection.execute(sql.SQL("{} ROLE {} {}").format(verb, sql.Identifier(name), options))


def reload_configuration(connection: Connection) -> None:
    """Let PostgreSQL read its configuration file anew.

    Raises PreconditionFailed for a file with mistakes, none of whose settings PostgreSQL would take.
    """
    found = connection.execute(
        "SELECT f.sourcefile, f.sourceline, f.error FROM pg_file_settings f LEFT JOIN pg_settings s USING (name)"
        " WHERE f.error IS NOT NULL AND s.context IS DISTINCT FROM 'postmaster' ORDER BY f.seqno"
    ).fetchall()
    if found:
        mistakes = "; ".join(f"{file}:{line}: {error}" for file, line, error in found)
        raise PreconditionFailed(
            f"PostgreSQL's configuration file has mistakes: {mistakes}. It goes on with the former one. "
            "Next step: correct the environment file, then run again."
        )
    connection.execute("SELECT pg_reload_conf()")


def read_waiting_settings(connection: Connection) -> tuple[str, ...]:
    """Settings of the configuration file that PostgreSQL takes only at its next start."""
    found = connection.execute(
        "SELECT DISTINCT f.name FROM pg_file_settings f JOIN pg_settings s USING (name)"
        " WHERE f.error IS NOT NULL AND s.context = 'postmaster' ORDER BY f.name"
    )
    return tuple(name for (name,) in found.fetchall())


def may_create_databases(connection: Connection) -> bool:
    """Whether the connection's role has that right."""
    found = connection.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
    ((may,),) = found.fetchall()
    return bool(may)


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


def clone_database(connection: Connection, source: str, name: str, *, owner: str, mark: str) -> None:
    """A copy of a database on the same server, marked as ours and hidden from Odoo. Needs autocommit.

    File by file, which is the fast way for all but tiny ones; from PostgreSQL 18 on by reflinks where the file system
    has them (`file_copy_method`). Sessions on the source are ended first: PostgreSQL copies none that is in use.
    Raises PreconditionFailed where it refuses.
    """
    major = connection.info.server_version // 10000
    if major >= _REFLINKS_SINCE:
        connection.execute("SET file_copy_method = clone")
    words = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} IS_TEMPLATE true").format(
        sql.Identifier(name), sql.Identifier(owner), sql.Identifier(source)
    )
    if major >= _STRATEGIES_SINCE:
        words += sql.SQL(" STRATEGY file_copy")
    for attempt in range(1, _SWAP_TRIES + 1):
        try:
            end_sessions(connection, [source])
            connection.execute(words)
            break
        except psycopg.Error as error:
            if isinstance(error, psycopg.errors.ObjectInUse) and attempt < _SWAP_TRIES:
                continue
            if connection.closed or isinstance(error, psycopg.errors.DiskFull):
                raise
            raise PreconditionFailed(
                f"{source!r} cannot be copied: {error.diag.message_primary}. It is as it was. Next step: stop what "
                "connects to it (Odoo, a pooler, monitoring); if a role may not make databases, set admin_user in the "
                "environment file and register it again; then run again."
            ) from error
    mark_database(connection, name, mark)


def end_sessions(connection: Connection, names: list[str], *, but: int = 0) -> None:
    """End all other sessions on databases, `but` that of this process. What they wrote is on record then.

    PostgreSQL's own processes there belong to no role, and only a superuser may end one: a rename does. Their end is
    waited for, ten seconds at the most; before PostgreSQL 14 `pg_terminate_backend` does not wait itself.
    """
    deadline = time.monotonic() + _END_SECONDS
    while time.monotonic() < deadline:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s)"
            " AND usesysid IS NOT NULL AND pid NOT IN (pg_backend_pid(), %s)",
            [names, but],
        )
        if not ended.fetchall():
            return
        time.sleep(_LOOK_SECONDS)
        connection.execute("SELECT pg_stat_clear_snapshot()")  # within a transaction it would see the same for ever


def keep_out(connection: Connection, name: str) -> None:
    """Let nobody into a database any more, who has no session there. Needs autocommit; `let_in` undoes it."""
    connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))


def let_in(connection: Connection, name: str) -> None:
    """Undo `keep_out`, where it was done."""
    if database_exists(connection, name) and not lets_in(connection, name):
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(name)))


def lets_in(connection: Connection, name: str) -> bool:
    """Whether there is a database of this name to which one can connect."""
    found = connection.execute("SELECT datallowconn FROM pg_database WHERE datname = %s", [name]).fetchone()
    return bool(found and found[0])


def mark_database(connection: Connection, name: str, mark: str) -> None:
    """Say in the database's comment what it is; a rename keeps it."""
    connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(mark)))


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
            f"An extension of the backup cannot be made: {last_line(error)}. Nothing was put in place. "
            "Next step: install that extension for this PostgreSQL, then run again."
        ) from error


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


class Swapped(NamedTuple):
    """Whether something was replaced, and what was set of that and cannot be set of what took its place, in words."""

    replaced: bool
    not_set: tuple[str, ...]


def swap_databases(connection: Connection, *, scratch: str, target: str, kept: str, kept_mark: str) -> Swapped:
    """Rename `target`, if it is there, to `kept` and `scratch` to `target`, both or neither.

    What was set of the target (parameters, rights, a limit) is set of what takes its place. Sessions on both are ended
    first. Needs autocommit. Raises PreconditionFailed when PostgreSQL refuses, or when something keeps coming back
    between the end of the sessions and the rename; nothing was renamed then.
    """
    for _attempt in range(_SWAP_TRIES):
        try:
            end_sessions(connection, [scratch, target])
            return _rename_both(connection, scratch, target, kept, kept_mark)
        except psycopg.errors.ObjectInUse:
            continue
        except psycopg.Error as error:
            if connection.closed:  # at a commit nobody knows: the journal stays, the next run looks
                raise
            raise PreconditionFailed(
                f"PostgreSQL did not rename {target!r}: {last_line(error)}. It is as it was. Next step: if a role may "
                "not do that, set admin_user in the environment file and register it again; then run it again."
            ) from error
    raise PreconditionFailed(
        f"{target!r} is as it was: new sessions came to it {_SWAP_TRIES} times, so it could not be renamed. "
        "Next step: stop what connects to it (Odoo, a pooler, monitoring), then run it again."
    )


def _rename_both(connection: Connection, scratch: str, target: str, kept: str, kept_mark: str) -> Swapped:
    rename, not_set = sql.SQL("ALTER DATABASE {} RENAME TO {}"), list[str]()
    replaced = database_exists(connection, target)
    with connection.transaction():
        if replaced:
            connection.execute(rename.format(sql.Identifier(target), sql.Identifier(kept)))
            mark_database(connection, kept, kept_mark)
            _hide(connection, kept, hidden=True)
            let_in(connection, kept)
        connection.execute(rename.format(sql.Identifier(scratch), sql.Identifier(target)))
        _hide(connection, target, hidden=False)
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS NULL").format(sql.Identifier(target)))
        if replaced:
            not_set = carry_over(connection, kept, target)
    return Swapped(replaced, tuple(not_set))
