"""Which snapshots count, and which one is meant."""

from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.snapshot import Snapshot, proof_tags

_LISTED = 10

# Tag of a snapshot that a drill restored, booted and used.
VERIFIED = "verified"


def backups_with_proofs(listed: list[Snapshot]) -> list[Snapshot]:
    """The backups among what a repository lists, newest first, each with whether its proof is there too."""
    proofs = {tag for snapshot in listed if snapshot.is_proof for tag in snapshot.tags}
    backups = [
        snapshot.model_copy(
            update={"proved": any(proof_tags(id_)[1] in proofs for id_ in (snapshot.id, snapshot.original) if id_)}
        )
        for snapshot in listed
        if not snapshot.is_proof
    ]
    return sorted(backups, key=lambda snapshot: snapshot.taken_at, reverse=True)


def newest_proved(backups: list[Snapshot]) -> Snapshot | None:
    """The newest backup that was proved. A file that is unchanged since then need not be hashed again."""
    return max((s for s in backups if s.proved), key=lambda snapshot: snapshot.taken_at, default=None)


def choose_snapshot(backups: list[Snapshot], wanted: str, environment: str) -> Snapshot:
    """The newest proved backup for `latest`, else the only one whose id begins with `wanted`, proved or not.

    The id that it had before it was tagged counts as well.

    Raises PreconditionFailed naming what there is.
    """
    newest_first = sorted(backups, key=lambda snapshot: snapshot.taken_at, reverse=True)
    newest = newest_proved(backups)
    if wanted == "latest":
        found = [newest] if newest else []
    else:
        found = [
            s for s in newest_first if wanted and any((id_ or "").startswith(wanted) for id_ in (s.id, s.original))
        ]
    if len(found) != 1:
        there = ", ".join(_shown(s) for s in newest_first[:_LISTED]) or "none"
        raise PreconditionFailed(
            f"{len(found)} snapshots of {environment} fit {wanted!r}. There are (newest first): {there}. "
            "Nothing was changed. Next step: name one of them. (`latest` means proved ones only; one that was not, "
            "because its run failed or was killed, can be named: a restore proves it before it is put in place.)"
        )
    return found[0]


def _shown(snapshot: Snapshot) -> str:
    return f"{snapshot.short_id} of {snapshot.taken_at:%Y-%m-%d %H:%M}{'' if snapshot.proved else ' (not proved)'}"
