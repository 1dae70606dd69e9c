"""What a plan shows of a file that differs: it is published, and somebody may have written a secret into the file.

What is wanted holds none but where it is said. Of what is on the host a line is shown only where the wanted file has
the same line with another last value, which is one value: so an ordinary drift is seen as a whole, and of anything else
its name at most.
"""

import difflib
import re
from collections.abc import Collection, Iterator

_NOT_SHOWN = "(not shown)"
_SECRET = re.compile(r"(?i)pass|secret|token|private")
# without a value behind it, it may be the end of something in base64
_NAMED = re.compile(r"(\s*(?:- )?[A-Za-z_][\w.-]*\s*(?::(?=\s)|=))\s*[^\s=]")
_LOGIN = re.compile(r"(?<=://)[^\s\"']*@")


def shown_diff(path: str, present: str | None, wanted: str) -> str:
    """The unified diff from a file on the host (None: it is not there) to the wanted one, without secrets."""
    lines = difflib.unified_diff(
        (present or "").splitlines(),
        wanted.splitlines(),
        fromfile="/dev/null" if present is None else f"{path} on the host",
        tofile=path,
        lineterm="",
    )
    return "\n".join(_shown(lines, set(wanted.splitlines())))


def _shown(diff: Iterator[str], wanted: Collection[str]) -> Iterator[str]:
    heads = {head for line in wanted if (head := _head(line))}
    for number, line in enumerate(diff):
        is_removed = line.startswith("-") and number > 0  # the first one names the file
        shown = f"-{_removed(line[1:], wanted, heads)}" if is_removed else line
        yield _LOGIN.sub(f"{_NOT_SHOWN}@", shown)


def _removed(line: str, wanted: Collection[str], heads: Collection[str]) -> str:
    head = _head(line)
    is_known = line in wanted or head in heads
    is_one_value = line in wanted or not re.search(r"[{[,]", line.removeprefix(head or ""))
    if is_known and is_one_value and not _SECRET.search(line):
        return line
    if is_known and head:
        return f"{head} {_NOT_SHOWN}"
    named = _NAMED.match(line)
    return f"{named[1]} {_NOT_SHOWN}" if named else "(a line that is not shown)"


def _head(line: str) -> str | None:
    """A line without its last value; None for one that has no name: a bracket, an entry of a list."""
    separated = re.match(r"[^=:]*[=:]", line)
    head = separated[0] if separated else line.rstrip().rpartition(" ")[0]
    return head if re.search(r"\w", head) else None
