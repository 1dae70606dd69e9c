"""Which backups are forgotten: restic's own `--keep-…` knows nothing of proofs, so this decides (see ADR 6)."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from odoo_ops.model.environment import Retention
from odoo_ops.model.repository import Repository
from odoo_ops.model.retention import Decision, RetentionPlan
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.policy.snapshots import newest_clean, newest_proved

_YOUNG = timedelta(days=1)
# as long, a run that failed or died may be looked into
_UNPROVED_KEPT = timedelta(days=7)

_NO_RULE = "others stand for its day, week, month and year"
_NOT_PROVED = "not proved, and a proved one is newer"


def retention_plan(
    backups: list[Snapshot], retention: Retention, now: datetime, *, object_lock_days: int = 0
) -> RetentionPlan:
    """Decide on every backup of one environment.

    For each of the newest `keep_…` days, weeks (ISO), months and years of UTC that have one, the newest proved backup
    is kept, one without damage before a damaged one. While there are fewer such periods than may be kept, the oldest
    is kept as well, as by restic. Backups that were never proved stand for no period: they go after a week, once a
    proved one is newer. Whatever the numbers, these are kept: the newest proved, the newest verified, the newest
    without damage, those younger than a day and those under the bucket's object lock. One of the future, by a clock
    that was wrong, is kept and takes no other's place: it is not the newest, and stands for no period.
    """
    newest_first = sorted(backups, key=lambda backup: (backup.taken_at, backup.id), reverse=True)
    past = [backup for backup in newest_first if backup.taken_at <= now]
    reasons: dict[str, list[str]] = defaultdict(list)
    for backup, reason in (
        *_newest_kept(past),
        *_young_kept(newest_first, now, timedelta(days=object_lock_days)),
        *_unproved_kept(past, now),
        *_stand_for_a_period([backup for backup in past if backup.proved], retention),
    ):
        reasons[backup.id].append(reason)
    decisions = tuple(_decision(backup, reasons[backup.id]) for backup in newest_first)
    return RetentionPlan(planned_at=now, decisions=decisions)


def orphaned_marks(listed: list[Snapshot], now: datetime, *, object_lock_days: int = 0) -> list[Snapshot]:
    """The marks, among what a repository lists, of backups that are no longer there and that no object lock holds."""
    present = {snapshot.named_as for snapshot in listed if not snapshot.is_mark}
    locked = timedelta(days=object_lock_days)
    return [
        snapshot
        for snapshot in listed
        if snapshot.is_mark and snapshot.about not in present and now - snapshot.taken_at >= locked
    ]


def why_not_applied(repository: Repository, *, dry_run: bool) -> str | None:
    """Why nothing is forgotten whatever the plan says; None: the plan is applied."""
    if repository.append_only:
        return (
            "the repository is append-only: forget these where its full-access key is, by `restic forget` or by "
            "registering the repository there without append_only"
        )
    return "this was a dry run: run it with dry_run switched off" if dry_run else None


def _decision(backup: Snapshot, reasons: list[str]) -> Decision:
    gone = _NO_RULE if backup.proved else _NOT_PROVED
    return Decision(snapshot=backup, keep=bool(reasons), reasons=tuple(reasons) or (gone,))


def _newest_kept(newest_first: list[Snapshot]) -> Iterator[tuple[Snapshot, str]]:
    verified = next((backup for backup in newest_first if backup.verified), None)
    for backup, reason in (
        (newest_proved(newest_first), "newest proved"),
        (verified, "newest verified"),
        (newest_clean(newest_first), "newest without damage"),
    ):
        if backup:
            yield backup, reason


def _young_kept(newest_first: list[Snapshot], now: datetime, locked: timedelta) -> Iterator[tuple[Snapshot, str]]:
    for backup in newest_first:
        if backup.taken_at > now:
            yield backup, "of the future: a clock was wrong"
        elif now - backup.taken_at < _YOUNG:
            yield backup, "younger than a day"
        if now - backup.taken_at < locked:
            yield backup, f"object lock until {backup.taken_at.astimezone(UTC) + locked:%Y-%m-%d %H:%M} UTC"


def _unproved_kept(newest_first: list[Snapshot], now: datetime) -> Iterator[tuple[Snapshot, str]]:
    newest = newest_proved(newest_first)
    for backup in newest_first:
        if backup.proved:
            continue
        if newest is None or newest.taken_at <= backup.taken_at:
            yield backup, "not proved, but no proved one is newer"
        elif now - backup.taken_at <= _UNPROVED_KEPT:
            yield backup, "not proved, not older than a week"


def _stand_for_a_period(proved: list[Snapshot], retention: Retention) -> Iterator[tuple[Snapshot, str]]:
    """For every period that keeps a backup, that backup; `proved` is newest first."""
    for kind, wanted, name_of in _periods(retention):
        of_period: dict[str, list[Snapshot]] = defaultdict(list)
        for backup in proved:
            of_period[name_of(backup.taken_at.astimezone(UTC))].append(backup)
        for name in list(of_period)[:wanted]:
            there = of_period[name]
            yield next((backup for backup in there if not backup.damaged), there[0]), f"{kind} {name}"
        if proved and len(of_period) < wanted:
            yield proved[-1], f"oldest, as fewer than {wanted} {kind} ones are there"


def _periods(retention: Retention) -> tuple[tuple[str, int, Callable[[datetime], str]], ...]:
    return (
        ("daily", retention.keep_daily, lambda time: f"{time:%Y-%m-%d}"),
        ("weekly", retention.keep_weekly, lambda time: f"{time:%G-W%V}"),
        ("monthly", retention.keep_monthly, lambda time: f"{time:%Y-%m}"),
        ("yearly", retention.keep_yearly, lambda time: f"{time:%Y}"),
    )
