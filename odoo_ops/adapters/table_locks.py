"""Which tables of a database others have locked, by psycopg, looked at while something runs."""

import time
from collections.abc import Iterator
from threading import Event, Thread
from types import TracebackType
from typing import Self

from odoo_ops.adapters import database
from odoo_ops.adapters.database import Connection
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import OdooOpsError
from odoo_ops.model.environment import DatabaseSettings
from odoo_ops.model.table_locks import Table, UpdateLocks
from odoo_ops.policy.table_locks import Look, seen_in, update_locks

_LOOK_SECONDS = 0.5
_ANSWER_SECONDS = 30

# what has rows of its own and is not PostgreSQL's
_TABLES = """
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""
_LOCKS = """
SELECT relation::bigint, bool_or(mode = 'AccessExclusiveLock') FROM pg_locks
WHERE locktype = 'relation' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
GROUP BY 1
"""


def read_tables(connection: Connection) -> dict[int, Table]:
    """All tables by oid, with their sizes: to read these waits for whoever has a table to himself."""
    query = "SELECT c.oid::bigint, n.nspname || '.' || c.relname, pg_total_relation_size(c.oid), c.relfilenode::bigint"
    found = connection.execute(query + _TABLES).fetchall()
    return {oid: Table(name=name, total_bytes=size, file=file) for oid, name, size, file in found}


def read_files(connection: Connection) -> dict[int, int]:
    """The file of each table, by oid. This, and to read locks, waits for nobody."""
    return dict(connection.execute("SELECT c.oid::bigint, c.relfilenode::bigint" + _TABLES).fetchall())


def read_locks(connection: Connection) -> dict[int, bool]:
    """Relations (by oid) to which a session lets nobody else write -> whether nobody else can read them, either."""
    return dict(connection.execute(_LOCKS).fetchall())


class LockWatch:
    """Looks, in a thread of its own, which tables of a database are locked while the block runs.

    It never raises, so that what it looks at does not fail with it.

    Attributes:
        found: what was seen, or why nothing was; None: the block was not entered.
    """

    def __init__(self, host: HostAdapter, settings: DatabaseSettings, name: str) -> None:
        self.found: UpdateLocks | None = None
        self._where = (host, settings, name)
        self._ready, self._ended = Event(), Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Wait until it is known which tables there are, or PostgreSQL does not say so in time."""
        self.found = UpdateLocks(not_measured="PostgreSQL did not answer")
        self._thread.start()
        self._ready.wait(_ANSWER_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look no more; a connection that hangs is left to itself."""
        self._ended.set()
        self._thread.join(_ANSWER_SECONDS)

    def _watch(self) -> None:
        try:
            with database.connect(*self._where, autocommit=True) as connection:
                before = read_tables(connection)
                self._ready.set()
                seen = seen_in(self._looks(connection))
                self.found = update_locks(before, seen, read_files(connection))
        except (OdooOpsError, OSError) as error:
            self.found = UpdateLocks(not_measured=str(error))
        finally:
            self._ready.set()

    def _looks(self, connection: Connection) -> Iterator[Look]:
        ended = False
        while not ended:
            begun = time.monotonic()
            locked = read_locks(connection)
            ended = self._ended.wait(_LOOK_SECONDS)
            yield Look(locked, time.monotonic() - begun)
