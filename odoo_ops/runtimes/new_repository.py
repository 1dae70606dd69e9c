"""A repository is made, once, where nothing is."""

from odoo_ops.commands import restic
from odoo_ops.errors import CommandFailed, PreconditionFailed
from odoo_ops.model.repository import FolderLocation, S3Location
from odoo_ops.policy.repositories import is_unfinished_repository, says_no_bucket
from odoo_ops.runtimes.runtime import Runtime

_AFTER_MAKING = (
    "see that the repository's server answers, that its disk is mounted and has room and that its keys may write; then "
    "run again. If it still `already contains keys`, look there. Where its folders data, index and snapshots hold "
    "nothing, a run died while it made the repository: delete what its folder keys holds. Where they hold anything, "
    "its file config was lost: delete nothing, and bring that back."
)

# restic asks for a bucket that is not there again and again
_LOOK_SECONDS = 15


def lacks_repository(runtime: Runtime, *, begun: bool) -> bool:
    """Whether nothing is where the repository is to be made; a folder that holds anything is left alone.

    With `begun`, a run of this environment died while it made one there. What that left in a folder is deleted: a key
    that opens nothing. Elsewhere restic goes on with what it finds, unless it is a key: then `make_repository` fails.
    Raises PreconditionFailed where a bucket is missing, which restic would make.
    """
    match runtime.repository.location:
        case FolderLocation(path=path):
            # a disk of its own has this folder from the start
            empty = not set(runtime.host.call("list_directory", path=path)) - {"lost+found"}
            return empty or (begun and _clear_unfinished(runtime, path))
        case S3Location() as bucket:
            _refuse_missing_bucket(runtime, bucket)
            return runtime.try_to_open() is None
        case _:
            return runtime.try_to_open() is None


def make_repository(runtime: Runtime) -> None:
    """Make the repository. Raises CommandFailed when restic fails, as it does where one is."""
    command = restic.create_repository(runtime.restic, runtime.repository, runtime.copied_from)
    runtime.host.run(command, next_step=_AFTER_MAKING)


def _refuse_missing_bucket(runtime: Runtime, bucket: S3Location) -> None:
    """Raise PreconditionFailed where the server says that the bucket is missing; all else is found out later."""
    command = restic.look_for_bucket(runtime.restic, runtime.repository, bucket)
    try:
        runtime.host.run(command, timeout_seconds=_LOOK_SECONDS)
    except CommandFailed as error:
        if says_no_bucket(error.output):
            raise PreconditionFailed(
                f"There is no bucket {bucket.bucket} at {bucket.endpoint}. Nothing was changed, and none was made: one "
                "that restic makes has no object lock. Next step: correct the name of the bucket in the repository "
                f"{runtime.repository.name} and register it again, or make the bucket (with an object lock, if it is "
                "to have one); then run again."
            ) from error


def _clear_unfinished(runtime: Runtime, path: str) -> bool:
    files = runtime.host.call("list_files", path=path)
    unfinished = is_unfinished_repository(files)
    if unfinished:
        for file in files:
            runtime.host.call("remove_tree", path=f"{path}/{file}")
    return unfinished
