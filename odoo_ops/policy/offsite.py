"""What is copied off-site, and whether it can be."""

from collections.abc import Sequence
from datetime import datetime
from math import inf

from odoo_ops.errors import Refused
from odoo_ops.model.environment import Retention
from odoo_ops.model.repository import OpenRepository, S3Location, SftpLocation
from odoo_ops.model.snapshot import PROOF_TAG, Snapshot
from odoo_ops.policy.retention import retention_plan
from odoo_ops.policy.snapshots import backups_with_marks


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


def snapshots_to_copy(
    listed: Sequence[Snapshot], offsite: Sequence[Snapshot], retention: Retention, now: datetime
) -> list[Snapshot]:
    """What of a repository is to be in the off-site one too and is not: proved backups, and what marks them.

    Backups that `forget` would delete there, or has deleted, are left out: `retention` is that of the copies, and
    counts what is there together with what could be. So nothing is copied and forgotten in turn, night after night.
    The newest backup first, each followed by its marks: however early a copy ends, the best of what came over is
    proved. Marks alone of a backup that is there come before all. Both lists hold marks as well.
    """
    proved = {snapshot.about for snapshot in listed if PROOF_TAG in snapshot.tags}
    wanted = [snapshot for snapshot in listed if _backup_of(snapshot) in proved]
    backups = {backup.named_as: backup for backup in backups_with_marks([*offsite, *wanted])}
    kept = {_backup_of(backup) for backup in retention_plan(list(backups.values()), retention, now).kept}
    kept |= {_backup_of(copy) for copy in offsite if not copy.is_mark}
    there = {(snapshot.first_id, snapshot.tree) for snapshot in offsite}
    missing = [s for s in wanted if (s.first_id, s.tree) not in there and _backup_of(s) in kept]
    ages = {_backup_of(backup): -backup.taken_at.timestamp() for backup in missing if not backup.is_mark}

    def turn(snapshot: Snapshot) -> tuple[float, bool, datetime]:
        return ages.get(_backup_of(snapshot), -inf), snapshot.is_mark, snapshot.taken_at

    return sorted(missing, key=turn)


def _backup_of(snapshot: Snapshot) -> tuple[str, ...]:
    """How a backup is named by its marks; of a mark, the backup of which it says something."""
    return snapshot.about if snapshot.is_mark else snapshot.named_as


def copy_faults(sources: Sequence[Snapshot], copies: Sequence[Snapshot]) -> list[str]:
    """Which of `sources` have no copy, or one that holds something else; restic's tree is a digest of all in it."""
    trees = {(copy.first_id, copy.tree) for copy in copies}
    return [
        f"the copy of {source.short_id} of {source.taken_at:%Y-%m-%d %H:%M} UTC is missing, or holds something else"
        for source in sources
        if (source.first_id, source.tree) not in trees
    ]
