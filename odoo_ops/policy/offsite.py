"""What is copied off-site, and whether it can be."""

from collections.abc import Sequence

from odoo_ops.errors import Refused
from odoo_ops.model.repository import FolderLocation, OpenRepository, RestLocation, SftpLocation
from odoo_ops.model.snapshot import PROOF_TAG, Snapshot


def refuse_uncopyable(source: OpenRepository, offsite: OpenRepository) -> None:
    """Raise Refused where `restic copy` cannot serve both repositories, or where they are one.

    It takes one set of keys of each kind: two S3 repositories share their keys, two by SFTP or two on rest-servers
    their user's (https://restic.readthedocs.io/en/stable/045_working_with_repos.html).
    """
    if source.location == offsite.location:
        raise Refused(
            f"The off-site repository {offsite.name} is {source.location}, where the backups are. Nothing was copied. "
            "Next step: name a repository elsewhere as `offsite` in the environment file."
        )
    if source.location.kind == offsite.location.kind and _keys(source) != _keys(offsite):
        raise Refused(
            f"{source.name} and {offsite.name} are both reached by {source.location.kind}, with different keys, and "
            "`restic copy` takes one set of each kind. Nothing was copied. Next step: use one key for both, or "
            "another kind for one of them."
        )


def _keys(repository: OpenRepository) -> object:
    match repository.location:
        case SftpLocation() as machine:
            return machine.private_key, machine.known_hosts
        case RestLocation() as server:
            return server.user, server.password, server.certificate
        case FolderLocation():
            return None
        case _:
            return repository.keys


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
