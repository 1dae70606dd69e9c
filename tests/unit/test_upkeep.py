"""What restic's words about a repository mean, and which part of it is read this week."""

from datetime import date, timedelta

import pytest

from odoo_ops.errors import Refused
from odoo_ops.model.repository import FolderLocation, OpenRepository
from odoo_ops.model.upkeep import Affected, FreedSpace
from odoo_ops.policy.fences import refuse_rotation
from odoo_ops.policy.upkeep import (
    affected,
    damage_message,
    damaged_blobs,
    damaged_packs,
    freed_space,
    lost_pieces,
    not_as_stored,
    packs_done,
    packs_read,
    part_of_week,
    why_not_freed,
)

REPOSITORY = OpenRepository(name="main", location=FolderLocation(path="/repository"), password="new-password")  # type: ignore[arg-type]


@pytest.mark.parametrize("weeks", [1, 2, 4, 5, 52, 256])
@pytest.mark.parametrize("begin", [date(2026, 11, 24), date(2026, 12, 20), date(2032, 12, 27)])
def test_part_of_week_reads_every_part_once_in_so_many_weeks(weeks: int, begin: date) -> None:
    parts = [part_of_week(weeks, begin + timedelta(weeks=week)) for week in range(weeks)]
    assert sorted(parts) == sorted(f"{part}/{weeks}" for part in range(1, weeks + 1))


def test_part_of_week_is_the_same_from_monday_to_sunday() -> None:
    monday = date(2026, 12, 28)  # of ISO week 53
    assert len({part_of_week(4, monday + timedelta(days=day)) for day in range(7)}) == 1
    assert part_of_week(4, monday) != part_of_week(4, monday - timedelta(days=1))


PRUNED = """
to repack:            11 blobs / 1.500 KiB
this removes:          3 blobs / 17 B
to delete:             5 blobs / 2.862 MiB
total prune:           8 blobs / 2.862 MiB
remaining:         12005 blobs / 1.000 GiB
unused size after prune: 512 B (0.00% of remaining size)
"""


def test_freed_space_is_what_restic_says_and_nothing_else() -> None:
    assert freed_space(PRUNED.splitlines()) == FreedSpace(
        freed_bytes=round(2.862 * 1024**2), remaining_bytes=1024**3, unused_bytes=512
    )
    assert freed_space(["done"]) == FreedSpace(freed_bytes=None, remaining_bytes=None, unused_bytes=None)


def test_damaged_packs_are_those_that_restic_names() -> None:
    packs = ["a" * 64, "b" * 64, "c" * 64]
    said = f"pack {packs[0]} contains 2 errors: [blob {'d' * 64}: …]\nrestic repair packs {packs[1]} {packs[2]}\n"
    assert damaged_packs(said.splitlines()) == packs
    assert damaged_packs(["error for tree 1234"]) == []


def test_damaged_blobs_are_named_only_if_they_are_all_that_is_damaged() -> None:
    pack, first, second = "a" * 64, "b" * 64, "c" * 64
    of_file = f"pack {pack} contains 2 errors: [blob {first}: decrypting blob <data/bbbb> failed unexpected pack id]"
    assert damaged_blobs([of_file, "Fatal: repository contains errors"]) == [first]
    assert damaged_blobs([of_file, of_file.replace(first, second).replace("data", "tree")]) == []
    assert damaged_blobs([of_file, f"pack {pack} contains 1 errors: [unexpected pack id]"]) == []


def test_affected_names_each_file_and_snapshot_once() -> None:
    found = " ... in file /a b\n     (tree 04)\n ... in snapshot 925adbbe (2026-11-24 15:50:19)\n"
    assert affected((found + found).splitlines()) == Affected(files=("/a b",), snapshots=("925adbbe",))


def test_damage_message_names_the_next_step_when_nothing_is_known_of_the_packs() -> None:
    message = damage_message(["error: tree is missing"], [], Affected())
    assert "error: tree is missing" in message
    assert "run what restic advises above, and the flow backup" in message


@pytest.mark.parametrize(
    ("line", "done"),
    [
        ("[0:05] 12.50%  3 / 24 packs copied", (3, 24)),
        ("[1:02:03] 100.00%  24 / 24 packs", (24, 24)),
        ("[0:00] 100.00%  2 / 2 index files loaded", None),
        ("snapshot 1234abcd saved", None),
        ("3 / 24 packs", None),
    ],
)
def test_packs_done_is_what_restic_shows_while_it_reads_or_copies(line: str, done: tuple[int, int] | None) -> None:
    assert packs_done(line) == done


def test_packs_read_claims_no_figure_that_restic_did_not_give() -> None:
    assert packs_read(["read group #1 of 2 data packs (out of total 3 packs in 2 groups)"]) == "2 of 3 packs read"
    assert packs_read([]) == "restic found no error"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, "has no `former_password`"),
        ({"former_password": "new-password"}, "has the same"),
        ({"password": "new-password ", "former_password": "old-password"}, "white space"),
    ],
)
def test_refuse_rotation_says_what_is_missing(changes: dict[str, str], problem: str) -> None:
    given = {"name": "main", "location": FolderLocation(path="/repository"), "password": "new-password"} | changes
    with pytest.raises(Refused, match=problem) as refused:
        refuse_rotation(OpenRepository.model_validate(given))
    assert "new-password" not in str(refused.value)


def test_why_not_freed_is_that_nothing_may_be_deleted_and_says_where_it_may() -> None:
    assert why_not_freed(REPOSITORY) is None
    why = why_not_freed(REPOSITORY.model_copy(update={"append_only": True}))
    assert why == "its repository main is append-only; run `restic prune` where the full-access key is"


def test_only_what_restic_read_and_found_to_be_another_thing_counts_as_damage() -> None:
    broken = "ignoring error for /f: decrypting blob <data/ab> from cd failed: ciphertext verification failed"
    again = "Load(<data/ab>) returned error, retrying after 1s: invalid data returned"
    away = "Load(<data/ab>) failed: open /r/data/ab/abcd: no such file or directory"
    full = "ignoring error for /f: write /o/f: no space left on device"
    assert not_as_stored(f"{again}\n{broken}\n{full}") == [broken]
    assert not_as_stored(f"{again}\n{away}\n{full}") == []


@pytest.mark.parametrize(
    "said",
    [
        # as restic says it of a folder, by SFTP, of a rest-server and of S3: of a pack that is not there
        "Load(<data/af27c01393>, 670561, 0) failed: open /r/data/af/af27c0139371: no such file or directory",
        "ReadFull(<data/9c784c6e57>): Open /far/data/9c/9c784c6e5711: file does not exist",
        "ReadFull(<data/34711ffd12>): <data/34711ffd12> does not exist",
        "Load(<data/b51a5c203e>, 457743, 0) failed: The specified key does not exist.",
        # of one that is cut short
        "ReadFull(<data/af27c01393>): file is too short",
        "Load(<data/7f873ec6dc>, 17827, 0) failed: restic-file-too-short",
        "ReadFull(<data/7f873ec6dc>): The requested range is not satisfiable",
        "Load(<data/1918910086>, 1000110, 0) failed: unexpected HTTP response (416): partial out of bounds read",
        # of an index that is not there
        f"Unknown blob {'9d' * 32}",
        f"id {'d3' * 32} not found in repository",
    ],
)
def test_what_restic_cannot_find_is_lost_and_what_it_cannot_write_or_reach_is_not(said: str) -> None:
    others = [
        "lchown /out/data/ab/f: no such file or directory",
        "Load(<data/ab>) returned error, retrying after 1s: connection refused",
        "Load(<data/ab>, 1, 0) failed: unexpected HTTP response (500): 500 Internal Server Error",
        "Fatal: There were 3 errors",
    ]
    assert lost_pieces("\n".join([*others, said, *others])) == [said]
