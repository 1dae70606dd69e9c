"""Commands of git."""

from odoo_ops.model.command import Command


def current_commit(folder: str) -> Command:
    """Print the commit of a work tree."""
    return Command(argv=("git", "-C", folder, "rev-parse", "HEAD"))
