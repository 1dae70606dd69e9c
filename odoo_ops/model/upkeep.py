"""What looking after a repository found and did, for a person to read."""

from odoo_ops.model.base import Value
from odoo_ops.model.checks import Check
from odoo_ops.model.retention import RetentionPlan


class ForgetReport(Value):
    """Which backups of an environment were forgotten, or would be.

    Attributes:
        not_applied: why nothing was forgotten; None: the plan was applied, and that they are gone was looked at.
    """

    environment: str
    plan: RetentionPlan
    not_applied: str | None


class FreedSpace(Value):
    """restic's own figures of what it freed or would free, by its rounding; None: it gave none."""

    freed_bytes: int | None
    remaining_bytes: int | None
    unused_bytes: int | None


class PruneReport(Value):
    """What was freed in a repository, or would be."""

    environment: str
    dry_run: bool
    object_lock_days: int
    seconds: float
    space: FreedSpace


class Affected(Value):
    """Which files of which snapshots (by their short ids) use damaged packs."""

    files: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()


class RepositoryReport(Value):
    """The health of a repository, or how its password was changed."""

    environment: str
    seconds: float
    checks: tuple[Check, ...]
