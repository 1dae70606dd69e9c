"""How a database is dumped, and how the databases that flows make are called."""

import hashlib
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from odoo_ops.model.checks import Check

_ZSTD_SINCE = 16
# from which on pg_restore sets what an older server does not know, `transaction_timeout`, and ends there
_LOADS_NONE_OLDER = 17
_MADE = "odoo_ops_"
PG_RESTORE = "Its pg_restore fits the server"

# What PostgreSQL compresses in its own tables is larger in a plain dump.
_PLAIN_GROWTH = 4

# `3456.dat`, `3456.dat.zst`
_TABLE_FILE = re.compile(r"(\d+)\.dat(\.\w+)?")


def compression(client_major: int, table_bytes: int, free_bytes: int) -> str:
    """Value of `pg_dump --compress`: none where the spool has ample room, else what costs little time.

    restic compresses what it stores. In a plain dump it finds the stretches that did not change since the last
    night; one changed row changes all that follows it in a compressed table.

    Args:
        client_major: version of pg_dump: zstd is known from 16 on.
        table_bytes: size of all tables.
        free_bytes: room where the dump goes.
    """
    if free_bytes >= _PLAIN_GROWTH * table_bytes:
        return "0"
    return "zstd:1" if client_major >= _ZSTD_SINCE else "1"


def major_version(printed: str) -> int:
    """17 of `postgres (PostgreSQL) 17.2 (Debian 17.2-1)`, or of what another program says; 0 where it says none."""
    said = re.search(r"\s(\d+)", printed)
    return int(said[1]) if said else 0


def loads_into(client_major: int, server_major: int) -> bool:
    """Whether pg_restore of a version loads a dump into a server of another one, or of the same."""
    return client_major < _LOADS_NONE_OLDER or server_major >= _LOADS_NONE_OLDER


def judge_pg_restore(program: str, printed: str, server_major: int, where: str) -> Check:
    """Does the pg_restore that is there load anything into the server?

    Args:
        program: its path.
        printed: what it says with `--version`.
        server_major: version of the server.
        where: name of the host on which it was found.
    """
    major = major_version(printed)
    if loads_into(major, server_major):
        return Check(name=PG_RESTORE, outcome="passed", detail=f"version {major}, the server {server_major}")
    detail = (
        f"{program} on {where} is of PostgreSQL {major}, which restores nothing into a server of {server_major}. Next "
        f"step: install the client programs of PostgreSQL {server_major} there; beside a Compose project, build the "
        f"toolbox's image anew with `--build-arg POSTGRES_VERSION={server_major}`"
    )
    return Check(name=PG_RESTORE, outcome="failed", detail=detail)


def table_file_bytes(dump_files: Mapping[str, int]) -> dict[str, int]:
    """Bytes of each table's file in a dump, by the number of its item there."""
    return {found[1]: size for name, size in dump_files.items() if (found := _TABLE_FILE.fullmatch(name))}


def made_name(kind: str, database: str, now: datetime) -> str:
    """Name of a database that a flow makes or keeps: plain characters, never too long.

    `kind` is `scratch` or `kept`.
    """
    digest = hashlib.sha256(database.encode()).hexdigest()[:8]
    return f"{_MADE}{kind}_{digest}_{now:%Y%m%d%H%M%S}"


def scratch_mark(environment: str) -> str:
    """Comment of a scratch database: the next run may drop it."""
    return f"odoo-ops: scratch of {environment}"


def kept_mark(environment: str, now: datetime, keep_hours: int) -> str:
    """Comment of a database that a restore replaced: a later run may drop it after that time."""
    until = now + timedelta(hours=keep_hours)
    return f"odoo-ops: replaced in {environment}, kept until {until.astimezone(UTC).isoformat(timespec='seconds')}"


def swap_was_done(journal: Mapping[str, object], databases: Collection[str], target: str) -> bool:
    """Whether the databases that a swap's journal names were renamed. That scratch is gone is not enough."""
    witness = journal["kept"] if journal["replaced"] else target
    return journal["scratch"] not in databases and witness in databases


def disposable(marks: dict[str, str], environment: str, now: datetime) -> list[str]:
    """Databases that an environment's next run drops: scratch of dead runs, and kept ones past their time.

    The mark is not enough: somebody who put a kept database back in its place by hand has renamed it, mark and all.
    """
    kept = f"odoo-ops: replaced in {environment}, kept until "
    return sorted(
        name
        for name, mark in marks.items()
        if name.startswith(_MADE)
        and (
            mark == scratch_mark(environment)
            or (mark.startswith(kept) and datetime.fromisoformat(mark.removeprefix(kept)) < now)
        )
    )


def unmarked_scratch(databases: Collection[str], marks: Mapping[str, str], database: str, now: datetime) -> list[str]:
    """Scratch databases of a run that died before it could mark them: PostgreSQL goes on without it."""
    prefix = made_name("scratch", database, now)[:-14]
    return sorted(name for name in databases if name.startswith(prefix) and name not in marks)


def disposable_filestores(
    folders: list[str], databases: set[str], database: str, now: datetime, keep_hours: int
) -> list[str]:
    """Filestores that flows made for a database and whose database is gone: scratch, and kept past their time."""
    oldest_kept = made_name("kept", database, now - timedelta(hours=keep_hours))
    scratch, kept = (made_name(kind, database, now)[:-14] for kind in ("scratch", "kept"))
    return [
        name
        for name in folders
        if name not in databases and (name.startswith(scratch) or (name.startswith(kept) and name < oldest_kept))
    ]
