"""Is what was restored what was backed up?"""

from collections.abc import Mapping

from odoo_ops.model.manifest import Facts, Inventory

_SHOWN = 10


def differences(expected: Facts, found: Facts) -> list[str]:
    """Everything in which restored facts differ from a manifest's, in words; none means equal.

    Sequences are not part of a transaction: pg_dump reads them a moment after the manifest, so a restored
    one may be ahead, never behind.
    """
    problems = [
        *_changed("rows of", expected.rows, found.rows),
        *_changed("module", expected.modules, found.modules),
    ]
    for name, sequence in expected.sequences.items():
        restored = found.sequences.get(name)
        if restored is None:
            problems.append(f"sequence {name} is missing")
        elif (restored.last_value or 0) < (sequence.last_value or 0):
            problems.append(f"sequence {name} is {restored.last_value}, behind {sequence.last_value}")
    missing = sorted(set(expected.extensions) - set(found.extensions))
    problems += [f"extension {name} is missing" for name in missing]
    if expected.unaccent_immutable and not found.unaccent_immutable:
        problems.append("unaccent is not IMMUTABLE")
    lost = sorted(set(expected.unaccent_indexes) - set(found.unaccent_indexes))
    problems += [f"index {name} is missing" for name in lost]
    if expected.users_sha256 != found.users_sha256:
        problems.append("users or their groups differ")
    if expected.database_uuid != found.database_uuid:
        problems.append("database.uuid differs")
    return problems


def inventory_differences(expected: Inventory, found: Inventory) -> list[str]:
    """The same for the attachment inventory."""
    if expected == found:
        return []
    return [f"the attachment inventory differs: {found.attachments} instead of {expected.attachments} attachments"]


def _changed(what: str, expected: Mapping[str, object], found: Mapping[str, object]) -> list[str]:
    names = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    return [f"{what} {name}: {found.get(name, 'none')} instead of {expected.get(name, 'none')}" for name in names]


def summary(problems: list[str]) -> str:
    """The first ten problems as text."""
    shown = "; ".join(problems[:_SHOWN])
    more = len(problems) - _SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown
