"""Prove a filestore against an inventory of its attachments.

An inventory is a file of JSON lines, one attachment each: id, fname, checksum, size, model, record, field.
Odoo names a file by the sha1 of its content and never rewrites it (`ir.attachment._get_path`).
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

from odoo_ops.hostside.channel import Channel

_FILE_NAME = re.compile(r"[0-9a-f]{2,3}/[0-9a-f]{40}")
_EXAMPLES = 1000
_CHUNK_BYTES = 256 * 1024
_AT_ONCE = 64


def read_inventory(path: str) -> Iterator[dict[str, Any]]:
    """Attachments of an inventory, each a dict."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def sha1_of(path: str) -> str:
    """sha1 of a file's content in hexadecimal."""
    digest = hashlib.sha1(usedforsecurity=False)
    # for most files `open` would take a good part of the time that hashing takes
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            digest.update(chunk)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


class Damages:
    """Attachments whose file is not what the database says, by reason; the first thousand by record."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.total = 0

    def add(self, attachment: dict[str, Any], reason: str) -> None:
        """Put one attachment on record."""
        self.total += 1
        if len(self.records) < _EXAMPLES:
            self.records.append({**attachment, "reason": reason})

    def report(self) -> dict[str, Any]:
        """As a result's fields."""
        return {"damaged": self.records, "damaged_total": self.total}


def _linked_folders(root: str) -> set[str]:
    """Names of the symbolic links in a filestore: what they lead to is no part of it."""
    if not os.path.isdir(root):
        return set()
    with os.scandir(root) as entries:
        return {entry.name for entry in entries if entry.is_symlink()}


def _fault_of(
    root: str, attachment: dict[str, Any], changed: set[str] | None, links: Container[str]
) -> tuple[str | None, int]:
    """What is wrong with an attachment's file, or None; and the bytes hashed."""
    try:
        return _looked_at(root, attachment, changed, links)
    except PermissionError:  # while it is restored it may be somebody else's
        return "its file cannot be read", 0


def _looked_at(
    root: str, attachment: dict[str, Any], changed: set[str] | None, links: Container[str]
) -> tuple[str | None, int]:
    name = attachment["fname"]
    if not _FILE_NAME.fullmatch(name):
        return "its file has a name that Odoo does not give", 0
    path = os.path.join(root, name)
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return "its file is missing", 0
    if name.partition("/")[0] in links or not stat.S_ISREG(status.st_mode):
        return "in its file's place is a link or something else, which no backup holds", 0
    size = status.st_size
    expected = attachment["checksum"] or name.rpartition("/")[2]
    if attachment["size"] is not None and size != attachment["size"]:
        return f"its file has {size} bytes instead of {attachment['size']}", 0
    if changed is not None and name not in changed:
        return None, 0
    found = sha1_of(path)
    return (None if found == expected else f"its file's sha1 is {found} instead of {expected}"), size


def prove_filestore(
    channel: Channel, inventory: str, root: str, changed_list: str | None, faulty_list: str | None = None
) -> dict[str, Any]:
    """Look at the file of every attachment; hash those in `changed_list` (a file of names), or all.

    The names of those with a fault are written to the file `faulty_list`.

    Returns attachments, files, hashed_files, hashed_bytes, damaged (by record) and damaged_total.
    """
    changed = None
    if changed_list is not None:
        with open(changed_list, encoding="utf-8") as file:
            changed = set(file.read().splitlines())
    by_name: dict[str, list[dict[str, Any]]] = {}
    for attachment in read_inventory(inventory):
        by_name.setdefault(attachment["fname"], []).append(attachment)
    damages, hashed_files, hashed_bytes = Damages(), 0, 0
    faulty: list[str] = []
    links = _linked_folders(root) if by_name else ()
    groups = list(by_name.values())
    # handing a small file to a thread takes as long as hashing it: each gets many
    parts = [groups[begin : begin + _AT_ONCE] for begin in range(0, len(groups), _AT_ONCE)]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = pool.map(lambda part: [_fault_of(root, group[0], changed, links) for group in part], parts)
        for done, (group, (fault, size)) in enumerate(zip(groups, chain.from_iterable(found), strict=True), 1):
            hashed_bytes += size
            hashed_files += size > 0
            if fault:
                faulty.append(group[0]["fname"])
                for attachment in group:
                    damages.add(attachment, fault)
            channel.progress(done, len(by_name), "files")
    if faulty_list is not None:
        with open(faulty_list, "w", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in faulty)
    return {
        "attachments": sum(len(group) for group in by_name.values()),
        "files": len(by_name),
        "hashed_files": hashed_files,
        "hashed_bytes": hashed_bytes,
        **damages.report(),
    }


def missing_files(channel: Channel, root: str, names: list[str]) -> list[str]:
    """Those of these files below a folder that are not there. Raises for what may not be looked at."""
    return [name for name in names if not _is_there(os.path.join(root, name))]


def _is_there(path: str) -> bool:
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    return True


def digest_inventory(channel: Channel, inventory: str) -> dict[str, str | int]:
    """Number of attachments, of distinct files, their bytes, and the inventory's own sha256."""
    digest = hashlib.sha256()
    sizes: dict[str, int] = {}
    attachments = 0
    with open(inventory, "rb") as file:
        for line in file:
            digest.update(line)
            record = json.loads(line)
            sizes[record["fname"]] = record["size"] or 0
            attachments += 1
    return {
        "attachments": attachments,
        "files": len(sizes),
        "bytes": sum(sizes.values()),
        "sha256": digest.hexdigest(),
    }


OPERATIONS: dict[str, Callable[..., object]] = {
    "prove_filestore": prove_filestore,
    "missing_files": missing_files,
    "digest_inventory": digest_inventory,
}
