"""Where the engines are, and how one is made: whole or not at all, and once."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from odoo_ops.errors import Refused

_CHECKOUT = Path(__file__).resolve().parents[2]
_RETRY_SECONDS = 0.5


def engines_folder() -> Path:
    """The folder of all engines: ODOO_OPS_ENGINES, else `.demo/engines` in the checkout."""
    named = os.environ.get("ODOO_OPS_ENGINES")
    return Path(named).resolve() if named else _CHECKOUT / ".demo" / "engines"


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process holds the lock file, then hold it; its folder is made if missing."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def alone_or_refused(lock: Path, message: str, *, patience_seconds: float) -> Iterator[None]:
    """Hold the lock file; one that another process keeps for so long is Refused with the message."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    give_up = time.monotonic() + patience_seconds
    with lock.open("w") as file:
        while not try_lock(file):
            if time.monotonic() > give_up:
                raise Refused(message)
            time.sleep(_RETRY_SECONDS)
        yield


def try_lock(file: IO[str]) -> bool:
    """Take the lock of an open file; False if somebody else has it or a share of it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def make_once(target: Path, recipe: str, build: Callable[[Path], None]) -> None:
    """Make a folder by a recipe, unless it was already made by the same one.

    Args:
        target: the folder; it appears only when it is complete.
        recipe: everything that decides what is in it. Another recipe than last time: it is made anew.
        build: fills the empty folder it is given and verifies what it made. The folder is renamed
            afterwards, so nothing in it may hold its own path.
    """
    digest = hashlib.sha256(recipe.encode()).hexdigest()
    with alone(target.with_name(f".{target.name}.lock")):
        if _recipe_of(target) == digest:
            return
        partial = target.with_name(f"{target.name}.partial")
        _remove(partial)
        partial.mkdir()
        build(partial)
        (partial / "recipe").write_text(digest)
        _remove(target)
        partial.rename(target)


def _recipe_of(target: Path) -> str | None:
    stamp = target / "recipe"
    return stamp.read_text() if stamp.is_file() else None


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
