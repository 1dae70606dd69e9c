"""psycopg on a real PostgreSQL, as flows connect."""

import psycopg
import pytest
from pydantic import SecretStr

from deployments.engines.cluster import PostgresCluster
from odoo_ops.adapters import cluster, database, odoo_database
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import OdooOpsError, PermanentError, PreconditionFailed, TransientError
from odoo_ops.model.environment import DatabaseSettings
from odoo_ops.model.host import Host

pytestmark = pytest.mark.postgres


def _settings(cluster: PostgresCluster, name: str) -> DatabaseSettings:
    return DatabaseSettings(
        name=name,
        server="127.0.0.1",
        port=cluster.port,
        user="postgres",
        password=SecretStr(cluster.superuser_password),
    )


def test_names_are_text_when_the_server_was_made_without_a_locale(postgres_cluster: PostgresCluster) -> None:
    with psycopg.connect(postgres_cluster.conninfo, autocommit=True) as connection:
        connection.execute("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    settings = _settings(postgres_cluster, "ascii")
    with database.connect(HostAdapter(Host(name="here")), settings) as connection:
        assert "ascii" in cluster.list_databases(connection)


def test_version_of_odoo_is_nothing_where_there_is_no_odoo(postgres_cluster: PostgresCluster) -> None:
    with psycopg.connect(postgres_cluster.conninfo) as connection:
        assert odoo_database.find_odoo_version(connection, pytest.fail) == ""
        connection.execute("CREATE TEMPORARY TABLE ir_module_module (name text, latest_version text)")
        connection.execute("INSERT INTO ir_module_module VALUES ('web', '19.0.1.0'), ('base', '19.0.1.3')")
        assert odoo_database.find_odoo_version(connection, pytest.fail) == "19.0.1.3"


@pytest.mark.parametrize(
    ("statement", "kind", "said"),
    [
        (
            "DO $$BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END$$",
            PreconditionFailed,
            "could not extend file. Next step: make room on the disk",
        ),
        ("SELECT 1 FROM nowhere", PermanentError, 'relation "nowhere" does not exist. Next step: see in'),
        ("SELECT pg_terminate_backend(pg_backend_pid())", TransientError, "was lost"),
    ],
)
def test_connection_raises_an_error_of_this_project_when_a_statement_fails(
    statement: str, kind: type[OdooOpsError], said: str, postgres_cluster: PostgresCluster
) -> None:
    settings = _settings(postgres_cluster, "erp")
    with (
        pytest.raises(OdooOpsError, match=said) as failure,
        database.connect(HostAdapter(Host(name="here")), settings, "postgres") as connection,
    ):
        connection.execute(statement)
    assert type(failure.value) is kind


@pytest.mark.parametrize(
    ("stands_in_the_way", "why"),
    [
        ("LOCK TABLE ir_module_module IN ACCESS EXCLUSIVE MODE", "lock timeout"),
        ("ALTER TABLE ir_module_module DROP COLUMN latest_version", "lock timeout"),
        ("ALTER TABLE ir_module_module DROP COLUMN latest_version; COMMIT", "latest_version"),
        ("REVOKE ALL ON ir_module_module FROM asks_version; COMMIT", "permission denied"),
    ],
)
def test_version_of_odoo_is_unknown_where_its_table_does_not_tell(
    postgres_cluster: PostgresCluster, monkeypatch: pytest.MonkeyPatch, stands_in_the_way: str, why: str
) -> None:
    monkeypatch.setattr(odoo_database, "_WAIT", "200ms")
    shown = list[str]()
    with psycopg.connect(postgres_cluster.conninfo, autocommit=True) as admin:
        admin.execute("CREATE ROLE asks_version; CREATE TABLE ir_module_module (name text, latest_version text)")
        admin.execute("GRANT SELECT ON ir_module_module TO asks_version")
        try:
            with (
                psycopg.connect(postgres_cluster.conninfo) as other,
                psycopg.connect(postgres_cluster.conninfo) as asks,
            ):
                other.execute(stands_in_the_way)
                asks.execute("SET ROLE asks_version")
                assert odoo_database.find_odoo_version(asks, shown.append) == ""
                assert asks.execute("SELECT 1").fetchone() == (1,)
                other.rollback()
        finally:
            admin.execute("DROP TABLE ir_module_module; DROP ROLE asks_version")
    (told,) = shown
    assert why in told
