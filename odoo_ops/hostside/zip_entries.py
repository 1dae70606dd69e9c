"""Open a zip that somebody else may have made: whole, unambiguous, and with no name that leads out of it."""

import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from odoo_ops.hostside.channel import Channel, OperationError

SQL, MANIFEST, FILESTORE = "dump.sql", "manifest.json", "filestore/"
# what reading an entry raises when the zip is damaged there, or packed in a way that Python does not know
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)

_FILE = re.compile(r"filestore/[0-9a-f]{2,3}/[0-9a-f]{40}")
_ENCRYPTED = 0x1
_BUFFER_BYTES = 1024 * 1024


@contextmanager
def opened(path: str) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """A zip and its entries by name, `dump.sql` among them.

    Raises OperationError where it is no zip, is cut short, or is none of Odoo's.
    """
    if not os.path.isfile(path):
        raise OperationError("PreconditionFailed", f"{path} is not a file there")
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise _bad(path, f"is not a zip, or was cut short ({error})") from error
    with archive:
        yield archive, _entries(archive, path)


def _entries(archive: zipfile.ZipFile, path: str) -> dict[str, zipfile.ZipInfo]:
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.orig_filename
        if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
            raise _bad(path, f"holds the name {name!r}, which leads out of the folder that it is unpacked in")
        if name in entries:
            raise _bad(path, f"holds {name!r} twice")
        if entry.flag_bits & _ENCRYPTED:
            raise _bad(path, f"is encrypted ({name!r})")
        entries[name] = entry
    if SQL not in entries:
        raise _bad(path, f"holds no {SQL}, so it is no backup zip of Odoo's")
    return entries


def attachment_files(entries: dict[str, zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The entries that are attachments' files, by their name in the filestore; Odoo's other files are none."""
    return {name.removeprefix(FILESTORE): entry for name, entry in entries.items() if _FILE.fullmatch(name)}


@contextmanager
def entry_of(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    """The content of an entry; its CRC is checked at its end. Raises OperationError where it is damaged."""
    try:
        with archive.open(entry) as stream:
            yield stream
    except UNREADABLE as error:
        raise _bad(str(archive.filename), f"is damaged at {entry.filename}: {error}") from error


class Counted:
    """A stream of an entry that shows how far it was read, in bytes."""

    def __init__(self, stream: IO[bytes], channel: Channel, total: int) -> None:
        # an entry's own readline is slow
        self._stream = io.BufferedReader(cast("io.RawIOBase", stream), _BUFFER_BYTES)
        self._channel, self._total = channel, total
        self._done = self._shown = 0

    def readline(self, limit: int) -> bytes:
        """The next line, or its first `limit` bytes."""
        line = self._stream.readline(limit)
        self._done += len(line)
        if not line or self._done - self._shown > _BUFFER_BYTES:
            self._shown = self._done
            self._channel.progress(self._done, self._total, "bytes")
        return line


def _bad(path: str, problem: str) -> OperationError:
    return OperationError(
        "VerificationFailed",
        f"{path} {problem}. Nothing was put in place. Next step: make or copy the zip again, or name another one.",
    )
