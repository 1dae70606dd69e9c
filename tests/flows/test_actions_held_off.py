"""Scheduled actions wait while a release is tried out, on a real PostgreSQL. Tests of `release` have a real Odoo."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from prefect import flow

from blocks import OdooEnvironment
from odoo_ops.adapters import database
from tasks.smoke import actions_held_off

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = pytest.mark.postgres

# as Odoo takes an action that it is about to run
_TAKE = "SELECT id FROM ir_cron FOR NO KEY UPDATE SKIP LOCKED"


@pytest.fixture
def actions(site: Site) -> Site:
    """Two are active, the third is not."""
    with site.connect() as connection:
        connection.execute("CREATE TABLE ir_cron (id int PRIMARY KEY, active bool)")
        connection.execute("CREATE TABLE ir_cron_trigger (cron_id int REFERENCES ir_cron)")
        connection.execute("INSERT INTO ir_cron VALUES (1, true), (2, true), (3, false)")
        for table in ("ir_cron", "ir_cron_trigger"):
            connection.execute(f'ALTER TABLE {table} OWNER TO "{site.settings.database.user}"')
    return site


def _taken(site: Site) -> list[int]:
    with site.connect() as connection:
        return [number for (number,) in connection.execute(_TAKE)]


def test_active_actions_are_passed_over_and_may_be_triggered(actions: Site) -> None:
    with actions_held_off(actions.name):
        assert _taken(actions) == [3]
        with actions.connect() as connection:
            connection.execute("INSERT INTO ir_cron_trigger VALUES (1)")
    assert _taken(actions) == [1, 2, 3]


def test_error_within_lets_them_go(actions: Site) -> None:
    with pytest.raises(ValueError, match="of the release"), actions_held_off(actions.name):
        raise ValueError("of the release")
    assert _taken(actions) == [1, 2, 3]


def test_session_that_is_ended_meanwhile_ends_no_release(actions: Site) -> None:
    runtime = OdooEnvironment.open(actions.name)
    with (
        database.connect(runtime.host, runtime.environment.database) as connection,
        database.actions_held_off(connection),
        actions.admin() as admin,
    ):
        admin.execute("SELECT pg_terminate_backend(%s, 10000)", [connection.info.backend_pid])
    assert _taken(actions) == [1, 2, 3]


def test_release_goes_on_where_they_cannot_be_held_off(actions: Site, caplog: pytest.LogCaptureFixture) -> None:
    @flow
    def release_tried() -> str:
        with actions_held_off(actions.name):
            return "tried"

    with ExitStack() as locked:
        connection = locked.enter_context(psycopg.connect(actions.conninfo, dbname=actions.settings.database.name))
        connection.execute("LOCK ir_cron IN ACCESS EXCLUSIVE MODE")
        assert release_tried() == "tried"
    assert "begin before the release was tried: Scheduled actions cannot be held off: " in caplog.text
