"""What came of a run that released, forecast or took back a release."""

from collections.abc import Mapping
from datetime import datetime

from odoo_ops.model.base import Value
from odoo_ops.model.checks import Check
from odoo_ops.model.release import ReleasePlan, ReleaseRecord
from odoo_ops.model.table_locks import UpdateLocks


class ReleaseReport(Value):
    """One run of `release`.

    Attributes:
        applied: whether the plan was carried out, and is in place.
        failure: why the run failed, and how it stands; empty: it did not fail.
        in_place: where it failed, whether the release is in place all the same; None: nobody knows.
        down_seconds: how long Odoo did not serve people; None: it was not stopped, or did not come back.
        checks: what was looked at.
    """

    environment: str
    seconds: float
    plan: ReleasePlan
    applied: bool
    failure: str = ""
    in_place: bool | None = False
    down_seconds: float | None = None
    kept_database: str | None = None
    checks: tuple[Check, ...] = ()


class ForecastReport(Value):
    """One run of `forecast`.

    Attributes:
        snapshot_id: the backup that was restored for it, taken at `taken_at`.
        copy_seconds: how long a copy of the database took; None: no module is to be updated, or it was not tried.
        update_seconds: how long the modules took; None: there is none to update, or it did not come to its end.
        boot_seconds: how long the first start of the updated copy took, with a look at its pages.
        locks: what the update had to itself, also when it did not come to its end; None: it did not begin.
        checks: what was looked at.
    """

    environment: str
    seconds: float
    plan: ReleasePlan
    snapshot_id: str
    taken_at: datetime
    copy_seconds: float | None = None
    update_seconds: float | None = None
    boot_seconds: float | None = None
    locks: UpdateLocks | None = None
    checks: tuple[Check, ...] = ()


class RollbackReport(Value):
    """One run of `rollback`.

    Attributes:
        record: the release that is taken back.
        written: tables -> rows written to them since; they are not in the former database.
        applied: whether it was taken back.
        down_seconds: how long Odoo did not serve people.
        kept_database: the database that was replaced, with all that was written.
        checks: what was looked at afterwards.
    """

    environment: str
    seconds: float
    record: ReleaseRecord
    written: Mapping[str, int]
    applied: bool
    down_seconds: float | None = None
    kept_database: str | None = None
    checks: tuple[Check, ...] = ()

    @property
    def summary(self) -> str:
        """What is lost from sight, in one sentence."""
        if self.record.kept_database is None:
            return "No module was updated since, so the database stays as it is."
        rows, tables = sum(self.written.values()), len(self.written)
        at = f"{self.record.at:%Y-%m-%d %H:%M %Z}"
        return f"The database goes back to {at}: {rows} rows in {tables} tables were written since."
