"""Which snapshot is meant."""

from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.snapshot import Snapshot

_LISTED = 10

# Tag of a snapshot that a drill restored, booted and used.
VERIFIED = "verified"


def choose_snapshot(snapshots: list[Snapshot], wanted: str, environment: str) -> Snapshot:
    """The newest snapshot for `latest`, else the only one whose id, of now or before it was tagged, begins so.

    Raises PreconditionFailed naming what there is.
    """
    newest_first = sorted(snapshots, key=lambda snapshot: snapshot.taken_at, reverse=True)
    found = (
        newest_first[:1]
        if wanted == "latest"
        else [s for s in newest_first if wanted and (s.id.startswith(wanted) or (s.original or "").startswith(wanted))]
    )
    if len(found) != 1:
        there = ", ".join(f"{s.short_id} of {s.taken_at:%Y-%m-%d %H:%M}" for s in newest_first[:_LISTED]) or "none"
        raise PreconditionFailed(
            f"{len(found)} snapshots of {environment} fit {wanted!r}. There are (newest first): {there}. "
            "Nothing was changed. Next step: name one of them."
        )
    return found[0]
