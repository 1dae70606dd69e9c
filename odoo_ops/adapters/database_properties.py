"""What administrators set of a database itself, by psycopg: parameters, rights, a limit of connections.

No dump holds it and no copy of a database has it (CREATE DATABASE … TEMPLATE leaves it out): it stays with the name.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg import sql

from odoo_ops.adapters.database import Connection, last_line

_RIGHTS = {"CONNECT": sql.SQL("CONNECT"), "CREATE": sql.SQL("CREATE"), "TEMPORARY": sql.SQL("TEMPORARY")}
# those of PostgreSQL itself whose value is a list of names (GUC_LIST_QUOTE in its source): no literal says it
_LISTS = {
    *("local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries"),
    *("temp_tablespaces", "unix_socket_directories"),
}
_PARAMETERS = """
    SELECT rolname, split_part(setting, '=', 1), substring(setting FROM position('=' IN setting) + 1)
    FROM pg_database d
    JOIN pg_db_role_setting ON setdatabase = d.oid
    CROSS JOIN unnest(setconfig) setting
    LEFT JOIN pg_roles r ON r.oid = setrole
    WHERE datname = %s
"""
# an owner has all rights of his own, and may be another one of either database
_GRANTED = """
    SELECT rolname, privilege_type, is_grantable
    FROM pg_database
    CROSS JOIN aclexplode(coalesce(datacl, acldefault('d', datdba)))
    LEFT JOIN pg_roles r ON r.oid = grantee
    WHERE datname = %s AND grantee NOT IN (SELECT datdba FROM pg_database WHERE datname = ANY(%s))
"""


@dataclass(frozen=True)
class _Properties:
    """Parameters by role and name, where no role is every role; rights as (role, right, may be passed on)."""

    limit: int
    parameters: dict[tuple[str | None, str], str]
    rights: frozenset[tuple[str | None, str, bool]]


def _read(connection: Connection, name: str, other: str) -> _Properties:
    found = connection.execute("SELECT datconnlimit FROM pg_database WHERE datname = %s", [name])
    ((limit,),) = found.fetchall()
    parameters = connection.execute(_PARAMETERS, [name]).fetchall()
    return _Properties(
        limit=limit,
        parameters={(role, parameter): value for role, parameter, value in parameters},
        rights=frozenset(connection.execute(_GRANTED, [name, [name, other]]).fetchall()),
    )


def carry_over(connection: Connection, source: str, target: str) -> list[str]:
    """Give a database what was set of another one. Needs a transaction; without a difference nothing is done.

    Returns what could not be set, in words: nobody is kept from his data for it.
    """
    problems = []
    for what, statements in _differences(_read(connection, source, target), _read(connection, target, source), target):
        try:
            with connection.transaction():
                for statement in statements:
                    connection.execute(statement)
        except psycopg.Error as error:
            if connection.closed:
                raise
            problems.append(f"{what}: {_why(error)}")
    return problems


def _why(error: psycopg.Error) -> str:
    """A value that was refused may be a secret: what is said of it holds it."""
    return last_line(error) if isinstance(error, psycopg.errors.InsufficientPrivilege) else type(error).__name__


def _differences(there: _Properties, here: _Properties, target: str) -> Iterator[tuple[str, list[sql.Composed]]]:
    """What is to be set, without its value, and the statements for it; each stands or fails for itself."""
    database = sql.Identifier(target)
    if there.limit != here.limit:
        limit = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(database, there.limit)
        yield f"CONNECTION LIMIT {there.limit}", [limit]
    for role, right, _ in here.rights - there.rights:
        revoke = sql.SQL("REVOKE {} ON DATABASE {} FROM {}").format(_RIGHTS[right], database, _grantee(role))
        yield f"REVOKE {right} FROM {role or 'PUBLIC'}", [revoke]
    for role, right, passed_on in there.rights - here.rights:
        words = sql.SQL("GRANT {} ON DATABASE {} TO {}" + " WITH GRANT OPTION" * passed_on)
        yield f"GRANT {right} TO {role or 'PUBLIC'}", [words.format(_RIGHTS[right], database, _grantee(role))]
    for role, parameter in here.parameters.keys() - there.parameters.keys():
        reset = _alter(role, target) + sql.SQL("RESET {}").format(_parameter(parameter))
        yield f"RESET {_shown(role, parameter)}", [reset]
    for (role, parameter), value in there.parameters.items() - here.parameters.items():
        name = _parameter(parameter)
        if parameter in _LISTS:
            said = sql.SQL("SELECT set_config({}, {}, true)").format(parameter, value)
            statements = [said, _alter(role, target) + sql.SQL("SET {} FROM CURRENT").format(name)]
        else:
            statements = [_alter(role, target) + sql.SQL("SET {} TO {}").format(name, value)]
        yield f"SET {_shown(role, parameter)}", statements


def _shown(role: str | None, parameter: str) -> str:
    return parameter if role is None else f"{parameter} of {role}"


def _grantee(role: str | None) -> sql.Composable:
    return sql.SQL("PUBLIC") if role is None else sql.Identifier(role)


def _alter(role: str | None, database: str) -> sql.Composed:
    if role is None:
        return sql.SQL("ALTER DATABASE {} ").format(sql.Identifier(database))
    return sql.SQL("ALTER ROLE {} IN DATABASE {} ").format(sql.Identifier(role), sql.Identifier(database))


def _parameter(name: str) -> sql.Identifier:
    return sql.Identifier(*name.split("."))  # an extension's has two parts
