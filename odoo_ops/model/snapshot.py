"""A restic snapshot of an environment."""

from datetime import datetime

from odoo_ops.model.base import Value
from odoo_ops.model.environment import SPOOL


class Snapshot(Value):
    """One backup of an environment in its repository.

    Attributes:
        environment: name of the environment that was backed up.
        original: its first id, where a tag gave it another one.
    """

    environment: str
    id: str
    original: str | None
    taken_at: datetime
    tags: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def short_id(self) -> str:
        """The id as people write it."""
        return self.id[:8]

    @property
    def spool(self) -> str:
        """The folder in it that holds dump, inventory and manifest: the one that is no filestore."""
        return next(path for path in self.paths if path.endswith(f"/{SPOOL}"))
