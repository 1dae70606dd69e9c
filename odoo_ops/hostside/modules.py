"""Modules of Odoo on disk."""

import fnmatch
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence

from odoo_ops.hostside.channel import Channel


def hash_modules(
    channel: Channel, paths: dict[str, str], exclude: Sequence[str], languages: Sequence[str]
) -> dict[str, str]:
    """The checksum of each module, as click-odoo-update counts it (click_odoo_contrib, `_addon_hash.py`).

    sha1 over relative name and content of each file that is not excluded, folders and files by name; of translations
    only those of active languages.
    """
    return {name: _checksum(path, exclude, {code.split("_")[0] for code in languages}) for name, path in paths.items()}


def _checksum(top: str, exclude: Sequence[str], languages: set[str]) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for path in _counted(top, exclude, languages):
        digest.update(path.encode())
        with open(os.path.join(top, path), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def _counted(top: str, exclude: Sequence[str], languages: set[str]) -> Iterator[str]:
    for folder, folders, names in os.walk(top):
        folders.sort()
        inside = os.path.relpath(folder, top)
        for name in sorted(names):
            path = os.path.normpath(os.path.join(inside, name))
            stem, extension = os.path.splitext(name)
            foreign = inside in {"i18n", "i18n_extra"} and extension == ".po" and stem.split("_")[0] not in languages
            if not (languages and foreign) and not any(fnmatch.fnmatch(path, pattern) for pattern in exclude):
                yield path


def find_modules(channel: Channel, folder: str, submodules: bool = False) -> list[str]:
    """Modules below a folder, by their paths in it; those of git submodules, which are others' work, only if asked."""
    found = []
    for path, folders, names in os.walk(folder):
        if "__manifest__.py" in names:
            found.append(os.path.relpath(path, folder))
            folders.clear()
        folders[:] = sorted(
            name
            for name in folders
            if name[0] != "." and (submodules or not os.path.lexists(os.path.join(path, name, ".git")))
        )
    return found


OPERATIONS: dict[str, Callable[..., object]] = {"find_modules": find_modules, "hash_modules": hash_modules}
