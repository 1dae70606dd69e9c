"""Tables that an update of modules had to itself."""

from odoo_ops.model.base import Value


class Table(Value):
    """A table as it is before an update.

    Attributes:
        total_bytes: with its indexes, and with what is stored out of line.
        file: PostgreSQL's number of the file that holds it; a table that is written anew gets another one.
    """

    name: str
    total_bytes: int
    file: int


class LockedTable(Value):
    """What an update did with a table that had been there before.

    Attributes:
        total_bytes: its size before.
        unwritable_seconds: how long it was seen locked so that nobody else could write to it.
        unreadable_seconds: how long of that nobody else could read it, either (ACCESS EXCLUSIVE).
        rewritten: whether another file holds it since.
    """

    name: str
    total_bytes: int
    unwritable_seconds: float
    unreadable_seconds: float
    rewritten: bool


class UpdateLocks(Value):
    """Which tables an update locked or rewrote, as far as it could be seen.

    Attributes:
        looks: how often PostgreSQL was asked for its locks; what was locked between two looks only was not seen.
        tables: those that were locked for the longest time, the largest first among equals.
        others: how many more there are.
        not_measured: why nothing is known of all that; empty: it is.
    """

    looks: int = 0
    tables: tuple[LockedTable, ...] = ()
    others: int = 0
    not_measured: str = ""
