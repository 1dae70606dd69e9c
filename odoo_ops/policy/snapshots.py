"""Which snapshots count, and which one is meant."""

from datetime import datetime, timedelta
from itertools import pairwise

from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.report import FilestoreProof
from odoo_ops.model.snapshot import DAMAGED_TAG, MARKS, PROOF_TAG, VERIFIED_TAG, Snapshot

_LISTED = 10
# by so much the clocks of worker and host may differ
_CLOCKS_DIFFER = timedelta(minutes=5)


def backups_with_marks(listed: list[Snapshot]) -> list[Snapshot]:
    """The backups among what a repository lists, newest first, each with what its marks say of it.

    Marks of what a backup held before something changed it (a repair, say) do not count.
    """
    marks = {(mark, *snapshot.about): snapshot for snapshot in listed for mark in MARKS if mark in snapshot.tags}
    backups = []
    for snapshot in listed:
        if snapshot.is_mark:
            continue
        proof, verified = (marks.get((mark, *snapshot.named_as)) for mark in (PROOF_TAG, VERIFIED_TAG))
        known = {
            "proved": proof is not None,
            "proof": proof.id if proof else "",
            "damaged": proof is not None and DAMAGED_TAG in proof.tags,
            "verified": verified is not None,
        }
        backups.append(snapshot.model_copy(update=known))
    return sorted(backups, key=lambda snapshot: snapshot.taken_at, reverse=True)


def newest_proved(backups: list[Snapshot]) -> Snapshot | None:
    """The newest backup that was proved."""
    return max((s for s in backups if s.proved), key=lambda snapshot: snapshot.taken_at, default=None)


def newest_clean(backups: list[Snapshot]) -> Snapshot | None:
    """The newest backup that was proved without any damage. A file unchanged since then need not be hashed again.

    A damaged one will not do: what is rotten in it would never be hashed, and so never be reported, again.
    """
    return newest_proved([snapshot for snapshot in backups if not snapshot.damaged])


def widest_gap_seconds(taken: list[datetime], now: datetime, within: timedelta = timedelta(days=7)) -> float | None:
    """RPO: the longest time for which work was not backed up, of those that ended within the last week.

    Between two backups in succession, and since the newest; None where there is no backup. One of the future does
    not count.
    """
    past = sorted(time for time in taken if time <= now)
    if not past:
        return None
    times = [*past, now]
    return max((later - earlier).total_seconds() for earlier, later in pairwise(times) if later >= now - within)


def choose_snapshot(backups: list[Snapshot], wanted: str, environment: str, now: datetime) -> Snapshot:
    """The newest proved backup for `latest`, else the only one whose id begins with `wanted`, proved or not.

    The id that it was stored with, before it was copied, counts as well.

    Raises PreconditionFailed naming what there is; also where the newest is of the future: a clock is or was wrong,
    and nobody but a person can tell which backup holds the newest work.
    """
    newest_first = sorted(backups, key=lambda snapshot: snapshot.taken_at, reverse=True)
    newest = newest_proved(backups)
    if wanted == "latest":
        found = [newest] if newest else []
    else:
        found = [s for s in newest_first if wanted and any(id_.startswith(wanted) for id_ in (s.id, s.first_id))]
    there = ", ".join(_shown(s) for s in newest_first[:_LISTED]) or "none"
    if wanted == "latest" and newest and newest.taken_at > now + _CLOCKS_DIFFER:
        raise PreconditionFailed(
            f"The newest backup of {environment}, {_shown(newest)}, is of the future: it is {now:%Y-%m-%d %H:%M} UTC "
            f"here, so a clock is or was wrong, and `latest` would be a guess. There are (newest first): {there}. "
            "Nothing was changed. Next step: set the clocks; where a time above is wrong, name the snapshot you want."
        )
    if len(found) != 1:
        raise PreconditionFailed(
            f"{len(found)} snapshots of {environment} fit {wanted!r}. There are (newest first): {there}. "
            "Nothing was changed. Next step: name one of them. (`latest` means proved ones only; one that was not, "
            "because its run failed or was killed, can be named: a restore proves it before it is put in place.)"
        )
    return found[0]


def refuse_damaged(snapshot: Snapshot, proof: FilestoreProof, accepted: int) -> None:
    """Raise PreconditionFailed for a snapshot whose proof names more damaged attachments than are accepted."""
    damaged = proof.damaged_total
    if damaged > accepted:
        raise PreconditionFailed(
            f"When snapshot {_shown(snapshot)} was stored, {damaged} attachments were damaged already (allowed: "
            f"{accepted}), for example {proof.damaged[0]}; the backup's report names them. Nothing was changed. Next "
            f"step: name an older snapshot. Or, to do without these files, run again with damaged_accepted = {damaged}"
        )


def _shown(snapshot: Snapshot) -> str:
    return f"{snapshot.short_id} of {snapshot.taken_at:%Y-%m-%d %H:%M} UTC{'' if snapshot.proved else ' (not proved)'}"
