"""Links on the host: a symbolic one that leads to what is in use, and a whole tree by hard ones."""

import os
from collections.abc import Callable

from odoo_ops.hostside.channel import Channel


def lead_to(channel: Channel, link: str, folder: str) -> None:
    """Make a link that leads to a folder, or lead one elsewhere, at once. What is no link is never replaced."""
    if os.path.lexists(link) and not os.path.islink(link):
        raise FileExistsError(f"{link} is there and no link: it was left alone")
    os.makedirs(os.path.dirname(link), exist_ok=True)
    partial = f"{link}.partial"
    if os.path.lexists(partial):
        os.unlink(partial)
    os.symlink(folder, partial)
    os.replace(partial, link)


def remove_link(channel: Channel, link: str) -> None:
    """Remove a link, if it is there. What is no link is never removed."""
    if os.path.lexists(link) and not os.path.islink(link):
        raise FileExistsError(f"{link} is there and no link: it was left alone")
    if os.path.lexists(link):
        os.unlink(link)


def read_link(channel: Channel, path: str) -> str | None:
    """Where a link leads; None: there is nothing. Raises for what is no link."""
    if not os.path.lexists(path):
        return None
    if not os.path.islink(path):
        raise FileExistsError(
            f"{path} is there and no link, so no release can be put there. Nothing was changed. Next step: move it, or "
            "name another `folder`; a release makes the link, and Odoo's addons_path names it"
        )
    return os.readlink(path)


def link_tree(channel: Channel, source: str, destination: str, *, in_use: bool = False) -> int:
    """Make a tree again elsewhere on its file system, its files by hard links. Returns how many files there are.

    Folders get owner and mode of those that they stand for; files and symbolic links share theirs. Of a tree that is
    `in_use` files may go meanwhile: those are left out.
    """
    files = 0
    for folder, folders, names in os.walk(source):
        made = os.path.normpath(os.path.join(destination, os.path.relpath(folder, source)))
        status = os.stat(folder)
        os.mkdir(made, 0o700)
        os.chown(made, status.st_uid, status.st_gid)
        os.chmod(made, status.st_mode & 0o7777)
        for name in [*names, *(name for name in folders if os.path.islink(os.path.join(folder, name)))]:
            try:
                os.link(os.path.join(folder, name), os.path.join(made, name), follow_symlinks=False)
            except FileNotFoundError:
                if not in_use:
                    raise
                continue
            files += 1
    return files


OPERATIONS: dict[str, Callable[..., object]] = {
    "lead_to": lead_to,
    "read_link": read_link,
    "remove_link": remove_link,
    "link_tree": link_tree,
}
