"""Tables that a session has to itself on a real PostgreSQL, seen from another one."""

from collections.abc import Iterator

import psycopg
import pytest
from pydantic import SecretStr
from real_processes import wait_until

from deployments.engines.cluster import PostgresCluster
from odoo_ops.adapters import cluster, table_locks
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.adapters.table_locks import LockWatch, read_files, read_locks, read_tables
from odoo_ops.model.environment import DatabaseSettings
from odoo_ops.model.host import Host

pytestmark = pytest.mark.postgres

_NAME = "locked"
_TABLES = """
    CREATE TABLE big (id int PRIMARY KEY, words text);
    INSERT INTO big SELECT number, repeat('words ', 20) FROM generate_series(1, 10000) number;
    CREATE TABLE small (id int);
    CREATE TABLE written (id int);
"""
_REWRITE = "ALTER TABLE big ALTER COLUMN id TYPE bigint"


@pytest.fixture
def admin(postgres_cluster: PostgresCluster) -> Iterator[psycopg.Connection]:
    """Makes a database for the test; is in another one."""
    with psycopg.connect(postgres_cluster.conninfo, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {_NAME}")
        with psycopg.connect(postgres_cluster.conninfo, dbname=_NAME) as inside:
            inside.execute(_TABLES)
        yield connection
        cluster.drop_database(connection, _NAME)


@pytest.fixture
def update(admin: psycopg.Connection, postgres_cluster: PostgresCluster) -> Iterator[psycopg.Connection]:
    """The session that changes tables, as Odoo's does."""
    assert not admin.closed
    with psycopg.connect(postgres_cluster.conninfo, dbname=_NAME) as connection:
        yield connection
        connection.rollback()


def _watch(of: PostgresCluster, name: str = _NAME) -> LockWatch:
    password = SecretStr(of.superuser_password)
    settings = DatabaseSettings(name="erp", server="127.0.0.1", port=of.port, user="postgres", password=password)
    return LockWatch(HostAdapter(Host(name="here")), settings, name)


def _wait_for_a_look(admin: psycopg.Connection) -> None:
    (now,) = admin.execute("SELECT clock_timestamp()").fetchone() or (None,)
    question = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'odoo-ops' AND datname = %s"
        " AND position('pg_locks' IN query) > 0 AND state = 'idle' AND query_start > %s"
    )
    wait_until(lambda: admin.execute(question, [_NAME, now]).fetchone(), "nobody looked at the locks")


def test_locks_are_read_with_who_is_shut_out_while_a_table_is_locked(
    admin: psycopg.Connection, update: psycopg.Connection, postgres_cluster: PostgresCluster
) -> None:
    with psycopg.connect(postgres_cluster.conninfo, dbname=_NAME, autocommit=True) as looking:
        tables = read_tables(looking)
        assert sorted(table.name for table in tables.values()) == ["public.big", "public.small", "public.written"]
        assert read_locks(looking) == {}
        update.execute("LOCK TABLE big IN ACCESS EXCLUSIVE MODE")
        update.execute("CREATE INDEX ON small (id)")
        update.execute("INSERT INTO written VALUES (1)")
        found = {tables[oid].name: shut for oid, shut in read_locks(looking).items() if oid in tables}
    assert found == {"public.big": True, "public.small": False}
    assert read_locks(admin) == {}, "locks of another database"
    sizes = {table.name: table.total_bytes for table in tables.values()}
    assert sizes["public.big"] > 1_000_000
    assert sizes["public.small"] == 0


def test_file_of_a_table_is_another_one_when_it_was_rewritten(update: psycopg.Connection) -> None:
    before = read_tables(update)
    update.execute(_REWRITE)
    update.execute("ALTER TABLE small ADD COLUMN words text")
    files = read_files(update)
    assert [table.name for oid, table in before.items() if files[oid] != table.file] == ["public.big"]


def test_watch_names_what_was_locked_and_what_was_rewritten(
    admin: psycopg.Connection, update: psycopg.Connection, postgres_cluster: PostgresCluster
) -> None:
    with _watch(postgres_cluster) as watch:
        update.execute(_REWRITE)
        update.execute("CREATE TABLE new (id int)")
        _wait_for_a_look(admin)
        update.commit()
    assert watch.found
    (big,) = watch.found.tables
    assert (big.name, big.rewritten) == ("public.big", True)
    assert big.total_bytes > 1_000_000
    assert big.unwritable_seconds >= big.unreadable_seconds > 0
    assert watch.found.looks > 1


def test_watch_waits_for_no_lock_when_the_update_was_left_in_the_middle(
    update: psycopg.Connection, postgres_cluster: PostgresCluster
) -> None:
    """As where Odoo was ended, and its session has not noticed it yet."""
    with _watch(postgres_cluster) as watch:
        update.execute(_REWRITE)
    assert watch.found
    assert not watch.found.not_measured
    assert not any(table.rewritten for table in watch.found.tables)


def test_watch_says_why_it_saw_nothing_when_it_cannot_connect(postgres_cluster: PostgresCluster) -> None:
    watch = _watch(postgres_cluster, "nowhere")
    assert watch.found is None
    with watch:
        pass
    assert watch.found
    assert "nowhere" in watch.found.not_measured
    assert watch.found.looks == 0


def test_watch_holds_nothing_up_when_postgresql_does_not_answer(
    update: psycopg.Connection, postgres_cluster: PostgresCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_locks, "_ANSWER_SECONDS", 1)
    update.execute("LOCK TABLE big IN ACCESS EXCLUSIVE MODE")  # its size is asked for in vain
    with _watch(postgres_cluster) as watch:
        pass
    assert watch.found
    assert watch.found.not_measured == "PostgreSQL did not answer"
    update.rollback()


def test_watch_says_why_it_saw_nothing_when_its_connection_is_lost(
    admin: psycopg.Connection, postgres_cluster: PostgresCluster
) -> None:
    with _watch(postgres_cluster) as watch:
        cluster.end_sessions(admin, [_NAME])
    assert watch.found
    assert "was lost" in watch.found.not_measured
