"""What an Odoo database holds, by psycopg: the facts that a manifest compares, sizes, versions. Nothing is changed."""

import hashlib
from collections.abc import Callable

import psycopg
from psycopg import sql

from odoo_ops.adapters.database import Connection
from odoo_ops.model.manifest import Facts, Sequence

_TABLES_PER_QUERY = 200
_WAIT = "10s"

INVENTORY = """
SELECT json_build_object('id', id, 'fname', store_fname, 'checksum', checksum, 'size', file_size,
                         'model', res_model, 'record', res_id, 'field', res_field)
FROM ir_attachment WHERE store_fname IS NOT NULL AND store_fname <> '' ORDER BY id
"""


def read_facts(connection: Connection) -> Facts:
    """Read everything that a manifest compares, in the connection's current transaction."""
    return Facts(
        rows=_row_counts(connection),
        sequences=read_sequences(connection),
        extensions=dict(connection.execute("SELECT extname, extversion FROM pg_extension ORDER BY 1").fetchall()),
        unaccent_immutable=_unaccent_immutable(connection),
        unaccent_indexes=tuple(
            name
            for (name,) in connection.execute(
                "SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%unaccent(%' ORDER BY 1"
            ).fetchall()
        ),
        modules=dict(
            connection.execute(
                "SELECT name, coalesce(latest_version, '') FROM ir_module_module"
                " WHERE state IN ('installed', 'to upgrade', 'to remove') ORDER BY 1"
            ).fetchall()
        ),
        users_sha256=read_users_digest(connection),
        database_uuid=read_database_uuid(connection),
    )


def read_sequences(connection: Connection) -> dict[str, Sequence]:
    """State of every sequence now: sequences are part of no snapshot."""
    rows = connection.execute("SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2").fetchall()
    return {f"{schema}.{name}": Sequence(last_value=value) for schema, name, value in rows}


def _list_tables(connection: Connection) -> list[tuple[str, str]]:
    """Schema and name of every table that is dumped with rows."""
    return [
        (schema, table)
        for schema, table in connection.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
            " ORDER BY 1, 2"
        ).fetchall()
    ]


def _row_counts(connection: Connection) -> dict[str, int]:
    tables = _list_tables(connection)
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


def find_odoo_version(connection: Connection, show: Callable[[str], None]) -> str:
    """The version of Odoo as its database tells it; empty for one in which there is no Odoo, or that does not tell.

    `show` is told why it does not: another session has locked its table for long, say, or its role may not read it.
    """
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{_WAIT}'")
            row = connection.execute("SELECT to_regclass('ir_module_module') IS NOT NULL").fetchone()
            return read_odoo_version(connection) if row and row[0] else ""
    except psycopg.Error as error:
        if connection.closed:
            raise
        show(
            f"The series of Odoo in the database {connection.info.dbname!r} is not known, and not compared with the "
            f"named one: {error.diag.message_primary or error}"
        )
        return ""


def read_database_bytes(connection: Connection) -> int:
    """Bytes of the current database on disk."""
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0


def read_table_bytes(connection: Connection) -> dict[str, int]:
    """Bytes of each table, by `schema.table`, and what is stored out of line, without indexes.

    A compressed dump is rarely larger.
    """
    return dict(
        connection.execute(
            "SELECT n.nspname || '.' || c.relname, coalesce(pg_table_size(c.oid), 0)"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
        ).fetchall()
    )


def read_unsettled_modules(connection: Connection) -> list[str]:
    """Modules that an interrupted installation, update or removal left behind."""
    return [
        name
        for (name,) in connection.execute(
            "SELECT name FROM ir_module_module WHERE state LIKE 'to %' ORDER BY 1"
        ).fetchall()
    ]


def read_sample_attachment(connection: Connection) -> tuple[int, str] | None:
    """Id and sha1 of an attachment that an administrator can read: of no record, with content."""
    row = connection.execute(
        "SELECT id, checksum FROM ir_attachment"
        " WHERE store_fname IS NOT NULL AND checksum IS NOT NULL AND file_size > 0 AND type = 'binary'"
        " ORDER BY res_field IS NULL DESC, res_model IS NULL DESC, res_model = 'res.partner' DESC, id DESC LIMIT 1"
    ).fetchone()
    return (row[0], row[1]) if row else None
