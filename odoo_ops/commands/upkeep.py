"""Commands of restic that look after a repository: forget, free space, check, change its password."""

from collections.abc import Sequence
from typing import Literal

from pydantic import SecretStr

from odoo_ops.commands.repositories import repository_command
from odoo_ops.model.command import Command
from odoo_ops.model.repository import OpenRepository

# exit status (restic 0.17 and later)
WRONG_PASSWORD = 12


def forget_snapshots(program: str, repository: OpenRepository, snapshots: Sequence[str]) -> Command:
    """Forget these snapshots. One that is not there is only a line on stderr: see afterwards that all are gone."""
    return repository_command(program, repository, "forget", "--", *snapshots)


def free_space(
    program: str, repository: OpenRepository, *, dry_run: bool, max_unused_percent: int, max_repack_gib: int
) -> Command:
    """Delete data that no snapshot uses; a little of it may stay, and only so much is written anew."""
    limits = (f"--max-unused={max_unused_percent}%", f"--max-repack-size={max_repack_gib}G")
    return repository_command(program, repository, "prune", *(["--dry-run"] if dry_run else []), *limits)


def check_repository(program: str, repository: OpenRepository, *, subset: str) -> Command:
    """Check the structure of a repository, and read one part (`n/m`) of all packs."""
    return repository_command(program, repository, "check", f"--read-data-subset={subset}")


def find_users(program: str, repository: OpenRepository, kind: Literal["pack", "blob"], ids: Sequence[str]) -> Command:
    """The files and snapshots that use these packs or pieces of files, as text."""
    return repository_command(program, repository, "find", f"--{kind}", "--", *ids)


def list_keys(program: str, repository: OpenRepository) -> Command:
    """The keys, as JSON; `current` is the one that the password opens."""
    return repository_command(program, repository, "key", "list", "--json")


def add_key(program: str, repository: OpenRepository, password: SecretStr) -> Command:
    """Let one more password open the repository. restic drops white space around it."""
    command = repository_command(program, repository, "key", "add", "--new-password-file=/dev/stdin")
    return command.model_copy(update={"stdin": password})


def remove_key(program: str, repository: OpenRepository, key: str) -> Command:
    """Let a key's password open the repository no longer. restic refuses that of the password in use."""
    return repository_command(program, repository, "key", "remove", "--", key)
