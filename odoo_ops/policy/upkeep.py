"""How much of a repository is read a week, why no space is freed in it, and what restic's words about it mean."""

import re
from collections.abc import Iterable
from datetime import date

from odoo_ops.model.repository import Repository
from odoo_ops.model.upkeep import Affected, FreedSpace

_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_PRUNED = re.compile(r"^(total prune|remaining|unused size after prune):.*?([\d.]+) (B|[KMGT]iB)\b")
_PACK = re.compile(r"\bpack ([0-9a-f]{64})\b|(?<=repair packs )((?:[0-9a-f]{64} ?)+)")
_READ = re.compile(r"of (\d+) data packs \(out of total (\d+) packs")
_PACKS_DONE = re.compile(r"^\[[\d:]+\] .*? (\d+) / (\d+) packs")
_BLOB = re.compile(r"\bblob ([0-9a-f]{64}): \w+ blob <(data|tree)/")
_FILE = re.compile(r"^ \.\.\. in file (.+)$")
_SNAPSHOT = re.compile(r"^ \.\.\. in snapshot ([0-9a-f]+) ")
# how restic says that a piece is not the one that was stored: its seal or its hash is wrong
_NOT_AS_STORED = ("ciphertext verification failed", "wrong data returned", "invalid data returned")
# how it says, of any kind of repository, that a pack is not there or cut short, or that no index names a piece
_LOST = re.compile(
    r"<data/[0-9a-f]+>.*(?:no such file or directory|does not exist|too[ -]short|not satisfiable|\(416\))"
    r"|\bid [0-9a-f]{64} not found in repository|\bUnknown blob [0-9a-f]{64}"
)

DAMAGED = "repository contains errors"
_SHOWN = 20


def why_not_freed(repository: Repository) -> str | None:
    """Why no space can be freed in a repository from here: its server or keys let nothing be deleted. None: it can."""
    if repository.append_only:
        return f"its repository {repository.name} is append-only; run `restic prune` where the full-access key is"
    return None


def part_of_week(weeks: int, today: date) -> str:
    """The part `n/m` of all packs that is read in today's ISO week: after `weeks` weeks in a row, each was.

    Weeks are counted without a break at the turn of a year, which has 52 or 53.
    """
    week = (today.toordinal() - 1) // 7  # day 1 of the calendar was a Monday
    return f"{week % weeks + 1}/{weeks}"


def freed_space(lines: Iterable[str]) -> FreedSpace:
    """The figures that `restic prune` prints, exact to three places of its units; None where it printed none."""
    found = {
        match[1]: round(float(match[2]) * _UNITS[match[3]]) for line in lines if (match := _PRUNED.match(line.strip()))
    }
    return FreedSpace(
        freed_bytes=found.get("total prune"),
        remaining_bytes=found.get("remaining"),
        unused_bytes=found.get("unused size after prune"),
    )


def packs_done(line: str) -> tuple[int, int] | None:
    """How many packs of how many restic has read or copied by now; None: the line does not say."""
    done = _PACKS_DONE.match(line)
    return (int(done[1]), int(done[2])) if done else None


def packs_read(lines: Iterable[str]) -> str:
    """How much `restic check` says that it read."""
    found = next((match for line in lines if (match := _READ.search(line))), None)
    return f"{int(found[1]):,} of {int(found[2]):,} packs read" if found else "restic found no error"


def not_as_stored(output: str) -> list[str]:
    """The lines in which restic says that it read something else than was stored; none where it says no such thing.

    What it tries again is left out, as it may come right. So is a file that it cannot find: see `lost_pieces`.
    """
    return [
        line
        for line in output.splitlines()
        if any(words in line for words in _NOT_AS_STORED) and " retrying after " not in line
    ]


def lost_pieces(output: str) -> list[str]:
    """The lines in which restic says that what was stored is not there, or cut short; none where it says no such thing.

    Where a repository's disk is not mounted it says so of all files: only if it opens they are lost.
    """
    return [line for line in output.splitlines() if _LOST.search(line) and " retrying after " not in line]


def unrestorable_message(snapshot: str, said: list[str]) -> str:
    """Which snapshot does not restore, since its repository is damaged, and what to do."""
    lines = [f"Snapshot {snapshot} does not restore: its repository is damaged. restic said:", *said[:_SHOWN]]
    lines.append(
        "Next step: run `check_repository`, which names what else is concerned and says how to mend it, and keep "
        "`forget` and `prune` from running until then. Who needs a backup now restores an older snapshot or the copy "
        "off-site, after a drill of it."
    )
    return "\n".join(lines)


def damaged_packs(said: Iterable[str]) -> list[str]:
    """The packs that `restic check` names as damaged."""
    named = [name for line in said for match in _PACK.finditer(line) for name in (match[1] or match[2]).split()]
    return sorted(set(named))


def damaged_blobs(said: Iterable[str]) -> list[str]:
    """The pieces of files that `restic check` names as damaged; none where it names none for one of the packs.

    Then, and where a folder is damaged, all that is in the pack is in question.
    """
    found = [_BLOB.findall(line) for line in said if _PACK.match(line)]
    if not all(found) or any("tree" in kinds for kinds in ([kind for _id, kind in of_pack] for of_pack in found)):
        return []
    return sorted({identity for of_pack in found for identity, _kind in of_pack})


def affected(lines: Iterable[str]) -> Affected:
    """What `restic find` says: files and snapshots, each once."""
    files, snapshots = set(), set()
    for line in lines:
        if match := _FILE.match(line):
            files.add(match[1])
        elif match := _SNAPSHOT.match(line):
            snapshots.add(match[1])
    return Affected(files=tuple(sorted(files)), snapshots=tuple(sorted(snapshots)))


def damage_message(said: list[str], packs: list[str], found: Affected) -> str:
    """What is damaged, whom that concerns, and what to do."""
    lines = ["The repository is damaged. restic said:", *said[:_SHOWN]]
    if found.snapshots:
        lines.append(
            f"Affected: {_first(found.snapshots)} ({len(found.snapshots)} snapshots), "
            f"{len(found.files)} files: {_first(found.files)}."
        )
    repair = f"`restic repair packs {' '.join(packs)}`" if packs else "what restic advises above"
    lines.append(
        "Nothing was changed. Next step: keep `forget` and `prune` from running, and copy the repository if you can. "
        "Restore these snapshots from another copy of it, if there is one. Look at the disk or the server. Then run "
        f"{repair}, and the flow backup until it passes: its first run stores again what the filestore still has, and "
        "fails. Then run this check again. Snapshots for which it still fails have lost files: forget them by "
        "`restic forget`. (`restic repair snapshots --forget` takes out what is lost and keeps the rest. Such a backup "
        "is proved no longer: `latest` never means it, no copy of it is made off-site, and `forget` deletes it once it "
        "is older than a week.)"
    )
    return "\n".join(lines)


def _first(names: tuple[str, ...], shown: int = 10) -> str:
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
