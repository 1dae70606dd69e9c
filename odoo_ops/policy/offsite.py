"""What is copied off-site, and whether it can be."""

from collections.abc import Sequence
from datetime import datetime
from math import inf

from odoo_ops.errors import Refused
from odoo_ops.model.repository import OpenRepository, S3Location, SftpLocation
from odoo_ops.model.snapshot import PROOF_TAG, Snapshot


def refuse_uncopyable(source: OpenRepository, offsite: OpenRepository) -> None:
    """Raise Refused where both repositories are one, or cannot be reached by one command."""
    if source.location == offsite.location:
        raise Refused(
            f"The off-site repository {offsite.name} is {source.location}, where the backups are. Nothing was copied. "
            "Next step: name a repository elsewhere as `offsite` in the environment file."
        )
    if source.set_of_keys == offsite.set_of_keys:
        return
    match source.location, offsite.location:
        case S3Location(), S3Location() if not (source.suits_rclone or offsite.suits_rclone):
            if source.keys or offsite.keys:
                raise Refused(
                    f"{source.name} and {offsite.name} are buckets with different keys or regions: rclone must reach "
                    "one of both, with keys of its own, and cannot where that has an object lock. Nothing was copied. "
                    "Next step: use one key for both, or a repository of another kind for one of them."
                )
        case SftpLocation() as first, SftpLocation() as second if _same_login(first, second):
            raise Refused(
                f"{source.name} and {offsite.name} are reached by the same login with different keys, and SSH would "
                "use the first one that is accepted for both. Nothing was copied. Next step: use one key for both, or "
                "another user for one of them."
            )


def _same_login(first: SftpLocation, second: SftpLocation) -> bool:
    """Whether both are one user's on one machine, with different keys."""
    logins = {(machine.user, machine.address, machine.port) for machine in (first, second)}
    return len(logins) == 1 and first.private_key != second.private_key


def snapshots_to_copy(listed: Sequence[Snapshot], offsite: Sequence[Snapshot]) -> list[Snapshot]:
    """What of a repository is to be in the off-site one too and is not: proved backups, and what marks them.

    The newest backup first, each followed by its marks: however early a copy ends, the best of what came over is
    proved. Marks alone of a backup that is there come before all. Both lists hold marks as well.
    """
    there = {(snapshot.first_id, snapshot.tree) for snapshot in offsite}
    proved = {snapshot.about for snapshot in listed if PROOF_TAG in snapshot.tags}
    wanted = [s for s in listed if (s.about if s.is_mark else s.named_as) in proved]
    missing = [snapshot for snapshot in wanted if (snapshot.first_id, snapshot.tree) not in there]
    ages: dict[tuple[str, ...], float] = {
        backup.named_as: -backup.taken_at.timestamp() for backup in missing if not backup.is_mark
    }

    def turn(snapshot: Snapshot) -> tuple[float, bool, datetime]:
        age = ages.get(snapshot.about if snapshot.is_mark else snapshot.named_as, -inf)
        return age, snapshot.is_mark, snapshot.taken_at

    return sorted(missing, key=turn)


def copy_faults(sources: Sequence[Snapshot], copies: Sequence[Snapshot]) -> list[str]:
    """Which of `sources` have no copy, or one that holds something else; restic's tree is a digest of all in it."""
    trees = {(copy.first_id, copy.tree) for copy in copies}
    return [
        f"the copy of {source.short_id} of {source.taken_at:%Y-%m-%d %H:%M} is missing, or holds something else"
        for source in sources
        if (source.first_id, source.tree) not in trees
    ]
