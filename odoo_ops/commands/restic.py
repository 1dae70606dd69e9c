"""Commands of restic (0.17 or later)."""

from collections.abc import Sequence

from pydantic import SecretStr

from odoo_ops.commands.repositories import AMAZON, repository_command
from odoo_ops.model.command import Command
from odoo_ops.model.repository import OpenRepository, S3Location
from odoo_ops.model.snapshot import MARKS, TAG, mark_file, mark_tags

# exit status of every command where there is no repository (restic 0.17 and later)
NO_REPOSITORY = 10
# exit status of a backup that could not read everything; restic keeps the incomplete snapshot
INCOMPLETE = 3


def create_repository(program: str, repository: OpenRepository, like: OpenRepository | None = None) -> Command:
    """Make a new repository; one for copies cuts files as `like` does, or copies would share nothing."""
    arguments = ["--copy-chunker-params"] if like else []
    return repository_command(program, repository, "init", "--json", *arguments, source=like)


def open_repository(program: str, repository: OpenRepository) -> Command:
    """Read the repository's configuration: it succeeds only with the right password.

    Also while another run holds the repository for itself, or a dead one's lock says so: nothing else is read.
    """
    return repository_command(program, repository, "cat", "config", "--no-lock")


def look_for_bucket(program: str, repository: OpenRepository, bucket: S3Location) -> Command:
    """The same without the bucket's region, which restic asks the server for then: so a missing bucket shows.

    Where it knows the region it asks for the file alone, by HEAD, and the answer to that has no text: a missing bucket
    looks like a missing file. It takes the region from an address of Amazon, too.
    """
    endpoint = "https://s3.amazonaws.com" if AMAZON.fullmatch(bucket.endpoint) else bucket.endpoint
    asked = bucket.model_copy(update={"region": None, "endpoint": endpoint})
    return open_repository(program, repository.model_copy(update={"location": asked}))


def unlock_stale(program: str, repository: OpenRepository) -> Command:
    """Remove the locks of processes that have ended."""
    return repository_command(program, repository, "unlock")


def back_up(
    program: str,
    repository: OpenRepository,
    *,
    host: str,
    tags: Sequence[str],
    paths: Sequence[str],
    parent: str | None,
) -> Command:
    """One snapshot of some folders; each file that the parent does not hold is reported as new or modified.

    Without a parent every file is. Odoo's collector's marks are left out.
    """
    arguments = ["backup", "--json", "--verbose=2", f"--host={host}"]
    arguments += [f"--parent={parent}" if parent else "--force"]
    arguments += [f"--tag={tag}" for tag in tags]
    arguments += [f"--exclude={path}/checklist" for path in paths[1:]]
    return repository_command(program, repository, *arguments, "--", *paths)


def store_mark(
    program: str,
    repository: OpenRepository,
    *,
    host: str,
    snapshot: str,
    tree: str,
    mark: str,
    text: str,
    tags: Sequence[str] = (),
) -> Command:
    """What is said of a snapshot, as a small snapshot of its own: one file, `<mark>.json`.

    `snapshot` is the id that it was stored with, `tree` what it holds.
    It has another host name, so that `restic restore latest --host=…` by hand still means a backup.
    """
    command = repository_command(
        program,
        repository,
        *("backup", "--json", "--quiet", f"--host={marks_host(host)}"),
        *(f"--tag={tag}" for tag in (*mark_tags(mark, snapshot, tree), *tags)),
        *("--stdin", f"--stdin-filename={mark_file(mark)}"),
    )
    return command.model_copy(update={"stdin": SecretStr(text)})


def marks_host(host: str) -> str:
    """Host name that the marks of an environment's backups carry."""
    return f"{host}.proof"


def list_snapshots(program: str, repository: OpenRepository, *, host: str) -> Command:
    """Snapshots of one environment and their marks, as JSON.

    It takes no lock, for which restic waits a fifth of a second: what it reads is small files that are written once.
    """
    hosts = [f"--host={name}" for name in (host, marks_host(host))]
    return repository_command(
        program, repository, "snapshots", "--json", "--no-lock", *hosts, *(f"--tag={tag}" for tag in (TAG, *MARKS))
    )


def list_files(program: str, repository: OpenRepository, snapshot: str, folder: str) -> Command:
    """Every file of a snapshot below a folder, as JSON lines."""
    return repository_command(program, repository, "ls", "--json", "--recursive", "--", snapshot, folder)


def print_file(program: str, repository: OpenRepository, snapshot: str, file: str) -> Command:
    """The content of one file of a snapshot."""
    return _of_stored(repository_command(program, repository, "dump", "--", snapshot, file))


def print_folder(program: str, repository: OpenRepository, snapshot: str, folder: str) -> Command:
    """One folder of a snapshot as a tar archive to standard output; names in it are full paths."""
    return repository_command(program, repository, "dump", "--archive=tar", "--", snapshot, folder)


def restore_folder(program: str, repository: OpenRepository, snapshot: str, *, folder: str, into: str) -> Command:
    """The content of one folder of a snapshot into another folder."""
    command = repository_command(
        program, repository, "restore", "--json", f"--target={into}", "--", f"{snapshot}:{folder}"
    )
    return _of_stored(command, f"see that the disk of {into} has room; ")


def _of_stored(command: Command, before: str = "") -> Command:
    """A command that reads what is stored, with the next step for what is damaged; `before` is said first."""
    step = (
        f"{before}where what restic reads is damaged, restore another snapshot or the copy off-site, and run "
        f"`check_repository`, which says how to mend it; where it cannot read, {command.next_step}"
    )
    return command.model_copy(update={"next_step": step})


def copy_snapshots(
    program: str, repository: OpenRepository, source: OpenRepository, snapshots: Sequence[str]
) -> Command:
    """Copy snapshots from `source` in this order; what is there already is not sent again."""
    return repository_command(program, repository, "copy", "--", *snapshots, source=source)
