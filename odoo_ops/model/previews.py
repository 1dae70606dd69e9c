"""What a restore or an import would do, before anything is written."""

from datetime import datetime

from odoo_ops.model.base import Value


class Room(Value):
    """What would be written into a folder, and the room there."""

    what: str
    folder: str
    needed_bytes: int
    free_bytes: int


class Preview(Value):
    """What is in place now, and what would take its place.

    Attributes:
        seen_at: when it was looked at.
        seen_before: whether the environment's identity is on record, so that it was compared.
        database_bytes: of the database that is in place; None: there is none.
        odoo: series of the Odoo that the environment runs.
        files: in the filestore that is in place.
        filestore_bytes: of these.
        odoo_runs: whether Odoo was seen running; it would be stopped for the swap.
        odoo_is_meant_to_run: whether it would be started after it, as one that ended by itself is, too.
        new_database_bytes: of the database that would take its place, at most.
        new_filestore_bytes: of the files that would.
    """

    seen_at: datetime
    seen_before: bool
    database: str
    database_bytes: int | None
    filestore: str
    files: int
    filestore_bytes: int
    odoo: str
    odoo_runs: bool
    odoo_is_meant_to_run: bool
    new_database_bytes: int
    new_filestore_bytes: int
    room: tuple[Room, ...]
