"""Commands of restic (0.17 or later)."""

from collections.abc import Sequence

from odoo_ops.model.command import Command
from odoo_ops.model.repository import Repository

# exit status of every command where there is no repository (restic 0.17 and later)
NO_REPOSITORY = 10


def _command(program: str, repository: Repository, *arguments: str) -> Command:
    return Command(
        argv=(program, *arguments),
        environment={"RESTIC_REPOSITORY": repository.path, "RESTIC_PROGRESS_FPS": "2"},
        secrets={"RESTIC_PASSWORD": repository.password},
    )


def create_repository(program: str, repository: Repository) -> Command:
    """Make a new repository."""
    return _command(program, repository, "init", "--json")


def open_repository(program: str, repository: Repository) -> Command:
    """Read the repository's configuration: it succeeds only with the right password."""
    return _command(program, repository, "cat", "config")


def unlock_stale(program: str, repository: Repository) -> Command:
    """Remove the locks of processes that have ended."""
    return _command(program, repository, "unlock")


def back_up(program: str, repository: Repository, *, host: str, tags: Sequence[str], paths: Sequence[str]) -> Command:
    """One snapshot of some folders; each file is reported. Odoo's collector's marks are left out."""
    arguments = ["backup", "--json", "--verbose=2", f"--host={host}", "--group-by=host,paths"]
    arguments += [f"--tag={tag}" for tag in tags]
    arguments += [f"--exclude={path}/checklist" for path in paths[1:]]
    return _command(program, repository, *arguments, "--", *paths)


def list_snapshots(program: str, repository: Repository, *, host: str, tag: str) -> Command:
    """Snapshots of one environment, as JSON."""
    return _command(program, repository, "snapshots", "--json", f"--host={host}", f"--tag={tag}")


def list_files(program: str, repository: Repository, snapshot: str, folder: str) -> Command:
    """Every file of a snapshot below a folder, as JSON lines."""
    return _command(program, repository, "ls", "--json", "--recursive", "--", snapshot, folder)


def restore_folder(program: str, repository: Repository, snapshot: str, *, folder: str, into: str) -> Command:
    """The content of one folder of a snapshot into another folder."""
    return _command(program, repository, "restore", "--json", f"--target={into}", "--", f"{snapshot}:{folder}")
