"""The demo's databases and roles, in its own cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from deployments.engines.cluster import PostgresCluster
from odoo_ops.adapters.cluster import drop_database, list_databases, prepare_extensions

Connection = psycopg.Connection[tuple[Any, ...]]

BASE = "odoo19_base"
_KEPT = {"postgres", "template0", "template1", BASE}


@contextmanager
def superuser(cluster: PostgresCluster, database: str = "postgres") -> Iterator[Connection]:
    """A connection as superuser, each statement for itself."""
    with psycopg.connect(cluster.conninfo, dbname=database, autocommit=True) as connection:
        yield connection


def drop_former(connection: Connection) -> None:
    """Drop what former runs left; in the demo's own cluster that is everything but the pristine database."""
    for name in set(list_databases(connection)) - _KEPT:
        drop_database(connection, name)


def ensure_role(connection: Connection, role: str, password: str) -> None:
    """A role that may log in and make databases, and is no superuser, with this password."""
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    connection.execute(
        sql.SQL("ALTER ROLE {} LOGIN CREATEDB PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
    )


def create_empty(cluster: PostgresCluster, connection: Connection, name: str, role: str) -> None:
    """A new database as Odoo makes them, with the extensions that its indexes need."""
    drop_database(connection, name)
    connection.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C'").format(
            sql.Identifier(name), sql.Identifier(role)
        )
    )
    with superuser(cluster, name) as inside:
        prepare_extensions(inside, ["pg_trgm", "unaccent"], unaccent=True)


def publish_base(connection: Connection, name: str) -> None:
    """Make a database the pristine one; nobody connects to it any more."""
    drop_database(connection, BASE)
    connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(BASE)))
    connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(BASE)))


def clone_base(connection: Connection, name: str, role: str) -> None:
    """A new database like the pristine one."""
    connection.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(role), sql.Identifier(BASE)
        )
    )
