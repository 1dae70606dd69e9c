"""What looking after a repository found and did, for a person to read."""

from odoo_ops.model.base import Value
from odoo_ops.model.checks import Check
from odoo_ops.model.retention import RetentionPlan


class _RepositoryReport(Value):
    """What was done in the repository of an environment, or (`offsite`) in the one that holds its copies."""

    environment: str
    offsite: bool

    @property
    def repository(self) -> str:
        """Which repository it is, in words."""
        return f"{'off-site repository' if self.offsite else 'repository'} of {self.environment}"

    @property
    def place(self) -> str:
        """The same as part of an artifact's key."""
        return f"{self.environment}-offsite" if self.offsite else self.environment


class ForgetReport(_RepositoryReport):
    """Which backups of an environment were forgotten, or would be.

    Attributes:
        not_applied: why nothing was forgotten; None: the plan was applied, and that they are gone was looked at.
    """

    plan: RetentionPlan
    not_applied: str | None


class FreedSpace(Value):
    """restic's own figures of what it freed or would free, by its rounding; None: it gave none."""

    freed_bytes: int | None
    remaining_bytes: int | None
    unused_bytes: int | None


class PruneReport(_RepositoryReport):
    """What was freed in a repository, or would be."""

    dry_run: bool
    object_lock_days: int
    seconds: float
    space: FreedSpace


class Affected(Value):
    """Which files of which snapshots (by their short ids) use damaged packs."""

    files: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()


class RepositoryReport(_RepositoryReport):
    """The health of a repository, or how its password was changed."""

    seconds: float
    checks: tuple[Check, ...]
