"""Odoo's own backup zip: what stands in it, and what of it was proved."""

from collections.abc import Mapping
from datetime import datetime

from odoo_ops.model.base import Value
from odoo_ops.model.checks import Check
from odoo_ops.model.previews import Preview
from odoo_ops.model.report import Damage


class ZipContents(Value):
    """What a zip holds, before anything of it was unpacked.

    Attributes:
        series: Odoo's series by its `manifest.json`, such as `19.0`; None where that does not tell.
        modules: installed modules and versions by its `manifest.json`; None where that does not tell.
        rows: row count by `schema.table`, counted in `dump.sql`.
        extensions: names of the extensions that `dump.sql` makes.
        indexes_unaccent: whether an index of it uses unaccent.
        sql_bytes: of `dump.sql`, unpacked.
        files: attachments' files.
        filestore_bytes: of these, unpacked.
    """

    series: str | None
    modules: Mapping[str, str] | None
    rows: dict[str, int]
    extensions: tuple[str, ...]
    indexes_unaccent: bool
    sql_bytes: int
    files: int
    filestore_bytes: int


class ZipProof(Value):
    """What was found in a written zip when it was read again."""

    zip_bytes: int
    rows: dict[str, int]
    files: int
    complete: bool
    damaged: tuple[Damage, ...]
    damaged_total: int


class ExportReport(Value):
    """One export of a backup into a zip, `destination` on the environment's host."""

    environment: str
    database: str
    snapshot_id: str
    taken_at: datetime
    seconds: float
    destination: str
    zip_bytes: int
    tables: int
    rows: int
    files: int
    damaged: tuple[str, ...]
    damaged_total: int
    checks: tuple[Check, ...]


class ImportReport(Value):
    """One import of a zip, `source` on the environment's host; as a neutralised copy, or as it is.

    With a `preview`: what one would do; the series is then what the zip says of itself.
    """

    environment: str
    source: str
    series: str
    as_copy: bool
    seconds: float
    tables: int
    rows: int
    files: int
    damaged: tuple[str, ...]
    damaged_total: int
    kept_database: str | None
    kept_filestore: str | None
    checks: tuple[Check, ...]
    preview: Preview | None = None
