"""Search for secrets in what a run leaves: files, Prefect's database, output. In files and argv also while it runs."""

import base64
import hashlib
import html
import json
import os
import secrets
import sqlite3
import threading
import time
import types
import typing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

_AWKWARD = """ it's "50%" of $HOME \\ é€ """
_LARGEST_BYTES = 4 << 20


@dataclass(frozen=True)
class Canary:
    """A secret made for a test, and the parts of it of which none may be seen anywhere."""

    name: str
    text: str
    parts: tuple[str, ...]

    @classmethod
    def password(cls, name: str) -> "Canary":
        """Random at both ends, so it is seen in a cut text; no way of quoting changes these parts."""
        first, last = secrets.token_hex(8), secrets.token_hex(8)
        return cls(name, first + _AWKWARD + last, (first, last))

    @classmethod
    def given(cls, name: str, text: str) -> "Canary":
        """One that somebody else made up."""
        half = len(text) // 2
        return cls(name, text, (text[:half], text[half:]))

    @classmethod
    def key(cls, name: str, text: str) -> "Canary":
        """A private key in OpenSSH's format: whole lines past the header and the public part."""
        return cls(name, text, tuple(line for line in text.splitlines()[4:-2]))

    @cached_property
    def needles(self) -> set[bytes]:
        return {needle for part in self.parts for needle in encodings(part)}

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def encodings(text: str) -> Iterator[bytes]:
    """A text as programs write it: quoted for JSON, Python, URLs and HTML, in hex, and in base64 inside any other."""
    raw = text.encode()
    written = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1])
    urls = (quote(text), quote(text, safe=""))
    yield from {word.encode() for word in (text, *written, *urls, html.escape(text), raw.hex())}
    for before, skipped in ((0, 0), (1, 2), (2, 3)):
        whole = (before + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + raw)[skipped:whole]


def seen(data: bytes, canaries: Iterable[Canary]) -> set[str]:
    """Names of the canaries that are in some bytes."""
    return {canary.name for canary in canaries if any(needle in data for needle in canary.needles)}


def seen_in_files(roots: Iterable[Path], canaries: list[Canary], without: Path | None = None) -> dict[str, set[str]]:
    """Names of the canaries in all files below, and in their paths."""
    found = {}
    for root in roots:
        for path in [root, *root.rglob("*")]:
            if without is not None and path.is_relative_to(without):
                continue
            data = path.read_bytes() if path.is_file() else b""
            if names := seen(str(path).encode() + b"\0" + data, canaries):
                found[str(path)] = names
    return found


def open_to_others(roots: Iterable[Path]) -> list[str]:
    """Files and folders that not their owner alone may use, the roots too, each with its mode."""
    paths = (path for root in roots for path in [root, *root.rglob("*")] if not path.is_symlink())
    modes = ((path, path.stat().st_mode & 0o777) for path in paths)
    return [f"{path} {mode:o}" for path, mode in modes if mode & 0o077]


def seen_in_database(path: Path, canaries: list[Canary]) -> dict[str, set[str]]:
    """Names of the canaries in each table of Prefect's database: a value may be spread over its pages."""
    found = {}
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        connection.text_factory = bytes
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            rows = connection.execute(f'SELECT * FROM "{table.decode()}"')
            values = (value for row in rows for value in row if isinstance(value, bytes))
            found[table.decode()] = seen(b"\0".join(values), canaries)
    return found


class _Rounds:
    """Looks at something again and again, in a thread.

    What lives for less than a round and the pause after it (some hundredths of a second) it may miss: without a pause
    it takes a processor, and the flows take longer.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self._look()
            time.sleep(0.02)

    def _look(self) -> None:
        raise NotImplementedError


class ArgvWatch(_Rounds):
    """Every process of this machine, whoever started it, those in containers too.

    Attributes:
        argvs: their words, parted by zero bytes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.argvs: set[bytes] = set()

    @property
    def names(self) -> set[str]:
        """Names of the programs, and of every file that they were told."""
        return {Path(os.fsdecode(word)).name for argv in self.argvs for word in argv.split(b"\0")}

    def _look(self) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just ended
                self.argvs.add((process / "cmdline").read_bytes())


class Watch(_Rounds):
    """Small files.

    Attributes:
        in_files: names of the canaries that were seen in each.
        reachable: those that not their owner alone may use, in a folder of which the same is true.
    """

    def __init__(self, roots: Iterable[Path], canaries: list[Canary]) -> None:
        super().__init__()
        self._roots, self._canaries = list(roots), canaries
        self._known: set[tuple[int, int, int]] = set()
        self.in_files: dict[str, set[str]] = {}
        self.reachable: set[str] = set()

    def _look(self) -> None:
        for root in self._roots:
            for folder, _folders, names in os.walk(root):
                for name in names:
                    with suppress(OSError):  # it has just gone
                        self._look_at(Path(folder, name))

    def _look_at(self, path: Path) -> None:
        status = path.stat()
        mark = (status.st_ino, status.st_mtime_ns, status.st_size)
        if mark in self._known or status.st_size > _LARGEST_BYTES:
            return
        self._known.add(mark)
        if names := seen(path.read_bytes(), self._canaries):
            self.in_files[str(path)] = names
            if status.st_mode & 0o077 and path.parent.stat().st_mode & 0o077:
                self.reachable.add(str(path))


def secret_fields(model: type[BaseModel]) -> set[str]:
    """Every secret field of a model and of those in it, as `Model.field`."""
    found = set()
    for name, field in model.model_fields.items():
        for kind in _kinds(field.annotation):
            if issubclass(kind, SecretStr | SecretBytes | Secret):
                found.add(f"{model.__name__}.{name}")
            elif issubclass(kind, BaseModel):
                found |= secret_fields(kind)
    return found


def _kinds(annotation: object) -> Iterator[type]:
    """The classes in an annotation, whatever it is wrapped in."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _kinds(argument)


def secret_values(value: BaseModel) -> Iterator[tuple[str, str]]:
    """Every secret that a value and those in it hold, each with its `Model.field`."""
    for name in type(value).model_fields:
        held = getattr(value, name)
        for each in held if isinstance(held, tuple) else (held,):
            match each:
                case SecretStr() as secret:
                    yield f"{type(value).__name__}.{name}", secret.get_secret_value()
                case BaseModel() as inner:
                    yield from secret_values(inner)
