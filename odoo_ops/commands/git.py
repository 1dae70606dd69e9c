"""Commands of git."""

from odoo_ops.model.command import Command


def current_commit(folder: str) -> Command:
    """Print the commit of a work tree, whoever owns it (git refuses that of another user otherwise)."""
    return Command(argv=("git", "-c", f"safe.directory={folder}", "-C", folder, "rev-parse", "HEAD"))
