"""Databases that are swapped by rename on a real PostgreSQL, and what was set of them."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from deployments.engines.cluster import PostgresCluster
from odoo_ops.adapters import cluster
from odoo_ops.adapters.cluster import Swapped

pytestmark = pytest.mark.postgres

_PROPERTIES = """
    SELECT datconnlimit, ARRAY(
        SELECT coalesce(rolname, '') || ' ' || setting
        FROM pg_db_role_setting s CROSS JOIN unnest(setconfig) setting LEFT JOIN pg_roles r ON r.oid = setrole
        WHERE setdatabase = d.oid ORDER BY 1
    )
    FROM pg_database d WHERE datname = %s
"""


@dataclass(frozen=True)
class Names:
    """Roles and databases of one test: an ERP's role, one that reads reports, and three databases."""

    erp: str
    reporter: str
    target: str
    scratch: str
    kept: str


@pytest.fixture
def admin(postgres_cluster: PostgresCluster) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_cluster.conninfo, autocommit=True) as connection:
        yield connection


@pytest.fixture
def names(admin: psycopg.Connection) -> Iterator[Names]:
    mark = secrets.token_hex(4)
    names = Names(*(f"{what}-{mark}" for what in ("erp", "reporter", "target", "scratch", "kept")))
    say(admin, "CREATE ROLE {} LOGIN CREATEDB PASSWORD 'of-the-test'", names.erp)
    say(admin, "CREATE ROLE {}", names.reporter)
    say(admin, "CREATE DATABASE {} OWNER {}", names.target, names.erp)
    say(admin, "CREATE DATABASE {} OWNER {} IS_TEMPLATE true", names.scratch, names.erp)
    yield names
    for name in (names.target, names.scratch, names.kept):
        cluster.drop_database(admin, name)
    for role in (names.erp, names.reporter):
        say(admin, "DROP ROLE {}", role)


def say(connection: psycopg.Connection, words: str, *identifiers: str) -> None:
    connection.execute(sql.SQL(words).format(*map(sql.Identifier, identifiers)))  # type: ignore[arg-type]


def swap(connection: psycopg.Connection, names: Names) -> Swapped:
    return cluster.swap_databases(
        connection, scratch=names.scratch, target=names.target, kept=names.kept, kept_mark="kept"
    )


def swap_back(connection: psycopg.Connection, names: Names) -> Swapped:
    return cluster.swap_databases(
        connection, scratch=names.kept, target=names.target, kept=names.scratch, kept_mark="scratch"
    )


def properties(connection: psycopg.Connection, name: str) -> tuple[object, ...] | None:
    return connection.execute(_PROPERTIES, [name]).fetchone()


def rights(connection: psycopg.Connection, names: Names, role: str) -> list[bool]:
    """Whether a role may connect to the target, make schemas and temporary tables."""
    question = "SELECT has_database_privilege(%s, %s, asked) FROM unnest(%s::text[]) asked"
    found = connection.execute(question, [role, names.target, ["CONNECT", "CREATE", "TEMPORARY"]])
    return [has for (has,) in found.fetchall()]


def test_parameters_keep_their_very_values(admin: psycopg.Connection, names: Names) -> None:
    say(admin, 'ALTER DATABASE {} SET search_path TO "$user", public, "a b"', names.target)
    say(admin, "ALTER DATABASE {} SET statement_timeout TO 60000", names.target)
    say(admin, "ALTER DATABASE {} SET role TO {}", names.target, names.erp)
    say(admin, "ALTER DATABASE {} SET my.own TO 'it''s 100% \\so'", names.target)
    say(admin, "ALTER ROLE {} IN DATABASE {} SET work_mem TO '77MB'", names.reporter, names.target)
    say(admin, "ALTER DATABASE {} CONNECTION LIMIT 7", names.target)
    say(admin, "ALTER DATABASE {} SET log_statement TO 'all'", names.scratch)
    before = properties(admin, names.target)
    assert swap(admin, names) == (True, ())
    assert properties(admin, names.target) == before
    say(admin, "ALTER DATABASE {} RESET my.own", names.target)
    assert swap_back(admin, names) == (True, ())
    assert "my.own" not in str(properties(admin, names.target))


def test_rights_stay_when_the_database_belongs_to_another_role(admin: psycopg.Connection, names: Names) -> None:
    """As where the database was made by the superuser: its copy belongs to Odoo's role."""
    say(admin, "ALTER DATABASE {} OWNER TO postgres", names.target)
    say(admin, "REVOKE ALL ON DATABASE {} FROM PUBLIC", names.target)
    say(admin, "GRANT ALL ON DATABASE {} TO {}", names.target, names.erp)
    say(admin, "GRANT CONNECT ON DATABASE {} TO {} WITH GRANT OPTION", names.target, names.reporter)
    for way in (swap, swap_back):
        assert way(admin, names) == (True, ())
        assert rights(admin, names, names.erp) == [True, True, True]
        assert rights(admin, names, names.reporter) == [True, False, False]
    say(admin, "DROP OWNED BY {}", names.reporter)
    say(admin, "DROP OWNED BY {}", names.erp)


def test_swap_tells_what_a_role_may_not_set(
    admin: psycopg.Connection, postgres_cluster: PostgresCluster, names: Names
) -> None:
    """Data is put in place all the same, and everything else that was set."""
    say(admin, "ALTER DATABASE {} SET log_statement TO 'all'", names.target)
    say(admin, "ALTER DATABASE {} SET work_mem TO '77MB'", names.target)
    with psycopg.connect(
        postgres_cluster.conninfo, user=names.erp, password="of-the-test", autocommit=True
    ) as connection:
        swapped = swap(connection, names)
    assert swapped.replaced
    (problem,) = swapped.not_set
    assert problem == 'SET log_statement: permission denied to set parameter "log_statement"'
    assert "work_mem=77MB" in str(properties(admin, names.target))


def test_database_that_is_shut_lets_nobody_in_until_it_is_swapped_or_opened(
    admin: psycopg.Connection, postgres_cluster: PostgresCluster, names: Names
) -> None:
    """Not even a superuser; who is there already is ended."""
    there = psycopg.connect(postgres_cluster.conninfo, dbname=names.target)
    cluster.keep_out(admin, names.target)
    cluster.end_sessions(admin, [names.target])
    with pytest.raises(psycopg.OperationalError):
        there.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        psycopg.connect(postgres_cluster.conninfo, dbname=names.target)
    cluster.let_in(admin, names.target)
    psycopg.connect(postgres_cluster.conninfo, dbname=names.target).close()
    cluster.keep_out(admin, names.target)
    assert swap(admin, names) == (True, ())
    for name in (names.target, names.kept):
        psycopg.connect(postgres_cluster.conninfo, dbname=name).close()
