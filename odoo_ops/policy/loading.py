"""Whose fault it is that a database could not be loaded, or worked with: of what is tried, or of its PostgreSQL."""

import re

from odoo_ops.errors import CommandFailed, PreconditionFailed, VerificationFailed

_DISK_FULL = re.compile(r"No space left on device|could not extend file|Disk quota exceeded")
_LOST = re.compile(
    r"server closed the connection unexpectedly|connection to server .*(failed|lost)|no connection to the server"
    r"|could not (receive|send) data (from|to) server|SSL connection has been closed unexpectedly"
    r"|terminating connection|the database system is (shutting down|starting up|in recovery mode|not yet accepting)"
)
# these quote the data that was loaded, which may say anything
_QUOTES = re.compile(r"\s*(CONTEXT|DETAIL|STATEMENT|LINE \d+):?\s")
# a command of many lines, as the body of a function is, ends where a program speaks again
_COMMAND = re.compile(r"^[ \t]*Command was:.*?(?=^(?:pg_restore|psql|vacuumdb):|\Z)", re.MULTILINE | re.DOTALL)

_MAKE_ROOM = "make room on the disk of PostgreSQL's data (and of its WAL), or enlarge it, then run again."
_READ_ITS_LOG = (
    "see in PostgreSQL's log why it ended the connection, and that it runs and has room on its disks, then run again."
)


def failed_load(error: CommandFailed, problem: str, next_step: str) -> CommandFailed | VerificationFailed:
    """The error to raise where pg_restore, psql or vacuumdb failed: a full disk and a lost server are no bad backup.

    Args:
        error: what the program said.
        problem: what could not be done, and how it stands, where what was to be loaded is to blame.
        next_step: for that.
    """
    step = _step_for_server(_COMMAND.sub("", error.output))
    if not step:
        return VerificationFailed(f"{problem} Next step: {next_step}")
    hint = f"{step} Nothing was put in place, and what was to be loaded is not to blame."
    return CommandFailed(error.command, error.exit_status, error.output, where=error.where, hint=hint)


def failed_on_copy(problem: str, said: str) -> PreconditionFailed | VerificationFailed:
    """The error to raise where Odoo failed on a copy: a full disk and a lost server are no bad release.

    Args:
        problem: what went wrong, where the release is to blame.
        said: what Odoo said, in its own lines.
    """
    if step := _step_for_server(said):
        what = problem.partition(" Next step: ")[0]
        return PreconditionFailed(f"{what}\nThe release is not to blame for that. Next step: {step}")
    return VerificationFailed(problem)


def _step_for_server(said: str) -> str:
    """What to do for a PostgreSQL that was lost, or has no room, by what a program said of it; empty: it did not."""
    own = "\n".join(line for line in said.splitlines() if not _QUOTES.match(line))
    if _DISK_FULL.search(own):
        return _MAKE_ROOM
    return _READ_ITS_LOG if _LOST.search(own) else ""
