"""A mistake in an environment file: where it is, what is wrong, how to write it."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Mistake:
    """One mistake, sorted by where it is.

    Attributes:
        line: its line in the file; 0: the file or folder as a whole.
    """

    file: str
    line: int
    field: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field}: {self.text}" if self.field else f"{place}: {self.text}"


def dotted(path: KeyPath) -> str:
    """A path as it is shown: `environments.production.odoo.command[0]`."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def did_you_mean(written: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` when something known looks like what was written, else nothing."""
    close = get_close_matches(written, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
