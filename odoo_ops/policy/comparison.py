"""Is what was restored what was backed up?"""

from collections.abc import Mapping

from odoo_ops.model.checks import Check, passed_or_failed
from odoo_ops.model.manifest import Facts, Inventory, Sequence
from odoo_ops.model.report import Swap

ROWS = "Row count of every table"
MODULES = "Installed modules and versions"
SEQUENCES = "Sequences"
EXTENSIONS = "Extensions and unaccent indexes"
USERS = "Users and their groups"
IDENTITY = "Identity of the database"
INVENTORY = "Attachment inventory"
FILES = "sha1 of every file"
CARRIED_OVER = "What was set of the database itself"

QUESTIONS = (ROWS, MODULES, SEQUENCES, EXTENSIONS, USERS, IDENTITY, INVENTORY, FILES)


def compare_facts(expected: Facts, found: Facts) -> list[Check]:
    """Compare the facts of a restored database with its manifest's, one check a subject."""
    rows = sum(expected.rows.values())
    return [
        passed_or_failed(
            ROWS,
            _changed("rows of", expected.rows, found.rows),
            f"{rows:,} rows in {len(expected.rows):,} tables",
        ),
        passed_or_failed(
            MODULES,
            _changed("module", expected.modules, found.modules),
            f"{len(expected.modules)} modules",
        ),
        passed_or_failed(
            SEQUENCES,
            _behind(expected.sequences, found.sequences),
            f"{len(expected.sequences):,} sequences, none behind",
        ),
        _compare_extensions(expected, found),
        passed_or_failed(
            USERS,
            [] if expected.users_sha256 == found.users_sha256 else ["users or their groups differ"],
            "logins, active flags and groups are equal",
        ),
        passed_or_failed(
            IDENTITY,
            [] if expected.database_uuid == found.database_uuid else ["database.uuid differs"],
            "database.uuid is equal",
        ),
    ]


def compare_inventory(expected: Inventory, found: Inventory) -> Check:
    """The same for the attachment inventory."""
    problems = (
        [] if expected == found else [f"{found.attachments} attachments instead of {expected.attachments}, or others"]
    )
    return passed_or_failed(INVENTORY, problems, f"{expected.attachments:,} attachments")


def judge_carried_over(swap: Swap) -> Check:
    """Whether what was set of the replaced database (parameters, rights, a limit) is set of the new one."""
    return passed_or_failed(CARRIED_OVER, list(swap.not_set), "parameters, rights, limit of connections")


def _behind(expected: Mapping[str, Sequence], found: Mapping[str, Sequence]) -> list[str]:
    """Sequences that would give a number twice.

    They are not part of a transaction: pg_dump reads them a moment after the manifest, so a restored one may
    be ahead, never behind.
    """
    problems = []
    for name, sequence in expected.items():
        restored = found.get(name)
        if restored is None:
            problems.append(f"sequence {name} is missing")
        elif (restored.last_value or 0) < (sequence.last_value or 0):
            problems.append(f"sequence {name} is {restored.last_value}, behind {sequence.last_value}")
    return problems


def _compare_extensions(expected: Facts, found: Facts) -> Check:
    missing = sorted(set(expected.extensions) - set(found.extensions))
    problems = [f"extension {name} is missing" for name in missing]
    if expected.unaccent_immutable and not found.unaccent_immutable:
        problems.append("unaccent is not IMMUTABLE")
    lost = sorted(set(expected.unaccent_indexes) - set(found.unaccent_indexes))
    problems += [f"index {name} is missing" for name in lost]
    detail = f"{', '.join(sorted(expected.extensions))}; {len(expected.unaccent_indexes)} indexes use unaccent"
    return passed_or_failed(EXTENSIONS, problems, detail)


def _changed(what: str, expected: Mapping[str, object], found: Mapping[str, object]) -> list[str]:
    names = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    return [f"{what} {name}: {found.get(name, 'none')} instead of {expected.get(name, 'none')}" for name in names]


def judge_files(files: int, damaged: int, accepted: int, first: str) -> Check:
    """Whether the restored files are what the database names.

    Args:
        files: how many there are.
        damaged: attachments whose file is missing or rotten.
        accepted: so many damaged ones pass, because they were damaged when they were backed up.
        first: the first damaged one, in words.
    """
    if damaged > accepted:
        problem = (
            f"{damaged} attachments are damaged (allowed: {accepted}), for example {first}; the backup's report names "
            f"them. To restore without them, run again with damaged_accepted = {damaged}"
        )
        return Check(name=FILES, outcome="failed", detail=problem)
    note = f", {damaged} damaged attachments accepted" if damaged else ""
    return Check(name=FILES, outcome="passed", detail=f"{files:,} files{note}")
