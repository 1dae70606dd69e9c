"""How long an update had tables to itself, by looks at PostgreSQL's locks once in a while."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from odoo_ops.model.table_locks import LockedTable, Table, UpdateLocks

_SHOWN = 10


class Look(NamedTuple):
    """One look at the locks of a database.

    Attributes:
        locked: relations (by oid) to which nobody else can write -> whether nobody else can read them, either.
        seconds: time until the next look, for which this one speaks.
    """

    locked: Mapping[int, bool]
    seconds: float


class Seen(NamedTuple):
    """What all looks together tell: how many they were, and relations -> seconds (see `LockedTable`)."""

    looks: int
    unwritable_seconds: Mapping[int, float]
    unreadable_seconds: Mapping[int, float]


def seen_in(looks: Iterable[Look]) -> Seen:
    """Sum up looks, none of which is kept: an update may take hours."""
    count, unwritable, unreadable = 0, defaultdict[int, float](float), defaultdict[int, float](float)
    for look in looks:
        count += 1
        for oid, shut in look.locked.items():
            unwritable[oid] += look.seconds
            if shut:
                unreadable[oid] += look.seconds
    return Seen(count, unwritable, unreadable)


def update_locks(before: Mapping[int, Table], seen: Seen, files: Mapping[int, int]) -> UpdateLocks:
    """What an update did with the tables that had been there before.

    First those that were locked for the longest time; of the others the largest.

    Args:
        before: those tables, by oid.
        seen: by looks while it ran; of indexes and of PostgreSQL's own tables, too.
        files: table -> the file that holds it afterwards.
    """
    touched = [
        LockedTable(
            name=table.name,
            total_bytes=table.total_bytes,
            unwritable_seconds=seen.unwritable_seconds.get(oid, 0.0),
            unreadable_seconds=seen.unreadable_seconds.get(oid, 0.0),
            rewritten=files.get(oid, table.file) != table.file,
        )
        for oid, table in before.items()
    ]
    found = [table for table in touched if table.unwritable_seconds or table.rewritten]
    found.sort(key=lambda table: (-table.unwritable_seconds, -table.total_bytes, table.name))
    return UpdateLocks(looks=seen.looks, tables=tuple(found[:_SHOWN]), others=len(found[_SHOWN:]))
