"""The queue on disk: what was answered is in it, and stays until Prefect has a run for it.

SQLite with a write-ahead log. `synchronous=FULL`: an answer is given only for what a loss of power would leave,
because a forge does not send again what was answered. Many deliveries share one commit, and so one fsync.

Nothing is deleted: what a delivery was called and the digest of its body tell one that is played again, however late.
A delivery takes some 500 bytes.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.webhooks import Delivery, Push, QueuedRelease, Told

_TABLES = """
CREATE TABLE IF NOT EXISTS deliveries (
    source TEXT NOT NULL, delivery TEXT NOT NULL, body_digest TEXT, received_at REAL NOT NULL,
    PRIMARY KEY (source, delivery), UNIQUE (source, body_digest)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS releases (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, delivery TEXT NOT NULL, environment TEXT NOT NULL,
    repository TEXT NOT NULL, ref TEXT NOT NULL, commit_id TEXT NOT NULL, image TEXT NOT NULL,
    received_at REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued', run TEXT, refusal TEXT, told TEXT NOT NULL DEFAULT 'queued'
);
CREATE INDEX IF NOT EXISTS unfinished ON releases (state) WHERE state IN ('queued', 'pending');
CREATE INDEX IF NOT EXISTS failed ON releases (received_at) WHERE state = 'failure';
CREATE INDEX IF NOT EXISTS untold ON releases (id) WHERE told <> state;
"""
_RELEASES = (
    "SELECT id, source, delivery, environment, repository, ref, commit_id, image, state, run, refusal, received_at "
    "FROM releases "
)
_BUSY_SECONDS = 10


class Queue:
    """A connection to the queue. One thread uses it at a time; each worker has its own."""

    def __init__(self, path: Path) -> None:
        """Open it, and make it where it is not there. Raises PreconditionFailed when that cannot be."""
        try:
            _make_for_us_alone(path)
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(_TABLES)
            _add_images(self._connection)
        except (OSError, sqlite3.Error) as error:
            raise PreconditionFailed(
                f"The queue {path} cannot be opened ({error}). Next step: name a file in a folder that this user may "
                "write, or move a damaged one away."
            ) from error

    def add(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Queue deliveries, all on disk when this returns; for each, whether it was not known yet.

        Raises sqlite3.Error when they cannot be written; then none is.
        """
        with self._transaction():
            return [self._add(delivery) for delivery in deliveries]

    def _add(self, delivery: Delivery) -> bool:
        new = self._connection.execute(
            "INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?, ?)",
            (delivery.source, delivery.id, delivery.body_digest, delivery.received_at),
        )
        push = delivery.accepted.push
        if new.rowcount:
            self._connection.executemany(
                "INSERT INTO releases (source, delivery, environment, repository, ref, commit_id, image, received_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(delivery.source, delivery.id, name),
                        push.repository,
                        push.ref,
                        push.commit,
                        delivery.accepted.images.get(name, ""),
                        delivery.received_at,
                    )
                    for name in delivery.accepted.environments
                ],
            )
        return bool(new.rowcount)

    def in_state(self, state: Literal["queued", "pending"]) -> list[QueuedRelease]:
        """The releases in a state, in the order in which they came."""
        return self._read(f"WHERE state = '{state}' ORDER BY id")

    def failed_since(self, moment: float) -> list[QueuedRelease]:
        """The releases whose run failed, and whose delivery came since a moment (seconds since 1970)."""
        return self._read("WHERE state = 'failure' AND received_at >= ? AND run IS NOT NULL ORDER BY id", moment)

    def untold(self) -> list[QueuedRelease]:
        """The releases of whose state the forge was not told, in the order in which they came."""
        return self._read("WHERE told <> state ORDER BY id")

    def _read(self, which: str, *values: float) -> list[QueuedRelease]:
        return [
            QueuedRelease(
                **dict(zip(("id", "source", "delivery", "environment"), row[:4], strict=True)),
                push=Push(repository=row[4], ref=row[5], commit=row[6]),
                **dict(zip(("image", "state", "run", "refusal", "received_at"), row[7:], strict=True)),
            )
            for row in self._connection.execute(_RELEASES + which, values)
        ]

    def mark_made(self, release: QueuedRelease, run: str) -> None:
        """Prefect has a run for it."""
        self._connection.execute("UPDATE releases SET state = 'pending', run = ? WHERE id = ?", (run, release.id))

    def mark_refused(self, release: QueuedRelease, refusal: str) -> None:
        """Prefect will make no run for it."""
        self._connection.execute(
            "UPDATE releases SET state = 'failure', refusal = ? WHERE id = ?", (refusal, release.id)
        )

    def mark_state(self, release: QueuedRelease, state: Told) -> None:
        """Its run ended, or goes on again."""
        self._connection.execute("UPDATE releases SET state = ? WHERE id = ?", (state, release.id))

    def mark_told(self, release: QueuedRelease) -> None:
        """The forge knows the state that was read, or will never."""
        self._connection.execute("UPDATE releases SET told = ? WHERE id = ?", (release.state, release.id))

    def waiting(self) -> tuple[int, float | None]:
        """How many releases wait for Prefect, and when the oldest came."""
        row = self._connection.execute(
            "SELECT count(*), min(received_at) FROM releases WHERE state = 'queued'"
        ).fetchone()
        return row[0], row[1]

    def check_writable(self) -> None:
        """Raise sqlite3.Error when nothing can be written."""
        with self._transaction():
            self._connection.execute("CREATE TABLE IF NOT EXISTS written (at REAL)")
            self._connection.execute("DELETE FROM written")
            self._connection.execute("INSERT INTO written VALUES (unixepoch())")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _add_images(connection: sqlite3.Connection) -> None:
    """Give a queue of before images were released their column: what waits in it is kept."""
    if "image" not in {column for _, column, *_ in connection.execute("PRAGMA table_info(releases)")}:
        connection.execute("ALTER TABLE releases ADD COLUMN image TEXT NOT NULL DEFAULT ''")


def _make_for_us_alone(path: Path) -> None:
    """An empty file, where there is none.

    One that is there must not be opened and closed past SQLite: that would end the locks of this process's other
    connections, and the next one to be closed would delete the log under their hands.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
