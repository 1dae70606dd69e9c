"""What an Odoo database says of Odoo's health, by psycopg. Nothing is changed, and nothing waits for it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from odoo_ops.adapters.database import Connection
from odoo_ops.adapters.odoo_database import read_odoo_version, read_unsettled_modules
from odoo_ops.errors import TransientError, VerificationFailed
from odoo_ops.model.health import Crons, DatabaseHealth, LateCron, Queue

_WAIT = "10s"
_LATE_SHOWN = 10
_FAILURES = 3

# Odoo writes UTC into columns without a zone: what is read is given its zone, what is compared loses it
_CRONS = """
SELECT count(*), max(lastcall) AT TIME ZONE 'UTC',
       array_agg(coalesce(cron_name, id::text) ORDER BY cron_name) FILTER (WHERE failure_count >= %s)
FROM ir_cron WHERE active
"""
# a trigger makes an action's time come, too, whatever its own time is
_LATE = """
SELECT name, due_at AT TIME ZONE 'UTC'
FROM (SELECT coalesce(c.cron_name, c.id::text) AS name, least(c.nextcall, min(t.call_at)) AS due_at
      FROM ir_cron c LEFT JOIN ir_cron_trigger t ON t.cron_id = c.id
      WHERE c.active GROUP BY c.id) due
WHERE due_at <= now() AT TIME ZONE 'UTC' ORDER BY due_at LIMIT %s
"""
_MAILS = """
SELECT count(*) FILTER (WHERE state = 'outgoing'),
       min(coalesce(scheduled_date, create_date)) FILTER (WHERE state = 'outgoing'
           AND (scheduled_date IS NULL OR scheduled_date <= now() AT TIME ZONE 'UTC')) AT TIME ZONE 'UTC',
       count(*) FILTER (WHERE state = 'exception' AND write_date > now() AT TIME ZONE 'UTC' - interval '1 day'
           AND coalesce(failure_type, '') NOT IN ('mail_email_invalid', 'mail_email_missing'))
FROM mail_mail WHERE state IN ('outgoing', 'exception')
"""
_JOBS = """
SELECT count(*) FILTER (WHERE state <> 'failed'),
       min(coalesce(eta, date_created)) FILTER (WHERE state <> 'failed'
           AND (eta IS NULL OR eta <= now() AT TIME ZONE 'UTC')) AT TIME ZONE 'UTC',
       count(*) FILTER (WHERE state = 'failed'
           AND coalesce(date_started, date_created) > now() AT TIME ZONE 'UTC' - interval '1 day')
FROM queue_job WHERE state IN ('pending', 'enqueued', 'failed')
"""

# Of the last thousand more, where few have a file. Not scripts and styles: Odoo makes lost ones anew. Other names are
# of modules that keep files elsewhere.
_NEWEST_FILES = """
SELECT store_fname
FROM (SELECT id, store_fname, url FROM ir_attachment ORDER BY id DESC LIMIT 1000 + %(files)s) newest
WHERE store_fname ~ '^[0-9a-f]{2,3}/[0-9a-f]{40}$' AND coalesce(url, '') NOT LIKE '/web/assets/%%'
GROUP BY store_fname ORDER BY max(id) DESC LIMIT %(files)s
"""
_STILL_NAMED = "SELECT DISTINCT store_fname FROM ir_attachment WHERE store_fname = ANY(%s)"


def read_database_health(connection: Connection, newest_files: int) -> DatabaseHealth:
    """Read what the database says, at one moment, and so many of the newest attachments' files.

    Raises VerificationFailed where it is not Odoo's, or not readable; TransientError when another session has locked
    its tables.
    """
    with _answers(connection):
        if not _has_table(connection, "ir_cron"):
            raise VerificationFailed(
                f"The database {connection.info.dbname!r} holds no Odoo. Next step: correct `database` in the "
                "environment file; if its content was lost, run `restore`."
            )
        return _read(connection, newest_files)


def read_still_named(connection: Connection, files: Sequence[str]) -> set[str]:
    """Those of these files that attachments still name. Raises as `read_database_health` does."""
    with _answers(connection):
        return {name for (name,) in connection.execute(_STILL_NAMED, [list(files)])}


@contextmanager
def _answers(connection: Connection) -> Iterator[None]:
    """Reads what is asked at one moment, and waits for nothing long."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    connection.execute(f"SET LOCAL lock_timeout = '{_WAIT}'; SET LOCAL statement_timeout = '{_WAIT}'")
    try:
        yield
    except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled) as error:
        raise TransientError(
            f"The database {connection.info.dbname!r} gave no answer within {_WAIT}: {error.diag.message_primary}. "
            "Next step: see in pg_stat_activity who holds its tables; an update of modules may be at work."
        ) from error
    except psycopg.ProgrammingError as error:
        raise VerificationFailed(
            f"The database {connection.info.dbname!r} cannot be read: {error.diag.message_primary}. Next step: see "
            f"that {connection.info.user} owns all its tables, and that Odoo is one that is supported (18 or later)."
        ) from error


def _read(connection: Connection, newest_files: int) -> DatabaseHealth:
    at, version = _row(connection, "SELECT now(), current_setting('server_version')")
    (modules,) = _row(connection, "SELECT count(*) FROM ir_module_module WHERE state = 'installed'")
    newest = connection.execute(_NEWEST_FILES, {"files": newest_files}).fetchall()
    return DatabaseHealth(
        at=at,
        postgres_version=version.partition(" ")[0],
        odoo_version=read_odoo_version(connection),
        modules=modules,
        unsettled=tuple(read_unsettled_modules(connection)),
        crons=_read_crons(connection),
        mails=_read_queue(connection, "mail_mail", _MAILS),
        jobs=_read_queue(connection, "queue_job", _JOBS),
        newest_files=tuple(name for (name,) in newest),
    )


def _read_crons(connection: Connection) -> Crons:
    active, last_call, failing = _row(connection, _CRONS, _FAILURES)
    late = connection.execute(_LATE, [_LATE_SHOWN]).fetchall()
    return Crons(
        active=active,
        last_call=last_call,
        late=tuple(LateCron(name=name, due_at=due_at) for name, due_at in late),
        failing=tuple(failing or ()),
    )


def _read_queue(connection: Connection, table: str, query: str) -> Queue | None:
    if not _has_table(connection, table):
        return None
    waiting, oldest_at, failed = _row(connection, query)
    return Queue(waiting=waiting, oldest_at=oldest_at, failed=failed)


def _has_table(connection: Connection, name: str) -> bool:
    (found,) = _row(connection, "SELECT to_regclass(%s) IS NOT NULL", name)
    return bool(found)


def _row(connection: Connection, query: str, *values: object) -> tuple[Any, ...]:
    """The only row of a query that always has one."""
    (row,) = connection.execute(query, values).fetchall()
    return row
