"""Prove a filestore against an inventory of its attachments.

An inventory is a file of JSON lines, one attachment each: id, fname, checksum, size, model, record, field.
Odoo names a file by the sha1 of its content and never rewrites it (`ir.attachment._get_path`).
There may be millions: no more is kept of each file than must be, and the inventory is read again for what is rare.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Container, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

from odoo_ops.hostside.channel import Channel
from odoo_ops.hostside.processors import usable_processors

_FILE_NAME = re.compile(r"[0-9a-f]{2,3}/[0-9a-f]{40}")
_USUAL_NAME = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{38}")
_EXAMPLES = 1000
_CHUNK_BYTES = 256 * 1024
_AT_ONCE = 64


def read_inventory(path: str) -> Iterator[dict[str, Any]]:
    """Attachments of an inventory, each a dict."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def compact(name: str) -> bytes | str:
    """A file's name in fewer bytes: nearly always the digest that it is made of."""
    return bytes.fromhex(name[3:]) if _USUAL_NAME.fullmatch(name) else name


def full(compacted: bytes | str) -> str:
    """A file's name, of its compact form."""
    if isinstance(compacted, str):
        return compacted
    digest = compacted.hex()
    return f"{digest[:2]}/{digest}"


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


class _Expected:
    """What an inventory says of each file.

    Attributes:
        attachments: how many there are.
        sizes: bytes of each file, by its compact name; None: not known.
        checksums: sha1 of the few whose name does not say it.
    """

    def __init__(self, inventory: str) -> None:
        self.attachments = 0
        self.sizes: dict[bytes | str, int | None] = {}
        self.checksums: dict[bytes | str, str] = {}
        for attachment in read_inventory(inventory):
            self.attachments += 1
            name = compact(attachment["fname"])
            if name in self.sizes:
                continue
            self.sizes[name] = attachment["size"]
            checksum = attachment["checksum"]
            if checksum and not attachment["fname"].endswith(f"/{checksum}"):
                self.checksums[name] = checksum


def _fault_of(
    root: str, compacted: bytes | str, expected: _Expected, changed: set[bytes | str] | None, links: Container[str]
) -> tuple[str | None, int]:
    """What is wrong with a file, or None; and the bytes hashed."""
    try:
        return _looked_at(root, compacted, expected, changed, links)
    except PermissionError:  # while it is restored it may be somebody else's
        return "its file cannot be read", 0


def _looked_at(
    root: str, compacted: bytes | str, expected: _Expected, changed: set[bytes | str] | None, links: Container[str]
) -> tuple[str | None, int]:
    name = full(compacted)
    if not _FILE_NAME.fullmatch(name):
        return "its file has a name that Odoo does not give", 0
    path = os.path.join(root, name)
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return "its file is missing", 0
    if name.partition("/")[0] in links or not stat.S_ISREG(status.st_mode):
        return "in its file's place is a link or something else, which no backup holds", 0
    size, expected_size = status.st_size, expected.sizes[compacted]
    if expected_size is not None and size != expected_size:
        return f"its file has {size} bytes instead of {expected_size}", 0
    if changed is not None and compacted not in changed:
        return None, 0
    checksum = expected.checksums.get(compacted, name.rpartition("/")[2])
    found = sha1_of(path)
    return (None if found == checksum else f"its file's sha1 is {found} instead of {checksum}"), size


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
            changed = {compact(line.rstrip("\n")) for line in file}
    expected = _Expected(inventory)
    hashed_files, hashed_bytes = 0, 0
    faults: dict[bytes | str, str] = {}
    links = _linked_folders(root) if expected.sizes else ()
    names = list(expected.sizes)
    # handing a small file to a thread takes as long as hashing it: each gets many
    parts = [names[begin : begin + _AT_ONCE] for begin in range(0, len(names), _AT_ONCE)]
    with ThreadPoolExecutor(max_workers=len(usable_processors())) as pool:
        found = pool.map(lambda part: [_fault_of(root, name, expected, changed, links) for name in part], parts)
        for done, (name, (fault, size)) in enumerate(zip(names, chain.from_iterable(found), strict=True), 1):
            hashed_bytes += size
            hashed_files += size > 0
            if fault:
                faults[name] = fault
            channel.progress(done, len(names), "files")
    if faulty_list is not None:
        with open(faulty_list, "w", encoding="utf-8") as file:
            file.writelines(f"{full(name)}\n" for name in faults)
    return {
        "attachments": expected.attachments,
        "files": len(names),
        "hashed_files": hashed_files,
        "hashed_bytes": hashed_bytes,
        **_damages(inventory, faults).report(),
    }


def _damages(inventory: str, faults: Mapping[bytes | str, str]) -> Damages:
    """The attachments of files with a fault."""
    damages = Damages()
    for attachment in read_inventory(inventory) if faults else ():
        if fault := faults.get(compact(attachment["fname"])):
            damages.add(attachment, fault)
    return damages


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
    sizes: dict[bytes | str, int] = {}
    attachments = 0
    with open(inventory, "rb") as file:
        for line in file:
            digest.update(line)
            record = json.loads(line)
            sizes[compact(record["fname"])] = record["size"] or 0
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
