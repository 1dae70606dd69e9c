"""What a backup must hold: read inside the dump's own snapshot, recomputed after a restore."""

from datetime import datetime

from odoo_ops.model.base import Value
from odoo_ops.model.business import Business


class Sequence(Value):
    """State of one PostgreSQL sequence; `last_value` is None while it was never used."""

    last_value: int | None


class Inventory(Value):
    """Attachments of the filestore. `sha256` is that of the inventory file itself."""

    attachments: int
    files: int
    bytes: int
    sha256: str


class Facts(Value):
    """What can be read from a database, live or restored.

    Attributes:
        rows: row count by `schema.table`.
        extensions: version by name.
        unaccent_immutable: None where the extension is not installed.
        unaccent_indexes: names of the indexes that use unaccent.
        modules: version by name of the installed modules.
        users_sha256: of logins, active flags and groups of all users, in order.
    """

    rows: dict[str, int]
    sequences: dict[str, Sequence]
    extensions: dict[str, str]
    unaccent_immutable: bool | None
    unaccent_indexes: tuple[str, ...]
    modules: dict[str, str]
    users_sha256: str
    database_uuid: str | None


class Manifest(Value):
    """Proof of one backup; one of an older version has no `business`."""

    format: int = 1
    environment: str
    stage: str
    database: str
    filestore: str
    taken_at: datetime
    postgresql: str
    odoo: str
    addons_commits: dict[str, str]
    database_bytes: int
    facts: Facts
    business: Business | None = None
    inventory: Inventory
    dump_files: dict[str, int]

    @property
    def odoo_series(self) -> str:
        """Odoo's series, such as `19.0`: the version of a module begins with it."""
        return ".".join(self.odoo.split(".")[:2])
