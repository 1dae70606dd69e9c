"""Which change from one run to the next is an alarm."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from odoo_ops.model.checks import Check
from odoo_ops.model.environment import BackupPolicy, Objectives
from odoo_ops.model.figures import BackupFigures, DrillFigures, EarlierBackups, History, Sizes
from odoo_ops.model.report import BackupReport, DrillReport
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.units import shown_bytes, shown_duration

DATABASE = "Database size against the last backup"
ROWS = "Rows against the last backup"
WHOLE = "Backup size against the last backup"
CLOCK = "Newer than the last backup"
GAP = "RPO: time since the last backup"
VERIFIED_AGE = "Age of the newest verified backup"

# by so much a clock may be set back, in a night or at a change of the hour, before age means nothing
_CLOCKS_DIFFER = timedelta(hours=2)

SHRUNK = (DATABASE, ROWS, WHOLE)


def judge_sizes(now: Sizes, before: Sizes | None, policy: BackupPolicy) -> list[Check]:
    """Compare a backup with the proved one before it: what shrank to its threshold or below has failed.

    Rows count as well as bytes: PostgreSQL's files stay large after a DELETE.
    """
    if before is None:
        return [Check(name=name, outcome="not measured", detail="no earlier backup is known") for name in SHRUNK]
    checks = [
        _against(DATABASE, (now.database_bytes, before.database_bytes), policy.database_alarm_ratio, shown_bytes),
        _against(ROWS, (now.rows, before.rows), policy.database_alarm_ratio, "{:,}".format),
    ]
    if now.total_bytes is None or before.total_bytes is None:
        lost = "the last backup's figures are no longer in Prefect"
        return [*checks, Check(name=WHOLE, outcome="not measured", detail=lost)]
    return [*checks, _against(WHOLE, (now.total_bytes, before.total_bytes), policy.backup_alarm_ratio, shown_bytes)]


def _against(name: str, sizes: tuple[int, int], ratio: float, shown: Callable[[int], str]) -> Check:
    now, before = sizes
    shrunk = now < before and now <= before * ratio
    return Check(
        name=name,
        outcome="failed" if shrunk else "passed",
        detail=f"{shown(now)}, {shown(before)} before" + (f"; alarm at {ratio:g} of it" if shrunk else ""),
    )


def judge_clock(taken_at: datetime | None, last: Snapshot | None) -> Check:
    """Is a backup, by its host's clock, newer than the proved one before it? Else `latest` means that one."""
    if taken_at is None or last is None:
        missing = "no earlier backup is known" if taken_at else "restic did not say when it began"
        return Check(name=CLOCK, outcome="not measured", detail=missing)
    detail = (
        f"of {taken_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC; {last.short_id} before it of "
        f"{last.taken_at:%Y-%m-%d %H:%M} UTC"
    )
    return Check(name=CLOCK, outcome="passed" if taken_at > last.taken_at else "failed", detail=detail)


def judge_gap(gap_seconds: float | None, objectives: Objectives) -> Check:
    """Was the proved backup before a backup young enough, until this one was made? None: no such time is known."""
    if gap_seconds is None:
        return Check(name=GAP, outcome="not measured", detail="no earlier backup is known")
    allowed = objectives.rpo_minutes * 60
    return Check(
        name=GAP,
        outcome="passed" if gap_seconds <= allowed else "failed",
        detail=f"{shown_duration(gap_seconds)}, at most {shown_duration(allowed)}",
    )


def judge_verified_age(history: History, now: datetime, days: int) -> Check:
    """Is the newest backup that a drill verified young enough? Not measured where no drill ever was."""
    newest = newest_verified_at(history)
    if newest is None and not history.drills:
        detail = "never drilled. Next step: schedule the flow `drill`"
        return Check(name=VERIFIED_AGE, outcome="not measured", detail=detail)
    if newest is None:
        return Check(name=VERIFIED_AGE, outcome="failed", detail="no drill has verified a backup")
    age = max(now - newest, timedelta())
    if newest - now > _CLOCKS_DIFFER:
        detail = f"it is of {newest:%Y-%m-%d %H:%M} UTC, in the future: a clock is or was wrong"
        return Check(name=VERIFIED_AGE, outcome="failed", detail=detail)
    return Check(
        name=VERIFIED_AGE,
        outcome="passed" if age <= timedelta(days=days) else "failed",
        detail=f"{age / timedelta(days=1):.1f} days, at most {days}",
    )


def newest_verified_at(history: History) -> datetime | None:
    """The state of the newest backup that a drill verified, as backups saw it in their repository or drills say."""
    seen = [
        backup.taken_at - timedelta(seconds=backup.verified_age_seconds)
        for backup in history.backups
        if backup.verified_age_seconds is not None
    ]
    return max([*seen, *(drill.taken_at for drill in history.drills if drill.verified)], default=None)


def marked_runs(history: History) -> list[tuple[datetime, str, BackupFigures | DrillFigures]]:
    """The runs with a failed check, newest first: when, `backup` or `drill`, and its figures."""
    marked: list[tuple[datetime, str, BackupFigures | DrillFigures]] = [
        (backup.taken_at, "backup", backup) for backup in history.backups if backup.alarms
    ]
    marked += [(drill.begun_at, "drill", drill) for drill in history.drills if drill.alarms]
    return sorted(marked, key=lambda run: run[0], reverse=True)


def backup_figures(report: BackupReport, earlier: EarlierBackups) -> BackupFigures:
    """What is kept of a backup's report."""
    return BackupFigures(
        snapshot_id=report.snapshot_id,
        taken_at=report.taken_at,
        database_bytes=report.database_bytes,
        rows=report.rows,
        total_bytes=report.total_bytes,
        filestore_bytes=report.filestore_bytes,
        added_bytes=report.added_bytes,
        seconds=report.seconds,
        gap_seconds=earlier.gap_seconds,
        verified_age_seconds=earlier.verified_age_seconds,
        alarms=_alarms(report.checks),
    )


def drill_figures(report: DrillReport) -> DrillFigures:
    """What is kept of a drill's report."""
    return DrillFigures(
        snapshot_id=report.snapshot_id,
        taken_at=report.taken_at,
        begun_at=report.begun_at,
        seconds=report.seconds,
        gap_seconds=report.gap_seconds,
        recovery_seconds=report.recovery_seconds,
        verified=report.verified,
        alarms=_alarms(report.checks),
    )


def _alarms(checks: tuple[Check, ...]) -> str:
    return "; ".join(check.name for check in checks if check.outcome == "failed")
