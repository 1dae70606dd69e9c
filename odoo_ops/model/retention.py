"""Which backups are kept and which are forgotten, and why."""

from datetime import datetime

from odoo_ops.model.base import Value
from odoo_ops.model.snapshot import Snapshot


class Decision(Value):
    """What becomes of one backup.

    Attributes:
        reasons: for a person: every rule that keeps it, or why none does.
    """

    snapshot: Snapshot
    keep: bool
    reasons: tuple[str, ...]


class RetentionPlan(Value):
    """The decision on every backup of an environment, newest first.

    Attributes:
        planned_at: the time by which ages were judged.
        marks: how many marks go: those of backups that go, and those that a dead run left alone.
    """

    planned_at: datetime
    decisions: tuple[Decision, ...]
    marks: int = 0

    @property
    def kept(self) -> list[Snapshot]:
        """The backups that stay."""
        return [decision.snapshot for decision in self.decisions if decision.keep]

    @property
    def forgotten(self) -> list[Snapshot]:
        """The backups that go."""
        return [decision.snapshot for decision in self.decisions if not decision.keep]
