"""The text of a PostgreSQL dump (`dump.sql`): what it holds, and what of it a plain role can run.

Read as a stream, whatever its size and the length of its lines.
"""

import re
from collections.abc import Iterator
from typing import Any, Protocol

_PART_BYTES = 1024 * 1024
_IDENTIFIER = rb'(?:"(?:[^"]|"")+"|[^\s".,()]+)'
_NAME = re.compile(rb"(" + _IDENTIFIER + rb")\.(" + _IDENTIFIER + rb")")
_COPY = re.compile(rb"COPY " + _NAME.pattern + rb" .*FROM stdin;\s*")
_TABLE = re.compile(rb"CREATE (?:UNLOGGED )?TABLE " + _NAME.pattern)
_ENTRY = re.compile(rb"-- (?:Data for )?Name: (.*); Type: ([A-Z ]+); Schema: ")
_OWNER = re.compile(rb"ALTER [A-Z ]+ .* OWNER TO [^;]+;\s*")
_END = b"-- PostgreSQL database dump complete"

# Kinds of entries that are left out: they name roles that need not be here, or need a superuser.
_LEFT_OUT = {b"ACL", b"DEFAULT ACL", b"COMMENT"}
# PostgreSQL 17 writes it, and older servers do not know it; 0 is its default.
_UNKNOWN_TO_OLDER = b"SET transaction_timeout = 0;"
# of a dump's own protection; psql is restricted by another key already
_RESTRICTIONS = (b"\\restrict ", b"\\unrestrict ")


class Lines(Protocol):
    """A stream that is read line by line."""

    def readline(self, limit: int, /) -> bytes:
        """The next line, or its first `limit` bytes; empty at the end."""


def lines_of_dump(stream: Lines) -> Iterator[tuple[bytes, str | None]]:
    """The lines, very long ones in parts; with each the `schema.table` whose row it is, or None."""
    table, whole = None, True
    while part := stream.readline(_PART_BYTES):
        begins, whole = whole, part.endswith(b"\n")
        if table is not None and begins and part.rstrip() == b"\\.":
            table = None
        yield part, table
        if table is None and begins and part.startswith(b"COPY ") and (copy := _COPY.fullmatch(part)):
            table = _name(copy)


def _name(match: re.Match[bytes]) -> str:
    return f"{_plain(match[1])}.{_plain(match[2])}"


def _plain(identifier: bytes) -> str:
    text = identifier.decode("utf-8", "replace")
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def describe(stream: Lines) -> dict[str, Any]:
    """What a dump holds.

    Returns rows (by `schema.table`, as `count(*)` will tell them), extensions (names), indexes_unaccent, and
    complete: whether its end is there.
    """
    own: dict[str, int] = {}
    parents: dict[str, list[str]] = {}
    extensions: list[str] = []
    created = ""
    indexes_unaccent = complete = False
    for line, table in lines_of_dump(stream):
        if table is not None:
            own[table] = own.get(table, 0) + line.endswith(b"\n")
        elif line.startswith(b"COPY ") and (copy := _COPY.fullmatch(line)):
            own.setdefault(_name(copy), 0)
        elif line.startswith(b"CREATE ") and (table_made := _TABLE.match(line)):
            created = _name(table_made)
        elif line.startswith(b"INHERITS ("):
            parents[created] = [_name(parent) for parent in _NAME.finditer(line)]
        elif line.startswith((b"CREATE INDEX ", b"CREATE UNIQUE INDEX ")) and b"unaccent(" in line:
            indexes_unaccent = True
        elif (entry := _ENTRY.match(line)) and entry[2] == b"EXTENSION":
            extensions.append(entry[1].decode("utf-8", "replace"))
        elif line.startswith(_END):
            complete = True
    rows = _with_children(own, parents)
    return {"rows": rows, "extensions": extensions, "indexes_unaccent": indexes_unaccent, "complete": complete}


def _with_children(own: dict[str, int], parents: dict[str, list[str]]) -> dict[str, int]:
    """Rows of tables with those of the tables that inherit from them, as Odoo's `ir_actions` has many."""
    rows = dict(own)
    for table, count in own.items():
        above = list(parents.get(table, []))
        for parent in above:
            above += [further for further in parents.get(parent, []) if further not in above]
            if parent in rows:
                rows[parent] += count
    return rows


def runnable(stream: Lines) -> Iterator[bytes]:
    """The lines that a plain role can run on its own empty database: no owners, grants and comments."""
    left_out = False
    for line, table in lines_of_dump(stream):
        if table is not None:
            yield line
            continue
        if entry := _ENTRY.match(line):
            left_out = entry[2] in _LEFT_OUT
        elif line.startswith(_END):
            left_out = False
        if not (
            left_out or line.startswith(_RESTRICTIONS) or line.rstrip() == _UNKNOWN_TO_OLDER or _OWNER.fullmatch(line)
        ):
            yield line
