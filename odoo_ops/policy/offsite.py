"""What is copied off-site, and whether it can be."""

from collections.abc import Sequence

from odoo_ops.errors import Refused
from odoo_ops.model.repository import OpenRepository
from odoo_ops.model.snapshot import PROOF_TAG, Snapshot


def refuse_uncopyable(source: OpenRepository, offsite: OpenRepository) -> None:
    """Raise Refused where both repositories are one."""
    if source.location == offsite.location:
        raise Refused(
            f"The off-site repository {offsite.name} is {source.location}, where the backups are. Nothing was copied. "
            "Next step: name a repository elsewhere as `offsite` in the environment file."
        )


def snapshots_to_copy(listed: Sequence[Snapshot], offsite: Sequence[Snapshot]) -> list[Snapshot]:
    """What of a repository is to be in the off-site one too and is not: proved backups, then what marks them.

    Oldest first: a copy that ends early leaves nothing proved that is not there. Both lists hold marks as well.
    """
    there = {(snapshot.first_id, snapshot.tree) for snapshot in offsite}
    proved = {snapshot.about for snapshot in listed if PROOF_TAG in snapshot.tags}
    wanted = [s for s in listed if (s.about if s.is_mark else s.named_as) in proved]
    missing = [snapshot for snapshot in wanted if (snapshot.first_id, snapshot.tree) not in there]
    return sorted(missing, key=lambda snapshot: (snapshot.is_mark, snapshot.taken_at))


def copy_faults(sources: Sequence[Snapshot], copies: Sequence[Snapshot]) -> list[str]:
    """Which of `sources` have no copy, or one that holds something else; restic's tree is a digest of all in it."""
    trees = {(copy.first_id, copy.tree) for copy in copies}
    return [
        f"the copy of {source.short_id} of {source.taken_at:%Y-%m-%d %H:%M} is missing, or holds something else"
        for source in sources
        if (source.first_id, source.tree) not in trees
    ]
