from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from odoo_ops.errors import PreconditionFailed, Refused
from odoo_ops.model.environment import DatabaseSettings
from odoo_ops.model.manifest import Facts, Sequence
from odoo_ops.model.report import Damage, FilestoreProof
from odoo_ops.model.snapshot import PROOF_TAG, VERIFIED_TAG, Snapshot, mark_tags
from odoo_ops.policy.comparison import compare_facts, judge_files
from odoo_ops.policy.dumps import (
    compression,
    disposable,
    disposable_filestores,
    kept_mark,
    made_name,
    scratch_mark,
    swap_was_done,
)
from odoo_ops.policy.fences import refuse_identity
from odoo_ops.policy.snapshots import (
    backups_with_marks,
    choose_snapshot,
    newest_clean,
    newest_proved,
    refuse_damaged,
    widest_gap_seconds,
)
from odoo_ops.policy.space import Need, refuse_without_room, reserve_bytes

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=7)

FACTS = Facts(
    rows={"public.res_partner": 3},
    sequences={"public.res_partner_id_seq": Sequence(last_value=7)},
    extensions={"plpgsql": "1.0", "unaccent": "1.1"},
    unaccent_immutable=True,
    unaccent_indexes=("res_partner_name_search",),
    modules={"base": "19.0.1.3"},
    users_sha256="u",
    database_uuid="d",
)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rows": {"public.res_partner": 2}}, "rows of public.res_partner: 2 instead of 3"),
        ({"rows": {}}, "rows of public.res_partner: none instead of 3"),
        ({"sequences": {}}, "sequence public.res_partner_id_seq is missing"),
        (
            {"sequences": {"public.res_partner_id_seq": Sequence(last_value=6)}},
            "sequence public.res_partner_id_seq is 6, behind 7",
        ),
        ({"extensions": {"plpgsql": "1.0"}}, "extension unaccent is missing"),
        ({"unaccent_immutable": False}, "unaccent is not IMMUTABLE"),
        ({"unaccent_indexes": ()}, "index res_partner_name_search is missing"),
        ({"modules": {}}, "module base: none instead of 19.0.1.3"),
        ({"users_sha256": "x"}, "users or their groups differ"),
        ({"database_uuid": None}, "database.uuid differs"),
    ],
)
def test_compare_facts_names_what_is_not_as_backed_up(change: dict[str, object], problem: str) -> None:
    found = [check for check in compare_facts(FACTS, FACTS.model_copy(update=change)) if check.outcome != "passed"]
    assert [(check.outcome, check.detail) for check in found] == [("failed", problem)]


def test_compare_facts_accepts_a_sequence_that_went_on_while_the_dump_ran() -> None:
    ahead = FACTS.model_copy(update={"sequences": {"public.res_partner_id_seq": Sequence(last_value=9)}})
    assert {check.outcome for check in compare_facts(FACTS, ahead)} == {"passed"}


@pytest.mark.parametrize(("damaged", "accepted", "outcome"), [(0, 0, "passed"), (2, 2, "passed"), (2, 1, "failed")])
def test_judge_files_accepts_no_more_damage_than_allowed(damaged: int, accepted: int, outcome: str) -> None:
    check = judge_files(files=9, damaged=damaged, accepted=accepted, first="ir.attachment 7: its file is missing")
    assert check.outcome == outcome
    assert ("damaged_accepted = 2" in check.detail) == (outcome == "failed")


def test_disposable_spares_what_is_not_ours_or_not_yet_due() -> None:
    marks = {
        "odoo_ops_scratch": scratch_mark("erp"),
        "odoo_ops_others": scratch_mark("erp-2"),
        "erp": kept_mark("erp", NOW - timedelta(hours=73), 72),  # put back in its place by hand
        "odoo_ops_due": kept_mark("erp", NOW - timedelta(hours=73), 72),
        "odoo_ops_not_due": kept_mark("erp", NOW - timedelta(hours=71), 72),
        "odoo_ops_others_due": kept_mark("erp-2", NOW - timedelta(hours=73), 72),
        "odoo_ops_described": "the accountants' own",
    }
    assert disposable(marks, "erp", NOW) == ["odoo_ops_due", "odoo_ops_scratch"]


def test_disposable_filestores_are_those_without_a_database() -> None:
    old, new = (made_name("kept", "erp", NOW - timedelta(hours=hours)) for hours in (73, 71))
    scratch = made_name("scratch", "erp", NOW)
    foreign = made_name("scratch", "other", NOW)
    folders = ["erp", old, new, scratch, foreign]
    assert disposable_filestores(folders, {"erp"}, "erp", NOW, 72) == [old, scratch]
    assert disposable_filestores(folders, {"erp", old, scratch}, "erp", NOW, 72) == []


@pytest.mark.parametrize(
    ("replaced", "databases", "done"),
    [
        (True, {"erp", "scratch"}, False),
        (True, {"kept", "erp"}, True),
        (False, {"erp"}, True),
        (False, {"scratch"}, False),
        (True, {"erp"}, False),  # somebody dropped scratch by hand
        (False, set(), False),
    ],
)
def test_swap_was_done_wants_a_witness(replaced: bool, databases: set[str], done: bool) -> None:
    journal = {"scratch": "scratch", "kept": "kept", "replaced": replaced, "was_running": False}
    assert swap_was_done(journal, databases, "erp") == done


@pytest.mark.parametrize(
    ("hours_ago", "gap_hours"),
    [
        ([], None),
        ([2], 2),
        ([50, 26, 2], 24),
        ([75, 50, 2], 48),
        ([400, 300, 2], 298),
        ([300], 300),
        ([500, 180, 2], 178),
        ([26, 2, -1], 24),
        ([-1], None),
    ],
)
def test_widest_gap_is_that_of_the_last_week(hours_ago: list[int], gap_hours: int | None) -> None:
    gap = widest_gap_seconds([NOW - timedelta(hours=hours) for hours in hours_ago], NOW)
    assert gap == (gap_hours and gap_hours * 3600)


def test_newest_clean_is_not_one_whose_damage_is_known() -> None:
    listed = [
        _snapshot("aa11", 1, tags=("odoo-ops",)),
        _snapshot("ab22", 2, tags=("odoo-ops",)),
        _snapshot("p1", 3, tags=mark_tags(PROOF_TAG, "aa11", "t")),
        _snapshot("p2", 4, tags=(*mark_tags(PROOF_TAG, "ab22", "t"), "damaged")),
    ]
    backups = backups_with_marks(listed)
    newest, clean = newest_proved(backups), newest_clean(backups)
    assert (newest and newest.id, clean and clean.id) == ("ab22", "aa11")


def test_made_name_fits_postgresql_when_the_database_name_does_not() -> None:
    assert len(made_name("scratch", "é" * 63, NOW).encode()) < 63


@pytest.mark.parametrize(
    ("major", "free_bytes", "expected"),
    [(15, 399, "1"), (16, 399, "zstd:1"), (18, 399, "zstd:1"), (15, 400, "0"), (18, 400, "0")],
)
def test_compression_follows_the_room_and_what_pg_dump_knows(major: int, free_bytes: int, expected: str) -> None:
    assert compression(major, table_bytes=100, free_bytes=free_bytes) == expected


def test_refuse_identity_ignores_what_was_lost_and_refuses_what_changed() -> None:
    marker = {"system_identifier": "1", "database_uuid": "a", "offsite": "x"}
    refuse_identity(marker, {"system_identifier": "1"}, "erp", record="m on h")
    with pytest.raises(
        Refused, match=r"system_identifier was 1 and is 2\. .* was really replaced, .*: delete m on h and"
    ):
        refuse_identity(marker, {"system_identifier": "2", "database_uuid": "a"}, "erp", record="m on h")
    with pytest.raises(
        Refused, match=r"offsite was x and is y\. .*`restic snapshots` lists there .*: delete m on h and"
    ):
        refuse_identity(marker, {"offsite": "y"}, "erp", record="m on h")


def _snapshot(identity: str, day: int, **fields: object) -> Snapshot:
    taken_at = datetime(2026, 3, day, tzinfo=UTC)
    given = {"environment": "erp", "id": identity, "original": None, "taken_at": taken_at, "tree": "t"}
    return Snapshot.model_validate(given | {"tags": (), "paths": (), "proved": True} | fields)


def test_choose_snapshot_takes_the_newest_or_the_named_one() -> None:
    snapshots = [_snapshot("aa11", 1), _snapshot("ab22", 3), _snapshot("cc33", 2)]
    assert choose_snapshot(snapshots, "latest", "erp", LATER).id == "ab22"
    assert choose_snapshot(snapshots, "cc", "erp", LATER).id == "cc33"
    assert choose_snapshot([*snapshots, _snapshot("dd44", 4, original="ee55")], "ee", "erp", LATER).id == "dd44"


def test_choose_snapshot_takes_one_that_was_not_proved_only_when_it_is_named() -> None:
    snapshots = [_snapshot("aa11", 1), _snapshot("ab22", 3, proved=False)]
    assert choose_snapshot(snapshots, "latest", "erp", LATER).id == "aa11"
    assert choose_snapshot(snapshots, "ab", "erp", LATER).id == "ab22"
    with pytest.raises(PreconditionFailed, match=r"0 snapshots of erp fit 'latest'.*ab22 of .* \(not proved\)"):
        choose_snapshot(snapshots[1:], "latest", "erp", LATER)


def test_time_of_a_snapshot_is_shown_in_utc_whatever_the_zone_of_its_host() -> None:
    taken_at = datetime(2026, 7, 1, 2, 30, tzinfo=timezone(timedelta(hours=2)))
    snapshot = Snapshot(environment="erp", id="aa11", taken_at=taken_at, tags=(), paths=())
    with pytest.raises(PreconditionFailed, match=r"aa11 of 2026-07-01 00:30 UTC \(not proved\)"):
        choose_snapshot([snapshot], "latest", "erp", LATER)


def test_choose_snapshot_refuses_latest_when_it_is_of_the_future() -> None:
    snapshots = [_snapshot("aa11", 1), _snapshot("ab22", 3)]
    with pytest.raises(PreconditionFailed, match=r"ab22 of 2026-03-03 00:00 UTC, is of .*: it is 2026-03-01 12:00 UTC"):
        choose_snapshot(snapshots, "latest", "erp", NOW)
    assert choose_snapshot(snapshots, "aa", "erp", NOW).id == "aa11"
    assert choose_snapshot(snapshots, "latest", "erp", snapshots[1].taken_at - timedelta(minutes=4)).id == "ab22"


def test_backups_with_marks_knows_a_mark_by_its_tag_also_when_the_snapshot_was_copied() -> None:
    listed = [
        _snapshot("aa11", 1, tags=("odoo-ops", "production"), proved=False),
        _snapshot("ab22", 2, tags=("odoo-ops", "production"), proved=False),
        _snapshot("cc33", 3, tags=("odoo-ops", "production"), original="dd44", proved=False),
        _snapshot("ee55", 4, tags=mark_tags(PROOF_TAG, "aa11", "t")),
        _snapshot("ff66", 5, tags=mark_tags(PROOF_TAG, "dd44", "t")),
        _snapshot("a177", 6, tags=mark_tags(VERIFIED_TAG, "dd44", "t")),
    ]
    backups = backups_with_marks(listed)
    assert [(backup.id, backup.proved, backup.verified) for backup in backups] == [
        ("cc33", True, True),
        ("ab22", False, False),
        ("aa11", True, False),
    ]
    newest = newest_proved(backups)
    assert newest is not None
    assert newest.id == "cc33"
    assert newest_proved(backups[1:2]) is None


def test_marks_do_not_count_when_the_backup_holds_something_else_than_when_it_was_marked() -> None:
    tags = ("odoo-ops", "production")
    listed = [
        _snapshot("whole", 1, tags=tags, proved=False),
        _snapshot("mended", 1, tags=tags, original="whole", tree="less", proved=False),
        _snapshot("copy", 1, tags=tags, original="whole", proved=False),
        _snapshot("p1", 2, tags=(*mark_tags(PROOF_TAG, "whole", "t"), "damaged")),
        _snapshot("v1", 2, tags=mark_tags(VERIFIED_TAG, "whole", "t")),
        _snapshot("p2", 2, tags=mark_tags(PROOF_TAG, "another", "less")),
    ]
    assert {
        backup.id: (backup.proved, backup.proof, backup.damaged, backup.verified)
        for backup in backups_with_marks(listed)
    } == {
        "whole": (True, "p1", True, True),
        "mended": (False, "", False, False),
        "copy": (True, "p1", True, True),
    }


@pytest.mark.parametrize(("damaged", "accepted"), [(0, 0), (2, 2), (2, 3)])
def test_refuse_damaged_lets_pass_what_is_accepted(damaged: int, accepted: int) -> None:
    refuse_damaged(_snapshot("aa11", 1), _proof(damaged), accepted)


def test_refuse_damaged_names_a_record_and_the_number_to_accept() -> None:
    with pytest.raises(
        PreconditionFailed,
        match=r"snapshot aa11 of 2026-03-01 00:00 UTC .* 2 attachments .*\(allowed: 1\), for example ir.attachment 7 .*"
        r"Nothing was changed. Next step: name an older snapshot.*damaged_accepted = 2$",
    ):
        refuse_damaged(_snapshot("aa11", 1), _proof(2), accepted=1)


def _proof(damaged: int) -> FilestoreProof:
    facts = {"fname": "aa/aa11", "checksum": None, "size": None, "model": "res.partner", "record": 1, "field": None}
    found = Damage.model_validate(facts | {"id": 7, "reason": "its file is missing"})
    return FilestoreProof(
        attachments=9, files=9, hashed_files=9, hashed_bytes=9, damaged=(found,) * damaged, damaged_total=damaged
    )


@pytest.mark.parametrize("wanted", ["a", "zz", ""])
def test_choose_snapshot_lists_what_there_is_when_not_exactly_one_fits(wanted: str) -> None:
    with pytest.raises(PreconditionFailed, match="ab22 of 2026-03-03 00:00 UTC, aa11 of 2026-03-01 00:00 UTC"):
        choose_snapshot([_snapshot("aa11", 1), _snapshot("ab22", 3)], wanted, "erp", LATER)


@pytest.mark.parametrize("name", ["a/b", "..", "postgres", "template1", "x\0y", "é" * 32])
def test_database_name_is_refused_when_it_cannot_name_database_and_filestore(name: str) -> None:
    with pytest.raises(ValidationError):
        DatabaseSettings(name=name, user="odoo")


def _need(what: str, device: int, needed: int, free: int) -> Need:
    return Need(what=what, folder=f"/{what}", needed_bytes=needed, free_bytes=free, device=device)


@pytest.mark.parametrize(
    "needs",
    [
        [],
        [_need("dump", 1, 100, 100)],
        [_need("dump", 1, 100, 100), _need("filestore", 2, 100, 100)],
        [_need("dump", 1, 40, 100), _need("filestore", 1, 60, 100)],
    ],
)
def test_refuse_without_room_lets_pass_what_fits(needs: list[Need]) -> None:
    refuse_without_room(needs, "erp-host")


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        (
            [_need("dump", 1, 1000, 999)],
            "erp-host has 999 bytes free where 1,000 can be needed: dump up to 1,000 bytes in /dump. Nothing .* Next",
        ),
        (
            [_need("dump", 1, 60, 100), _need("filestore", 1, 41, 100)],
            "100 bytes free where 101 can be needed: dump up to 60 bytes in /dump and filestore up to 41 bytes",
        ),
        (
            [_need("dump", 1, 60, 100), _need("filestore", 2, 41, 40)],
            "40 bytes free where 41 can be needed: filestore",
        ),
    ],
)
def test_refuse_without_room_names_the_folders_when_a_file_system_is_too_small(needs: list[Need], message: str) -> None:
    with pytest.raises(PreconditionFailed, match=message):
        refuse_without_room(needs, "erp-host")


@pytest.mark.parametrize(("total_bytes", "left"), [(2**42, 2**30), (10 * 2**30, 2**30), (2**30, 2**30 // 10)])
def test_a_gib_or_a_tenth_of_a_small_disk_is_left_to_others(total_bytes: int, left: int) -> None:
    assert reserve_bytes(total_bytes) == left
