"""What a run found and did, for a person to read."""

from datetime import datetime

from odoo_ops.model.base import Value


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


class StoredSnapshot(Value):
    """What one restic backup did."""

    snapshot_id: str
    total_files: int
    total_bytes: int
    added_bytes: int
    seconds: float


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
    total_bytes: int
    added_bytes: int
    damaged: tuple[str, ...]
    damaged_total: int


class RestoreReport(Value):
    """One restore."""

    environment: str
    database: str
    snapshot_id: str
    taken_at: datetime
    seconds: float
    tables: int
    rows: int
    files: int
    kept_database: str | None
    kept_filestore: str | None
