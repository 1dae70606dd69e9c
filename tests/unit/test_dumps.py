"""Which pg_restore loads into which server."""

import pytest

from odoo_ops.policy.dumps import judge_pg_restore


@pytest.mark.parametrize(
    ("printed", "server", "outcome"),
    [
        ("pg_restore (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)", 15, "passed"),
        ("pg_restore (PostgreSQL) 16.4", 13, "passed"),
        ("pg_restore (PostgreSQL) 17beta1", 16, "failed"),
        ("pg_restore (PostgreSQL) 18.0", 17, "passed"),
        ("pg_restore (PostgreSQL) 18.0", 15, "failed"),
    ],
)
def test_pg_restore_of_17_or_later_loads_into_no_older_server(printed: str, server: int, outcome: str) -> None:
    check = judge_pg_restore("/usr/bin/pg_restore", printed, server, "erp")
    assert check.outcome == outcome
    assert (f"POSTGRES_VERSION={server}" in check.detail) is (outcome == "failed")
