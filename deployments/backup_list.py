"""Which backups of an environment there are, for a person or a script."""

from datetime import UTC, datetime

from blocks import OdooEnvironment
from deployments.registration import prefect_api
from odoo_ops.model.base import Value
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.policy.retention import retention_plan
from odoo_ops.units import shown_bytes


class ListedBackup(Value):
    """One backup, and what its marks say of it.

    Attributes:
        damaged: whether attachments were damaged when it was made; its report names them.
        verified: whether a drill restored, booted and used it.
        size_bytes: dump, filestore and manifest, as restic read them; None: an older restic did not note it.
        new_bytes: what it added to the repository it was made in.
        kept: the rules that keep it, if `forget` ran now.
    """

    time: datetime
    id: str
    size_bytes: int | None
    new_bytes: int | None
    proved: bool
    damaged: bool
    verified: bool
    kept: tuple[str, ...]

    @property
    def row(self) -> tuple[str, ...]:
        """As a line of a table."""
        known = ["proved" if self.proved else "not proved"]
        known += [word for word, holds in (("damaged", self.damaged), ("verified", self.verified)) if holds]
        sizes = ("?" if size is None else shown_bytes(size) for size in (self.size_bytes, self.new_bytes))
        kept = "; ".join(self.kept) or "no rule"
        return (f"{self.time:%Y-%m-%d %H:%M}", self.id[:8], *sizes, ", ".join(known), kept)


COLUMNS = ("time (UTC)", "id", "size", "new", "known of it", "kept as")


def listed_backups(environment: str, *, offsite: bool) -> list[ListedBackup]:
    """The backups of a registered environment, newest first, in its repository or in the off-site one.

    Raises PreconditionFailed where there is no such environment or repository, and what the host raises.
    """
    with prefect_api():
        runtime = OdooEnvironment.open(environment, offsite=offsite)
    with runtime.host.agents_kept():
        runtime.open_repository()
        found = runtime.snapshots(environment)
    lock_days = runtime.repository.object_lock_days
    retention = runtime.environment.backup.retention_of(offsite=offsite)
    plan = retention_plan(found, retention, datetime.now(UTC), object_lock_days=lock_days)
    return [_listed(decision.snapshot, decision.reasons if decision.keep else ()) for decision in plan.decisions]


def _listed(backup: Snapshot, kept: tuple[str, ...]) -> ListedBackup:
    return ListedBackup(
        time=backup.taken_at.astimezone(UTC),
        id=backup.id,
        size_bytes=backup.total_bytes,
        new_bytes=backup.added_bytes,
        proved=backup.proved,
        damaged=backup.damaged,
        verified=backup.verified,
        kept=kept,
    )
