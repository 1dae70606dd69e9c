"""What administrators set of a database itself, by psycopg: parameters, rights, a limit of connections.

No dump holds it and no copy of a database has it (CREATE DATABASE … TEMPLATE leaves it out): it stays with the name.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from odoo_ops.adapters.database import Connection, last_line
from odoo_ops.errors import PreconditionFailed

_RIGHTS = {"CONNECT": sql.SQL("CONNECT"), "CREATE": sql.SQL("CREATE"), "TEMPORARY": sql.SQL("TEMPORARY")}
_PARAMETERS = """
    SELECT rolname, split_part(setting, '=', 1), substring(setting FROM position('=' IN setting) + 1)
    FROM pg_database d
    JOIN pg_db_role_setting ON setdatabase = d.oid
    CROSS JOIN unnest(setconfig) setting
    LEFT JOIN pg_roles r ON r.oid = setrole
    WHERE datname = %s
"""
_GRANTED = """
    SELECT rolname, privilege_type, is_grantable
    FROM pg_database
    CROSS JOIN aclexplode(coalesce(datacl, acldefault('d', datdba)))
    LEFT JOIN pg_roles r ON r.oid = grantee
    WHERE datname = %s AND grantee <> datdba
"""


@dataclass(frozen=True)
class _Properties:
    """Parameters by role and name, where no role is every role; rights as (role, right, may be passed on)."""

    limit: int
    parameters: dict[tuple[str | None, str], str]
    rights: frozenset[tuple[str | None, str, bool]]


def _read(connection: Connection, name: str) -> _Properties:
    found = connection.execute("SELECT datconnlimit FROM pg_database WHERE datname = %s", [name])
    ((limit,),) = found.fetchall()
    parameters = connection.execute(_PARAMETERS, [name]).fetchall()
    return _Properties(
        limit=limit,
        parameters={(role, parameter): value for role, parameter, value in parameters},
        rights=frozenset(connection.execute(_GRANTED, [name]).fetchall()),
    )


def carry_over(connection: Connection, source: str, target: str) -> None:
    """Give a database what was set of another one. Needs a transaction; without a difference nothing is done.

    Raises PreconditionFailed for what this role may not set.
    """
    there, here = _read(connection, source), _read(connection, target)
    try:
        if there.limit != here.limit:
            connection.execute(
                sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(sql.Identifier(target), there.limit)
            )
        for role, right, _ in here.rights - there.rights:
            words = sql.SQL("REVOKE {} ON DATABASE {} FROM {}")
            connection.execute(words.format(_RIGHTS[right], sql.Identifier(target), _grantee(role)))
        for role, right, passed_on in there.rights - here.rights:
            words = sql.SQL("GRANT {} ON DATABASE {} TO {}" + " WITH GRANT OPTION" * passed_on)
            connection.execute(words.format(_RIGHTS[right], sql.Identifier(target), _grantee(role)))
        for role, parameter in here.parameters.keys() - there.parameters.keys():
            connection.execute(_alter(role, target) + sql.SQL("RESET {}").format(_parameter(parameter)))
        for (role, parameter), value in there.parameters.items() - here.parameters.items():
            # from the session's own value, for PostgreSQL knows alone whether a value is a list
            connection.execute("SELECT set_config(%s, %s, true)", [parameter, value])
            connection.execute(_alter(role, target) + sql.SQL("SET {} FROM CURRENT").format(_parameter(parameter)))
    except psycopg.Error as error:
        raise PreconditionFailed(
            f"What was set of the database (ALTER DATABASE, GRANT) cannot be set of the one that takes its place: "
            f"{last_line(error)}. Nothing was put in place. Next step: set admin_user in the environment file to a "
            "role that may, register it again, and run again."
        ) from error


def _grantee(role: str | None) -> sql.Composable:
    return sql.SQL("PUBLIC") if role is None else sql.Identifier(role)


def _alter(role: str | None, database: str) -> sql.Composed:
    if role is None:
        return sql.SQL("ALTER DATABASE {} ").format(sql.Identifier(database))
    return sql.SQL("ALTER ROLE {} IN DATABASE {} ").format(sql.Identifier(role), sql.Identifier(database))


def _parameter(name: str) -> sql.Identifier:
    return sql.Identifier(*name.split("."))  # an extension's has two parts
