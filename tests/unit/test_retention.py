"""Which backups are forgotten, and for that not copied: cases, properties, and restic's own answer without proofs."""

import json
import os
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odoo_ops.model.environment import Retention
from odoo_ops.model.repository import FolderLocation, OpenRepository
from odoo_ops.model.snapshot import DAMAGED_TAG, PROOF_TAG, VERIFIED_TAG, Snapshot, mark_tags
from odoo_ops.policy.offsite import snapshots_to_copy
from odoo_ops.policy.retention import orphaned_marks, retention_plan, why_not_applied
from odoo_ops.policy.snapshots import backups_with_marks

NOW = datetime(2026, 11, 24, 5, 30, tzinfo=UTC)
NONE = Retention(keep_daily=0, keep_weekly=0, keep_monthly=0, keep_yearly=0)


def _backup(taken: str | datetime, **known: bool) -> Snapshot:
    taken_at = datetime.fromisoformat(taken).replace(tzinfo=UTC) if isinstance(taken, str) else taken
    given_known = {"proved": True} | known
    return Snapshot.model_validate(
        {"environment": "erp", "id": f"{taken_at:%y%m%d%H%M}", "taken_at": taken_at, "tags": (), "paths": ()}
        | given_known
    )


def _keep(**numbers: int) -> Retention:
    return NONE.model_copy(update={f"keep_{name}": number for name, number in numbers.items()})


CASES = [
    # (what is asked, retention, backups as (time, what is known of it), what is kept, with a word of its reason)
    (
        "the newest of each day",
        _keep(daily=2),
        [("2026-11-20 02:30", {}), ("2026-11-20 14:00", {}), ("2026-11-21 02:30", {}), ("2026-11-19 02:30", {})],
        {"2026-11-21 02:30": "daily 2026-11-21", "2026-11-20 14:00": "daily 2026-11-20"},
    ),
    (
        "a day without a backup does not count",
        _keep(daily=2),
        [("2026-11-20 02:30", {}), ("2026-10-01 02:30", {}), ("2026-09-01 02:30", {})],
        {"2026-11-20 02:30": "newest proved", "2026-10-01 02:30": "daily 2026-10-01"},
    ),
    (
        "a dead run's backup never takes the place of a proved one of its day",
        _keep(daily=2),
        [("2026-11-10 02:30", {}), ("2026-11-10 12:00", {"proved": False}), ("2026-11-12 02:30", {})],
        {"2026-11-12 02:30": "daily", "2026-11-10 02:30": "daily 2026-11-10"},
    ),
    (
        "one that was not proved goes after a week, and only if a proved one is newer",
        _keep(daily=1),
        [
            ("2026-11-01 02:30", {"proved": False}),
            ("2026-11-10 02:30", {}),
            ("2026-11-12 02:30", {"proved": False}),
        ],
        {"2026-11-10 02:30": "newest proved", "2026-11-12 02:30": "no proved one is newer"},
    ),
    (
        "one that was not proved is kept for a week",
        _keep(daily=1),
        [("2026-11-17 06:00", {"proved": False}), ("2026-11-17 05:00", {"proved": False}), ("2026-11-22 02:30", {})],
        {"2026-11-22 02:30": "daily", "2026-11-17 06:00": "not older than a week"},
    ),
    (
        "nothing goes where nothing was ever proved",
        _keep(daily=1),
        [("2025-11-01 02:30", {"proved": False}), ("2024-11-01 02:30", {"proved": False})],
        {"2025-11-01 02:30": "no proved one is newer", "2024-11-01 02:30": "no proved one is newer"},
    ),
    (
        "one without damage stands for its week before a newer damaged one",
        _keep(weekly=2),
        [("2026-11-20 02:30", {"damaged": True}), ("2026-11-18 02:30", {}), ("2026-11-22 02:30", {"damaged": True})],
        {"2026-11-22 02:30": "newest proved", "2026-11-18 02:30": "weekly 2026-W47"},
    ),
    (
        "a damaged one stands for its day where there is no other",
        _keep(daily=2),
        [("2026-11-20 02:30", {"damaged": True}), ("2026-11-22 02:30", {"damaged": True}), ("2026-11-01 02:30", {})],
        {
            "2026-11-22 02:30": "daily 2026-11-22",
            "2026-11-20 02:30": "daily 2026-11-20",
            "2026-11-01 02:30": "newest without damage",
        },
    ),
    (
        "the newest verified and the newest proved stay whatever the numbers say",
        NONE,
        [("2026-01-01 02:30", {"verified": True}), ("2026-02-01 02:30", {"verified": True}), ("2026-03-01 02:30", {})],
        {"2026-03-01 02:30": "newest proved", "2026-02-01 02:30": "newest verified"},
    ),
    (
        "all of the last day stay, and those of a wrong clock",
        NONE,
        [("2026-11-23 05:31", {}), ("2026-11-23 05:30", {}), ("2026-11-24 02:30", {}), ("2027-01-01 02:30", {})],
        {
            "2026-11-23 05:31": "younger than a day",
            "2026-11-24 02:30": "younger than a day",
            "2027-01-01 02:30": "of the future",
        },
    ),
    (
        "one of a wrong clock takes no other's place",
        _keep(daily=1),
        [
            ("2030-01-01 02:30", {"verified": True}),
            ("2026-11-21 02:30", {}),
            ("2026-11-20 02:30", {"verified": True}),
            ("2026-11-10 02:30", {}),
            ("2026-11-01 02:30", {"proved": False}),
        ],
        {
            "2030-01-01 02:30": "of the future",
            "2026-11-21 02:30": "newest proved; newest without damage; daily 2026-11-21",
            "2026-11-20 02:30": "newest verified",
        },
    ),
    (
        "the oldest stays while a kind of period is not filled",
        _keep(monthly=3),
        [("2026-10-02 02:30", {}), ("2026-10-30 02:30", {}), ("2026-11-20 02:30", {})],
        {
            "2026-11-20 02:30": "monthly 2026-11",
            "2026-10-30 02:30": "monthly 2026-10",
            "2026-10-02 02:30": "oldest, as fewer than 3 monthly",
        },
    ),
    (
        "an ISO week goes over the turn of the year",
        _keep(weekly=1),
        [("2026-12-31 02:30", {}), ("2027-01-03 02:30", {}), ("2026-12-28 02:30", {})],
        {"2027-01-03 02:30": "weekly 2026-W53"},
    ),
]


@pytest.mark.parametrize(("asked", "retention", "backups", "kept"), CASES, ids=[case[0] for case in CASES])
def test_retention_plan_keeps_for_its_reasons(
    asked: str, retention: Retention, backups: list[tuple[str, dict[str, bool]]], kept: dict[str, str]
) -> None:
    now = max(NOW, datetime(2027, 1, 10, tzinfo=UTC)) if "turn of the year" in asked else NOW
    plan = retention_plan([_backup(taken, **known) for taken, known in backups], retention, now)
    found = {f"{d.snapshot.taken_at:%Y-%m-%d %H:%M}": "; ".join(d.reasons) for d in plan.decisions if d.keep}
    assert found.keys() == kept.keys()
    assert [(reason, found[time]) for time, reason in kept.items() if reason not in found[time]] == []
    assert all(decision.reasons for decision in plan.decisions)


def test_retention_plan_forgets_nothing_that_an_object_lock_holds() -> None:
    backups = [_backup(NOW - timedelta(days=days)) for days in (2, 29, 30)]
    plan = retention_plan(backups, NONE, NOW, object_lock_days=30)
    assert [backup.id for backup in plan.forgotten] == [backups[2].id]
    assert plan.decisions[1].reasons == ("object lock until 2026-11-25 05:30 UTC",)


def test_retention_plan_counts_days_in_utc_when_the_host_lives_elsewhere() -> None:
    backups = [
        _backup(datetime.fromisoformat(time))
        for time in ("2026-11-20T01:00:00+02:00", "2026-11-19T12:00:00+02:00", "2026-11-18T12:00:00+00:00")
    ]
    plan = retention_plan(backups, _keep(daily=2), NOW)
    assert [backup.id for backup in plan.kept] == [backups[0].id, backups[2].id]


def test_orphaned_marks_are_those_without_a_backup() -> None:
    backup = _backup("2026-11-20 02:30").model_copy(update={"id": "new", "original": "first", "tree": "t"})
    marks = [
        _backup("2026-11-20 02:31").model_copy(update={"id": f"mark-{mark}-{of}", "tags": mark_tags(mark, of, "t")})
        for mark in (PROOF_TAG, VERIFIED_TAG)
        for of in ("first", "gone")
    ]
    listed = [backup, *marks]
    assert [mark.id for mark in orphaned_marks(listed, NOW)] == [f"mark-{PROOF_TAG}-gone", f"mark-{VERIFIED_TAG}-gone"]
    assert orphaned_marks(listed, NOW, object_lock_days=5) == []


def test_why_not_applied_is_append_only_whatever_was_asked() -> None:
    repository = OpenRepository(name="main", location=FolderLocation(path="/repository"), password="password")  # type: ignore[arg-type]
    assert why_not_applied(repository, dry_run=False) is None
    assert "dry run" in str(why_not_applied(repository, dry_run=True))
    repository = repository.model_copy(update={"append_only": True})
    assert "append-only" in str(why_not_applied(repository, dry_run=False))


NUMBERS = st.integers(min_value=0, max_value=5)
RETENTIONS = st.builds(Retention, keep_daily=NUMBERS, keep_weekly=NUMBERS, keep_monthly=NUMBERS, keep_yearly=NUMBERS)
BACKUPS = st.lists(
    st.builds(
        _backup,
        st.integers(min_value=-48, max_value=24_000).map(lambda hours: NOW - timedelta(hours=hours)),
        proved=st.booleans(),
        damaged=st.booleans(),
        verified=st.booleans(),
    ),
    max_size=40,
    unique_by=lambda backup: backup.id,
)


@given(BACKUPS, RETENTIONS)
def test_retention_plan_never_forgets_what_a_disaster_needs(backups: list[Snapshot], retention: Retention) -> None:
    plan = retention_plan(backups, retention, NOW)
    assert sorted(d.snapshot.id for d in plan.decisions) == sorted(backup.id for backup in backups)
    gone = {backup.id for backup in plan.forgotten}

    def newest(among: list[Snapshot]) -> set[str]:
        return {max(among, key=lambda backup: (backup.taken_at, backup.id)).id} if among else set()

    past = [backup for backup in backups if backup.taken_at <= NOW]
    needed = newest([b for b in past if b.proved]) | newest([b for b in past if b.verified])
    needed |= newest([b for b in past if b.proved and not b.damaged])
    needed |= {backup.id for backup in backups if NOW - backup.taken_at < timedelta(days=1)}
    assert not needed & gone


@given(BACKUPS, RETENTIONS, st.randoms(use_true_random=False))
def test_retention_plan_keeps_the_same_when_a_run_before_died_on_its_way(
    backups: list[Snapshot], retention: Retention, random: Random
) -> None:
    """Whatever part of what goes is gone already, and when all of it is."""
    plan = retention_plan(backups, retention, NOW)
    kept = {backup.id for backup in plan.kept}
    left = [backup for backup in backups if backup.id in kept or random.random() < 0.5]
    assert {backup.id for backup in retention_plan(left, retention, NOW).kept} == kept
    assert retention_plan(plan.kept, retention, NOW).forgotten == []


def _stored(backup: Snapshot) -> list[Snapshot]:
    """A backup with its marks, as a repository lists them."""
    of_proof = (*mark_tags(PROOF_TAG, backup.id, ""), *([DAMAGED_TAG] if backup.damaged else ()))
    of_drill = mark_tags(VERIFIED_TAG, backup.id, "")
    marks = [tags for tags, there in ((of_proof, backup.proved), (of_drill, backup.verified)) if there]
    taken_at = backup.taken_at + timedelta(seconds=30)
    return [backup, *(_snapshot(f"{tags[0]}-{backup.id}", taken_at, tags) for tags in marks)]


def _snapshot(identity: str, taken_at: datetime, tags: tuple[str, ...]) -> Snapshot:
    return Snapshot(environment="erp", id=identity, taken_at=taken_at, tags=tags, paths=())


def _copied(snapshot: Snapshot) -> Snapshot:
    return snapshot.model_copy(update={"id": f"copy-of-{snapshot.id}", "original": snapshot.id})


def test_backups_that_the_retention_of_the_copies_would_forget_are_not_copied() -> None:
    newest, older, oldest, verified = (
        _backup("2026-11-20 02:30"),
        _backup("2026-11-19 02:30"),
        _backup("2026-11-18 02:30"),
        _backup("2026-10-01 02:30", verified=True),
    )
    unproved = _backup("2026-11-21 02:30", proved=False, verified=True)
    listed = [stored for backup in (oldest, unproved, newest, verified, older) for stored in _stored(backup)]
    wanted = [*_stored(newest), *_stored(older), *_stored(verified)]
    assert snapshots_to_copy(listed, [], _keep(daily=2), NOW) == wanted
    there = [_copied(stored) for stored in (*_stored(newest), oldest)]
    assert snapshots_to_copy(listed, there, _keep(daily=2), NOW) == [
        *_stored(oldest)[1:],  # it is there until `forget` runs, and not without its proof
        *_stored(older),
        *_stored(verified),
    ]


@given(BACKUPS, RETENTIONS, st.randoms(use_true_random=False))
def test_nothing_is_copied_and_forgotten_in_turn(backups: list[Snapshot], retention: Retention, random: Random) -> None:
    listed = [stored for backup in backups if random.random() < 0.8 for stored in _stored(backup)]
    before = [_copied(stored) for backup in backups if random.random() < 0.4 for stored in _stored(backup)]
    missing = snapshots_to_copy(listed, before, retention, NOW)
    there = [*before, *map(_copied, missing)]
    gone = {backup.named_as for backup in retention_plan(backups_with_marks(there), retention, NOW).forgotten}
    assert [backup.id for backup in missing if not backup.is_mark and backup.named_as in gone] == []
    left = [stored for stored in there if (stored.about if stored.is_mark else stored.named_as) not in gone]
    assert snapshots_to_copy(listed, left, retention, NOW) == []
    trusted = [backup for backup in backups_with_marks(listed) if backup.proved and backup.verified]
    past = [backup for backup in trusted if backup.taken_at <= NOW]
    if past:
        of_copies = [copy.taken_at for copy in backups_with_marks(left) if copy.verified and copy.taken_at <= NOW]
        assert max(of_copies) >= max(backup.taken_at for backup in past)


@pytest.fixture(scope="module")
def restic_history(restic: Path, tmp_path_factory: pytest.TempPathFactory) -> "Restic":
    """A real repository with back-dated snapshots of uneven times, all older than a day."""
    run = Restic(restic, tmp_path_factory.mktemp("history"))
    run("init")
    for day in (*range(2, 9), 16, 23, 24, 41, 60, 90, 330, 331, 800):
        for hours in (0, 9) if day % 4 == 0 else (0,):
            taken_at = NOW - timedelta(days=day, hours=hours)
            run("backup", "--host=erp", f"--time={taken_at:%Y-%m-%d %H:%M:%S}", str(run.folder / "data"))
    return run


class Restic:
    def __init__(self, program: Path, folder: Path) -> None:
        self.program, self.folder = program, folder
        (folder / "data").write_text("data")

    def __call__(self, *arguments: str) -> str:
        return subprocess.run(
            [self.program, *arguments],
            env={
                **os.environ,
                "RESTIC_REPOSITORY": str(self.folder / "repository"),
                "RESTIC_PASSWORD": "password",
                "RESTIC_CACHE_DIR": str(self.folder / "cache"),
                "TZ": "UTC",
            },
            check=True,
            capture_output=True,
            text=True,
        ).stdout


@pytest.mark.restic
@pytest.mark.parametrize(
    "numbers", [(14, 8, 12, 7), (3, 0, 0, 0), (0, 4, 0, 0), (0, 0, 3, 0), (0, 0, 0, 1), (7, 4, 6, 2), (100, 0, 0, 0)]
)
def test_retention_plan_keeps_what_restic_keeps_when_all_are_proved(
    restic_history: Restic, numbers: Sequence[int]
) -> None:
    daily, weekly, monthly, yearly = numbers
    listed = json.loads(restic_history("snapshots", "--json"))
    backups = [
        Snapshot(environment="erp", id=entry["id"], taken_at=entry["time"], tags=(), paths=(), proved=True)
        for entry in listed
    ]
    retention = Retention(keep_daily=daily, keep_weekly=weekly, keep_monthly=monthly, keep_yearly=yearly)
    options = [f"--keep-{kind}={number}" for kind, number in zip(KINDS, numbers, strict=True)]
    (group,) = json.loads(restic_history("forget", "--dry-run", "--json", *options))
    kept = {backup.id for backup in retention_plan(backups, retention, NOW).kept}
    # restic takes an option of 0 for none; the newest proved is ours
    assert kept == {entry["id"] for entry in group["keep"]} | {max(backups, key=lambda backup: backup.taken_at).id}


KINDS = ("daily", "weekly", "monthly", "yearly")
