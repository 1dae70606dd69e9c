"""Odoo's own backup zip: what its manifest says, what is proved of one, and what may be imported where."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from odoo_ops.errors import PreconditionFailed, Refused, VerificationFailed
from odoo_ops.model.checks import Check, first_of, passed_or_failed
from odoo_ops.model.environment import Environment
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.report import Damage
from odoo_ops.model.zips import ZipContents, ZipProof

SQL = "dump.sql is whole, with the rows of every table"
ATTACHMENTS = "Every attachment with its sha1"
READABLE = "The zip reads to its end, every CRC"
MODULES = "Installed modules and versions"
LOADED = "Row count of every table"

_IN_MEMORY = ("tmpfs", "ramfs")

# A database with its indexes takes more than its SQL: 27 MB for 5.7 MB and 66 MB for 20 MB in two real ones of
# Odoo 18, 8 MB of which an empty one takes as well.
_DATABASE_PER_SQL = 4
_EMPTY_DATABASE_BYTES = 16_000_000


def odoo_manifest(manifest: Manifest) -> str:
    """`manifest.json` as Odoo's own backup writes it (`odoo.service.db.dump_db_manifest`)."""
    series = manifest.odoo_series
    major, minor = series.split(".")
    content = {
        "odoo_dump": "1",
        "db_name": manifest.database,
        "version": series,
        "version_info": [int(major) if major.isdigit() else major, int(minor), 0, "final", 0, ""],
        "major_version": series,
        "pg_version": f"{manifest.postgresql}.0",
        "modules": manifest.facts.modules,
    }
    return json.dumps(content, indent=4)


def refuse_fleeting(folder: str, host: str, *, mounted_at: str, kind: str, lasting: str) -> None:
    """Raise PreconditionFailed for a folder in a container that ends with it: of its own layer, or in memory.

    Args:
        folder: where a zip is to be.
        host: how the container is called.
        mounted_at: where that is mounted in which the folder lies.
        kind: of that file system.
        lasting: a folder there that outlives the container.
    """
    if mounted_at == "/" or kind in _IN_MEMORY:
        what = "is in memory" if kind in _IN_MEMORY else "belongs to the container alone"
        raise PreconditionFailed(
            f"{folder} on {host} {what}: a zip there would go with the container, at the end of this run. "
            "Nothing was changed. Next step: name a folder of a volume, or one of the machine that is mounted there, "
            f"as {lasting} is."
        )


def zip_bytes_needed(manifest: Manifest) -> int:
    """The most that a zip of a backup takes: its SQL is packed less well than the dump."""
    return 2 * sum(manifest.dump_files.values()) + manifest.inventory.bytes


def database_bytes_needed(contents: ZipContents) -> int:
    """The most that the database in a zip is expected to take."""
    return _EMPTY_DATABASE_BYTES + _DATABASE_PER_SQL * contents.sql_bytes


def read_contents(found: Mapping[str, Any], source: str) -> ZipContents:
    """What the host found in a zip, with its `manifest.json` read.

    Raises VerificationFailed for a `dump.sql` without end or without tables.
    """
    if not found["complete"] or not found["rows"]:
        raise VerificationFailed(
            f"dump.sql in {source} {'holds no tables' if found['complete'] else 'ends too early'}: pg_dump did not "
            "come to its end when the zip was made. Nothing was changed. Next step: make the zip again."
        )
    try:
        manifest = json.loads(found["manifest"] or "{}")
        series, modules = manifest.get("major_version"), manifest.get("modules")
    except (ValueError, AttributeError) as error:
        raise VerificationFailed(
            f"manifest.json in {source} is not what Odoo writes: {error}. Nothing was changed. "
            "Next step: make the zip again."
        ) from error
    fields = ("rows", "extensions", "indexes_unaccent", "sql_bytes", "files", "filestore_bytes")
    return ZipContents.model_validate(
        {"series": series, "modules": modules, **{field: found[field] for field in fields}}
    )


def refuse_import(target: Environment, confirm_production: str, *, as_copy: bool) -> None:
    """Let an import into an environment pass or raise Refused: production only on purpose, and never a copy."""
    if target.stage != "production":
        return
    if as_copy:
        raise Refused(
            f"{target.name} is production, and a copy sends no mail and runs no scheduled actions. Nothing was changed."
            " Next step: to move a database here, switch as_copy off; to look into it, name another environment."
        )
    if confirm_production != target.name:
        raise Refused(
            f"{target.name} is production: what is there now would be replaced. Nothing was changed. "
            f"Next step: if you mean it, run again with confirm_production = {target.name}"
        )


def refuse_series(series: str, target: Environment, source: str) -> None:
    """Raise Refused when a zip's database is of another Odoo series than the environment's Odoo."""
    if series != target.odoo.version:
        raise Refused(
            f"{source} holds a database of Odoo {series}, and {target.name} runs Odoo {target.odoo.version}, which "
            "cannot open it. Nothing was changed. Next step: import it where that Odoo runs."
        )


def export_checks(manifest: Manifest, proof: ZipProof, damaged_accepted: int) -> list[Check]:
    """The checks of one zip that was read again after it was written."""
    problems = _other_rows({name: manifest.facts.rows.get(name) for name in proof.rows}, proof.rows)
    if not proof.complete or not proof.rows:
        problems.append("its end is not there")
    return [
        passed_or_failed(SQL, problems, _rows_shown(proof.rows)),
        judge_attachments(manifest.inventory.attachments, proof.damaged, proof.damaged_total, damaged_accepted),
        Check(name=READABLE, outcome="passed", detail=f"{proof.files + 2:,} entries"),
    ]


def import_checks(contents: ZipContents, rows: Mapping[str, int], modules: Mapping[str, str]) -> list[Check]:
    """Compare a database that was loaded from a zip with what the zip says of it."""
    problems = _other_rows(contents.rows, rows)
    if contents.modules is None:
        compared = Check(name=MODULES, outcome="not measured", detail="the zip's manifest.json does not name them")
    else:
        different = [
            f"{name}: {modules.get(name, 'none')} instead of {version}"
            for name, version in sorted(contents.modules.items())
            if modules.get(name) != version
        ]
        compared = passed_or_failed(MODULES, different, f"{len(contents.modules)} modules")
    return [passed_or_failed(LOADED, problems, _rows_shown(contents.rows)), compared]


def judge_attachments(attachments: int, damaged: Sequence[Damage], total: int, accepted: int) -> Check:
    """Whether attachments have their files; so many damaged ones as are accepted pass."""
    if total > accepted:
        named = first_of([str(damage) for damage in damaged])
        problem = f"{total} are damaged (accepted: {accepted}): {named}. To go on without their files, run again with"
        return Check(name=ATTACHMENTS, outcome="failed", detail=f"{problem} damaged_accepted = {total}")
    note = f", {total} damaged ones accepted" if total else ""
    return Check(name=ATTACHMENTS, outcome="passed", detail=f"{attachments:,} attachments{note}")


def _other_rows(expected: Mapping[str, int | None], found: Mapping[str, int]) -> list[str]:
    return [
        f"rows of {name}: {found.get(name, 'none')} instead of {count}"
        for name, count in sorted(expected.items())
        if found.get(name) != count
    ]


def _rows_shown(rows: Mapping[str, int]) -> str:
    return f"{sum(rows.values()):,} rows in {len(rows):,} tables"
