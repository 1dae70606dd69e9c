"""What lies where a repository is to be."""

import re
from collections.abc import Iterable, Sequence

# `restic init` makes folders, then a key, then `config`; each file under a name of its own first
_OF_A_MAKING = re.compile(r"keys/[0-9a-f]{64}(-tmp-\d+)?|config-tmp-\d+")
_SHOWN = 5
# Amazon, MinIO and Ceph; Garage; a server that sends the code alone
_NO_BUCKET = re.compile(r"bucket does not exist|bucket not found|NoSuchBucket", re.IGNORECASE)


def is_unfinished_repository(files: Iterable[str]) -> bool:
    """Whether these files, paths below a folder, are only what a `restic init` leaves that did not come to its end.

    Such a key opens nothing: there is no `config`, no snapshot, no index and no data.
    """
    return all(_OF_A_MAKING.fullmatch(file) for file in files)


def says_no_bucket(output: str) -> bool:
    """Whether a server of S3 said to restic that the bucket is not there (not so a missing file)."""
    return _NO_BUCKET.search(output) is not None


def what_is_there(names: Sequence[str]) -> str:
    """What a folder that holds no repository holds, as the rest of a sentence."""
    if not names:
        return ": there is nothing"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f": there is {', '.join(names[:_SHOWN])}{more}"


def one_was_seen(record: str) -> str:
    """What to do where a repository was seen before and its place was changed on purpose. `record` is the marker."""
    return (
        " One was seen before. If its place was changed on purpose: copy all its files there, it is the same one then; "
        "or, if a new one is to be made there, and the former one is kept for as long as its backups count, delete "
        f"{record} and run again."
    )
