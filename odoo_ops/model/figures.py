"""The figures of one run that are kept to see how they change. A figure that was not measured is None."""

from datetime import datetime

from odoo_ops.model.base import Value
from odoo_ops.model.manifest import Manifest


class Sizes(Value):
    """What of a backup is compared with the one before it.

    Attributes:
        total_bytes: dump, filestore and manifest as restic read them; None where only the manifest is known.
    """

    snapshot_id: str
    taken_at: datetime
    database_bytes: int
    rows: int
    total_bytes: int | None


class EarlierBackups(Value):
    """What there was before a backup.

    Attributes:
        last: the newest proved one before it; None: there is none, or it could not be read.
        gap_seconds: from the state of that one to the state of this one.
        verified_age_seconds: from the state of the newest that a drill verified to the state of this one.
    """

    last: Sizes | None = None
    gap_seconds: float | None = None
    verified_age_seconds: float | None = None


class BackupFigures(Sizes):
    """One backup; `alarms` names its checks that failed."""

    filestore_bytes: int
    added_bytes: int
    seconds: float
    gap_seconds: float | None
    verified_age_seconds: float | None
    alarms: str = ""


class DrillFigures(Value):
    """One drill: of the backup whose state is that of `taken_at`; `alarms` names the checks that failed."""

    snapshot_id: str
    taken_at: datetime
    begun_at: datetime
    seconds: float
    gap_seconds: float | None
    recovery_seconds: float | None
    verified: bool
    alarms: str = ""


class History(Value):
    """The figures of the last runs, oldest first; `unreadable` counts those that this version cannot read."""

    backups: tuple[BackupFigures, ...] = ()
    drills: tuple[DrillFigures, ...] = ()
    unreadable: int = 0


def sizes_of(manifest: Manifest, snapshot_id: str, total_bytes: int | None) -> Sizes:
    """The sizes of the backup that a manifest describes."""
    return Sizes(
        snapshot_id=snapshot_id,
        taken_at=manifest.taken_at,
        database_bytes=manifest.database_bytes,
        rows=sum(manifest.facts.rows.values()),
        total_bytes=total_bytes,
    )
