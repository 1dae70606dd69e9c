"""A backup whose restore can be held in its middle: the CHECK of one row sleeps while pg_restore copies it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

_SLOW_ROW = """
CREATE FUNCTION slow(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
  PERFORM pg_sleep(coalesce(nullif(current_setting('test.sleep', true), ''), '0')::float);
  RETURN true;
END $$;
CREATE TABLE slow_to_restore (id int CHECK (public.slow(id)));
INSERT INTO slow_to_restore VALUES (1);
"""


def add_slow_row(site: Site) -> None:
    """What is backed up from now on can be held by `restore_held`."""
    with site.connect() as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(site.settings.database.user)))
        connection.execute(_SLOW_ROW)


@contextmanager
def restore_held(site: Site, seconds: int) -> Iterator[Callable[[], bool]]:
    """Let that row take its time where it is restored for a site. Gives a function: is pg_restore at it?"""
    role = sql.Identifier(site.settings.database.user)
    with site.admin() as connection:
        connection.execute(sql.SQL('ALTER ROLE {} SET "test.sleep" = {}').format(role, sql.Literal(str(seconds))))
        yield lambda: site.has_session("wait_event = 'PgSleep' AND datname LIKE 'odoo\\_ops\\_scratch%'")
        connection.execute(sql.SQL('ALTER ROLE {} RESET "test.sleep"').format(role))
