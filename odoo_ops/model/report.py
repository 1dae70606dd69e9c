"""What a run found and did, for a person to read."""

from datetime import datetime

from odoo_ops.model.base import Value
from odoo_ops.model.business import BusinessLine
from odoo_ops.model.checks import Check
from odoo_ops.model.previews import Preview
from odoo_ops.model.snapshot import Snapshot


class Damage(Value):
    """One attachment whose file is not what the database says."""

    id: int
    fname: str
    checksum: str | None
    size: int | None
    model: str | None
    record: int | None
    field: str | None
    reason: str

    def __str__(self) -> str:
        return f"ir.attachment {self.id} (of {self.model or 'no model'} {self.record or ''}): {self.reason}"


class FilestoreProof(Value):
    """What was proved about the attachments' files."""

    attachments: int
    files: int
    hashed_files: int
    hashed_bytes: int
    damaged: tuple[Damage, ...]
    damaged_total: int


class SnapshotProof(FilestoreProof):
    """The same about a snapshot.

    Attributes:
        tree: restic's digest of all that was in it: of nothing else is this true.
    """

    tree: str


class StoredSnapshot(Value):
    """What one restic backup did.

    Attributes:
        taken_at: its time by the host's clock; None where this version of restic does not tell it.
        last: the newest proved backup of the environment before it.
        verified_at: the state of the newest backup that a drill verified.
    """

    snapshot_id: str
    total_files: int
    total_bytes: int
    added_bytes: int
    seconds: float
    taken_at: datetime | None
    last: Snapshot | None
    verified_at: datetime | None


class BackupReport(Value):
    """One backup."""

    environment: str
    database: str
    snapshot_id: str
    taken_at: datetime
    seconds: float
    tables: int
    rows: int
    attachments: int
    files: int
    hashed_files: int
    database_bytes: int
    filestore_bytes: int
    total_bytes: int
    added_bytes: int
    damaged: tuple[str, ...]
    damaged_total: int
    checks: tuple[Check, ...]


class OffsiteReport(Value):
    """One copy to the off-site repository.

    Attributes:
        copied: backups that this run copied.
        backups: all backups of the environment that are there now.
    """

    environment: str
    repository: str
    location: str
    copied: int
    backups: int


class Swap(Value):
    """What was put in place, and what became of what was there before; None: there was nothing.

    `start_problem` says why Odoo, which ran before, could not be started again; `not_set` what was set of the replaced
    database, and cannot be set of the new one.
    """

    kept_database: str | None
    kept_filestore: str | None
    odoo_started: bool
    start_problem: str | None
    not_set: tuple[str, ...]


class RestoreReport(Value):
    """One restore: of the backup of `source` into `environment`; with a `preview`: what one would do."""

    environment: str
    source: str
    database: str
    snapshot_id: str
    taken_at: datetime
    seconds: float
    tables: int
    rows: int
    files: int
    kept_database: str | None
    kept_filestore: str | None
    checks: tuple[Check, ...]
    preview: Preview | None = None


class Trial(Value):
    """What an Odoo that was booted on a copy answered; `ready_seconds`: until its login page did, None if never."""

    checks: tuple[Check, ...]
    ready_seconds: float | None


class DrillReport(Value):
    """One drill: the backup of `environment`, tried out in `target`.

    Attributes:
        verified: whether every question was answered well; that is on record then.
        gap_seconds: RPO: the longest time without a backup within the last week, until the drill began; None: no
            backup was proved.
        recovery_seconds: RTO: from the beginning until Odoo answered; None: it never did.
        business: the figures of the books and the stock in the backup.
    """

    environment: str
    target: str
    snapshot_id: str
    taken_at: datetime
    begun_at: datetime
    seconds: float
    verified: bool
    gap_seconds: float | None
    recovery_seconds: float | None
    business: tuple[BusinessLine, ...]
    checks: tuple[Check, ...]


class HealthReport(Value):
    """The layers of an environment, from below.

    Attributes:
        first_failed: the lowest layer that failed; what is above it may be its consequence.
        next_step: for that layer, where its check does not say it itself.
        at_work: the run that stops and starts Odoo just now, in words: then nothing is an alarm.
    """

    environment: str
    seconds: float
    checks: tuple[Check, ...]
    first_failed: str | None
    next_step: str
    at_work: str | None

    @property
    def headline(self) -> str:
        """The report in a few words."""
        if self.first_failed is None:
            return "all layers that were asked are well"
        return "stopped on purpose" if self.at_work else "NOT well"


class RestartReport(Value):
    """One restart.

    Attributes:
        down_seconds: from the moment Odoo was asked to stop until its login page answered; None: it did not in time.
        failed_before: layers that failed before it.
    """

    environment: str
    seconds: float
    down_seconds: float | None
    failed_before: tuple[str, ...]
    checks: tuple[Check, ...]
