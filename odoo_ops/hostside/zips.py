"""Odoo's own backup zip, written and read as streams: `dump.sql`, `filestore/` and `manifest.json`.

`process` is what `output_of` and `input_of` take: argv, environment, without, files.
"""

import hashlib
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Literal

from odoo_ops.hostside import sql_dumps
from odoo_ops.hostside.channel import Channel
from odoo_ops.hostside.filestore import Damages, read_inventory
from odoo_ops.hostside.pipes import input_of, output_of
from odoo_ops.hostside.zip_entries import (
    FILESTORE,
    MANIFEST,
    SQL,
    UNREADABLE,
    Counted,
    attachment_files,
    entry_of,
    opened,
)

_CHUNK_BYTES = 1024 * 1024
_MANIFEST_BYTES = 16 * 1024 * 1024
_LARGE_BYTES = 2**31 - 1
# three times as fast as zlib's default, a third larger: measured on the SQL of a real Odoo 18
_LEVEL = 1


def begin_zip(channel: Channel, path: str, manifest: str, tables: int, **process: Any) -> None:
    """Make a new private zip of `manifest.json` and, as `dump.sql`, a program's output with so many tables."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w+b") as file, _writing(file, "w") as archive:
        with output_of(channel, **process) as sql, archive.open(SQL, "w", force_zip64=True) as entry:
            done = 0
            while chunk := sql.read(_CHUNK_BYTES):
                entry.write(chunk)
                done += chunk.count(b"\nCOPY ")
                channel.progress(min(done, tables), tables, "tables")
        archive.writestr(MANIFEST, manifest)


def add_filestore(channel: Channel, path: str, folder: str, inventory: str, **process: Any) -> None:
    """Add the files that an inventory names from a program's tar archive of `folder` (`restic dump`)."""
    sizes = {attachment["fname"]: attachment["size"] or 0 for attachment in read_inventory(inventory)}
    prefix, done, total = folder.strip("/") + "/", 0, sum(sizes.values())
    with open(path, "r+b") as file, _writing(file, "a") as archive, output_of(channel, **process) as output:
        for member, content in _files_of_tar(output):
            name = member.name.lstrip("/").removeprefix(prefix)
            if name in sizes:
                with archive.open(FILESTORE + name, "w", force_zip64=member.size > _LARGE_BYTES) as entry:
                    shutil.copyfileobj(content, entry, _CHUNK_BYTES)
                done += member.size
                channel.progress(done, total, "bytes")


@contextmanager
def _writing(file: IO[bytes], mode: Literal["w", "a"]) -> Iterator[zipfile.ZipFile]:
    """A zip that is written into an open file; whole on the disk when the block ends."""
    with zipfile.ZipFile(file, mode, zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        yield archive
    file.flush()
    os.fsync(file.fileno())


def _files_of_tar(output: IO[bytes]) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    with tarfile.open(fileobj=output, mode="r|") as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep every one
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None:
                yield member, content


def inspect_zip(channel: Channel, path: str) -> dict[str, Any]:
    """Read a zip's directory and all of its `dump.sql`; nothing is written.

    Returns manifest (text or None), sql_bytes, files, filestore_bytes, zip_bytes and what `sql_dumps.describe`
    tells. Raises OperationError for one that is no backup of Odoo's, is damaged, or holds names that lead out of it.
    """
    with opened(path) as (archive, entries):
        manifest = None
        if MANIFEST in entries:
            with entry_of(archive, entries[MANIFEST]) as stream:
                manifest = stream.read(_MANIFEST_BYTES).decode("utf-8", "replace")
        with entry_of(archive, entries[SQL]) as stream:
            described = sql_dumps.describe(Counted(stream, channel, entries[SQL].file_size))
    files = attachment_files(entries)
    return {
        "manifest": manifest,
        "sql_bytes": entries[SQL].file_size,
        "files": len(files),
        "filestore_bytes": sum(entry.file_size for entry in files.values()),
        "zip_bytes": os.stat(path).st_size,
        **described,
    }


def load_sql(channel: Channel, path: str, key: str, **process: Any) -> None:
    r"""Feed `dump.sql` of a zip to psql, which obeys no command of its own in it.

    psql would run programs that a dump names (`\!`); `\restrict` with a key that the dump cannot know keeps it
    from that. https://www.postgresql.org/docs/current/app-psql.html
    """
    with opened(path) as (archive, entries), input_of(channel, **process) as psql:
        psql.write(f"\\restrict {key}\n".encode())
        with entry_of(archive, entries[SQL]) as stream:
            for line in sql_dumps.runnable(Counted(stream, channel, entries[SQL].file_size)):
                psql.write(line)
        psql.write(f"\\unrestrict {key}\n".encode())


def unpack_filestore(channel: Channel, path: str, root: str) -> list[str]:
    """Write the attachments' files of a zip below a folder, and nothing else of it anywhere.

    Returns the names of those that cannot be read; they are left out.
    """
    unreadable, done = [], 0
    with opened(path) as (archive, entries):
        files = attachment_files(entries)
        total = sum(entry.file_size for entry in files.values())
        for name, entry in files.items():
            target = os.path.join(root, name)
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            try:
                with archive.open(entry) as source, open(target, "xb") as file:
                    shutil.copyfileobj(source, file, _CHUNK_BYTES)
            except UNREADABLE:
                os.unlink(target)
                unreadable.append(name)
            done += entry.file_size
            channel.progress(done, total, "bytes")
    return unreadable


def prove_zip(channel: Channel, path: str, inventory: str) -> dict[str, Any]:
    """Read a whole zip again, each entry with its CRC, and compare its files with an inventory.

    Returns what `inspect_zip` does, and damaged (by record) and damaged_total.
    """
    found, digests, damages = inspect_zip(channel, path), _digests(channel, path), Damages()
    for attachment in read_inventory(inventory):
        expected = attachment["checksum"] or attachment["fname"].rpartition("/")[2]
        digest = digests.get(attachment["fname"])
        if digest is None:
            damages.add(attachment, "its file is not in the zip")
        elif digest != expected:
            damages.add(attachment, f"its file's sha1 is {digest} instead of {expected}")
    return {**found, **damages.report()}


def _digests(channel: Channel, path: str) -> dict[str, str]:
    """sha1 of every attachment's file in a zip, by its name in the filestore."""
    digests, done = {}, 0
    with opened(path) as (archive, entries):
        files = attachment_files(entries)
        total = sum(entry.file_size for entry in files.values())
        for name, entry in files.items():
            digest = hashlib.sha1(usedforsecurity=False)
            with entry_of(archive, entry) as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    digest.update(chunk)
            digests[name] = digest.hexdigest()
            done += entry.file_size
            channel.progress(done, total, "bytes")
    return digests


OPERATIONS: dict[str, Callable[..., object]] = {
    "begin_zip": begin_zip,
    "add_filestore": add_filestore,
    "inspect_zip": inspect_zip,
    "load_sql": load_sql,
    "unpack_filestore": unpack_filestore,
    "prove_zip": prove_zip,
}
