from datetime import UTC, datetime, timedelta
from typing import NoReturn

import httpx
import pytest
from pydantic import ValidationError

from odoo_ops.charts import draw_trends
from odoo_ops.errors import TransientError
from odoo_ops.model.environment import BackupPolicy, DatabaseSettings, Environment, Objectives, OdooSettings
from odoo_ops.model.figures import BackupFigures, DrillFigures, History, Sizes
from odoo_ops.model.report import DrillReport
from odoo_ops.policy.trends import DATABASE, ROWS, WHOLE, judge_gap, judge_sizes, judge_verified_age, marked_runs
from tasks import trends as kept_trends

NOW = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
ENVIRONMENT = Environment(
    name="production",
    stage="production",
    odoo=OdooSettings(version="19.0", command=("/usr/bin/odoo",)),
    database=DatabaseSettings(name="erp", user="odoo"),
    data_dir="/var/lib/odoo",
    state_dir="/var/lib/odoo-ops",
)


def sizes(database: int = 1000, rows: int = 1000, total: int | None = 1000) -> Sizes:
    return Sizes(snapshot_id="a", taken_at=NOW, database_bytes=database, rows=rows, total_bytes=total)


def backup(days_ago: float, verified_days: float | None = None, alarms: str = "") -> BackupFigures:
    return BackupFigures(
        **sizes().model_dump(exclude={"taken_at"}),
        taken_at=NOW - timedelta(days=days_ago),
        filestore_bytes=500,
        added_bytes=0,
        seconds=60,
        gap_seconds=None,
        verified_age_seconds=None if verified_days is None else verified_days * 86400,
        alarms=alarms,
    )


def drill(days_ago: float, *, verified: bool, alarms: str = "") -> DrillFigures:
    at = NOW - timedelta(days=days_ago)
    return DrillFigures(
        snapshot_id="a",
        taken_at=at,
        begun_at=at,
        seconds=600,
        gap_seconds=86400,
        recovery_seconds=500 if verified else None,
        verified=verified,
        alarms=alarms,
    )


@pytest.mark.parametrize(
    ("now", "failed"),
    [
        (sizes(), set()),
        (sizes(database=501, rows=501, total=101), set()),
        (sizes(database=500), {DATABASE}),
        (sizes(rows=500), {ROWS}),
        (sizes(total=100), {WHOLE}),
        (sizes(database=0, rows=0, total=0), {DATABASE, ROWS, WHOLE}),
        (sizes(database=5000, rows=5000, total=5000), set()),
    ],
)
def test_sizes_are_an_alarm_at_their_threshold(now: Sizes, failed: set[str]) -> None:
    checks = judge_sizes(now, sizes(), BackupPolicy())
    assert {check.name for check in checks if check.outcome == "failed"} == failed
    assert {check.outcome for check in checks} <= {"passed", "failed"}


def test_sizes_follow_the_environments_thresholds() -> None:
    policy = BackupPolicy(database_alarm_ratio=0.9, backup_alarm_ratio=0.01)
    checks = {check.name: check for check in judge_sizes(sizes(database=890, total=20), sizes(), policy)}
    assert checks[DATABASE].detail == "890 B, 1.0 kB before; alarm at 0.9 of it"
    assert [checks[name].outcome for name in (DATABASE, ROWS, WHOLE)] == ["failed", "passed", "passed"]


def test_an_empty_database_is_no_alarm_when_it_was_empty_before() -> None:
    empty = sizes(database=0, rows=0, total=0)
    assert {check.outcome for check in judge_sizes(empty, empty, BackupPolicy())} == {"passed"}


def test_sizes_are_not_measured_when_the_last_backup_is_not_known() -> None:
    assert {check.outcome for check in judge_sizes(sizes(), None, BackupPolicy())} == {"not measured"}
    outcomes = {check.name: check.outcome for check in judge_sizes(sizes(), sizes(total=None), BackupPolicy())}
    assert outcomes == {DATABASE: "passed", ROWS: "passed", WHOLE: "not measured"}


@pytest.mark.parametrize("ratio", [0, 1, 1.5])
def test_thresholds_that_would_never_or_always_mark_a_run_are_refused(ratio: float) -> None:
    with pytest.raises(ValidationError):
        BackupPolicy(database_alarm_ratio=ratio)


@pytest.mark.parametrize(
    ("gap_seconds", "outcome", "found"),
    [
        (None, "not measured", "no earlier backup is known"),
        (3600.0, "passed", "1 h 0 min, at most 1 h 0 min"),
        (3660.0, "failed", "1 h 1 min, at most 1 h 0 min"),
    ],
)
def test_time_since_the_last_backup_is_judged_by_the_rpo(gap_seconds: float | None, outcome: str, found: str) -> None:
    check = judge_gap(gap_seconds, Objectives(rpo_minutes=60))
    assert (check.outcome, check.detail) == (outcome, found)


@pytest.mark.parametrize(
    ("history", "outcome", "found"),
    [
        (History(backups=(backup(0),)), "not measured", "never drilled"),
        (History(backups=(backup(0),), drills=(drill(1, verified=False),)), "failed", "no drill has verified a backup"),
        (History(drills=(drill(8, verified=True),)), "passed", "8.0 days, at most 8"),
        (History(drills=(drill(9, verified=True), drill(1, verified=False))), "failed", "9.0 days, at most 8"),
        # the repository knows of a drill whose figures Prefect lost
        (History(backups=(backup(1, verified_days=2),)), "passed", "3.0 days, at most 8"),
        (History(backups=(backup(1, verified_days=20),), drills=(drill(2, verified=True),)), "passed", "2.0 days"),
        # a clock was set back
        (History(drills=(drill(-1 / 24, verified=True),)), "passed", "0.0 days"),
        (History(drills=(drill(-100, verified=True),)), "failed", "in the future"),
    ],
)
def test_age_of_the_newest_verified_backup_is_judged(history: History, outcome: str, found: str) -> None:
    check = judge_verified_age(history, NOW, days=8)
    assert check.outcome == outcome
    assert found in check.detail


def test_marked_runs_are_listed_newest_first() -> None:
    history = History(
        backups=(backup(3, alarms=DATABASE), backup(2)), drills=(drill(2.5, verified=False, alarms="Came to the end"),)
    )
    assert [(kind, run.alarms) for _at, kind, run in marked_runs(history)] == [
        ("drill", "Came to the end"),
        ("backup", DATABASE),
    ]


@pytest.mark.parametrize(
    "history",
    [
        History(backups=(backup(0),)),
        History(drills=(drill(0, verified=False),)),
        History(backups=(backup(0),), drills=(drill(0, verified=True),)),
        History(
            backups=tuple(backup(day, verified_days=day % 9, alarms=DATABASE if day == 3 else "") for day in range(90)),
            drills=tuple(drill(day, verified=day != 7) for day in range(0, 90, 7)),
        ),
    ],
    ids=["one backup", "one failed drill", "both at once", "ninety runs"],
)
def test_picture_is_a_small_png_whatever_was_measured(history: History) -> None:
    """Looked at by a person: docs/images/trends.png. This shows that it is drawn, and its size."""
    png = draw_trends(history, ENVIRONMENT)
    assert png.startswith(b"\x89PNG")
    assert len(png) < 200_000


def test_figures_that_prefect_cannot_keep_are_no_error_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise httpx.ConnectError("All connection attempts failed")

    monkeypatch.setattr(kept_trends, "create_table_artifact", fail)
    report = DrillReport.model_construct(environment="erp")
    monkeypatch.setattr(kept_trends.trends, "drill_figures", lambda _: DrillFigures.model_construct())
    with pytest.raises(TransientError, match=r"stays done, but figures-drill-erp is not kept: .*start the server"):
        kept_trends.keep_drill_figures(report)
