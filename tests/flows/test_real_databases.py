"""Databases of a real Odoo 18.0, as its own backup wrote them: in, backed up, lost, restored, compared."""

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from changed_business import CENT_MORE, CENT_PAID, PIECE_MORE, failed_checks
from prefect import flow

from blocks import OdooEnvironment
from flows.backup import backup
from flows.export_zip import export_zip
from flows.import_zip import import_zip
from flows.restore import restore
from odoo_ops.adapters import database
from odoo_ops.adapters.odoo_health import read_database_health
from odoo_ops.model.checks import Check
from odoo_ops.policy.business import QUESTIONS
from odoo_ops.policy.zips import database_bytes_needed
from tasks.fetches import snapshot_fetched
from tasks.imports import inspect_zip
from tasks.restores import (
    compare_database,
    create_scratch,
    read_manifest,
    read_snapshot,
    restore_database,
    scratch_name,
)

if TYPE_CHECKING:
    from conftest import Site, SiteMaker
else:
    Site = SiteMaker = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_SAMPLES = Path(__file__).parents[3] / "shared" / "odoo18"


@pytest.mark.parametrize(
    ("sample", "files"), [pytest.param("odoo18_small", 186, marks=pytest.mark.long), ("odoo18_shop", 1153)]
)
def test_restore_equals_the_original_when_it_is_a_real_odoo_18(empty_site: Site, sample: str, files: int) -> None:
    _import(empty_site, _sample(sample))
    before = empty_site.content()
    report = backup(empty_site.name)
    assert (report.files, report.damaged_total) == (files, 0)
    empty_site.lose_all()
    restored = restore(empty_site.name)
    assert restored.files == files
    outcomes = {check.name: check.outcome for check in restored.checks}
    if sample == "odoo18_shop":
        assert {outcomes[name] for name in QUESTIONS} == {"passed"}
    assert empty_site.content() == before


def test_health_is_read_from_a_database_of_a_real_odoo_18(empty_site: Site) -> None:
    _import(empty_site, _sample("odoo18_small"))
    runtime = OdooEnvironment.open(empty_site.name)
    with database.connect(runtime.host, empty_site.settings.database) as connection:
        found = read_database_health(connection, 5)
    assert (found.odoo_version[:5], found.modules, found.unsettled) == ("18.0.", 25, ())
    assert found.crons.active >= len(found.crons.late) > 0, "nobody has run them since it was made"
    assert found.mails is not None
    assert found.jobs is None


@pytest.mark.parametrize(
    ("sample", "files"), [("odoo18_small", 186), pytest.param("odoo18_shop", 1153, marks=pytest.mark.long)]
)
def test_import_and_export_lose_nothing_when_it_is_a_real_odoo_18(
    empty_site: Site, make_site: SiteMaker, sample: str, files: int
) -> None:
    """In by us, compared with psql's own import; backed up, out by us, and in again."""
    archive = _sample(sample)
    _import(empty_site, archive)
    expected = empty_site.content()
    moved, again = make_site(), make_site()
    for site in (moved, again):
        site.register(odoo=site.settings.odoo.model_copy(update={"version": "18.0"}))
    report = import_zip(moved.name, str(archive), as_copy=False)
    assert (report.series, report.files, report.damaged_total) == ("18.0", files, 0)
    assert moved.content() == expected
    with moved.connect() as connection:
        ((taken,),) = connection.execute("SELECT pg_database_size(current_database())").fetchall()
    needed = database_bytes_needed(inspect_zip.fn(moved.name, str(archive)))
    assert taken < needed

    backup(moved.name)
    destination = moved.folder / f"{sample}.zip"
    export_zip(moved.name, str(destination))
    with zipfile.ZipFile(archive) as odoos, zipfile.ZipFile(destination) as ours:
        theirs, own = (json.loads(made.read("manifest.json")) for made in (odoos, ours))
    assert own == {**theirs, "db_name": moved.settings.database.name, "version": "18.0"}
    import_zip(again.name, str(destination), as_copy=False)
    assert again.content() == expected


def _sample(name: str) -> Path:
    archive = _SAMPLES / f"{name}.zip"
    if not archive.exists():
        pytest.skip(f"no sample database {archive.name}: it is not part of the project")
    return archive


# one cent, one piece, one number: what is wrong, in which check, and how it is named
_TAMPERED = [
    (CENT_MORE, "Trial balance", r"\d{6} .* \(account.account \d+, res.company 1\): debit \d+\.\d\d instead of \d+"),
    (
        CENT_PAID,
        "Open receivables and payables",
        r"res.partner \d+, res.company 1: receivable -?0.01 instead of 0.00",
    ),
    (
        "UPDATE account_move SET sequence_number = 3 WHERE name = 'INV/2026/00004'",
        "Numbers of invoices, bills and entries",
        r"INV INV/2026/ \(account.journal 1\): last number 3 instead of 4",
    ),
    (PIECE_MORE, "Stock quantities", r"product.product \d+ in WH/Stock.*: quantity \d+.00 instead of \d+.00"),
    (
        "UPDATE stock_valuation_layer SET value = value + 0.01 WHERE id = (SELECT min(id) FROM stock_valuation_layer)",
        "Stock valuation",
        r"product.product \d+, res.company 1: value 0.01 instead of 0.00",
    ),
    (
        "SELECT setval('ir_sequence_' || to_char(id, 'FM000'), 1, false) FROM ir_sequence WHERE code = 'sale.order'",
        "Number sequences",
        r"Sales Order \(ir.sequence \d+\): the next number is 1 instead of \d+",
    ),
]


def test_comparison_names_the_changed_cent_when_it_is_a_real_odoo_18(empty_site: Site) -> None:
    _import(empty_site, _sample("odoo18_shop"))
    backup(empty_site.name)
    checks = {check.name: check for check in _restore_with_a_cent_more(empty_site.name)}
    assert [name for name, check in checks.items() if check.outcome == "failed"] == ["Trial balance"]
    assert re.match(_TAMPERED[0][2], checks["Trial balance"].detail)
    assert checks["Stock quantities"].detail.startswith("internal: quantity 1,188.00, reserved 244.00")
    with empty_site.connect() as connection:
        for change, name, detail in _TAMPERED:
            failed = failed_checks(connection, change)
            assert list(failed) == [name]
            assert re.match(detail, failed[name]), failed[name]


@flow
def _restore_with_a_cent_more(name: str) -> list[Check]:
    """The steps of `restore` up to the comparison, with a change between the restored database and it."""
    chosen = read_snapshot(name, name, "latest", offsite=False)
    manifest = read_manifest(name, chosen)
    scratch = scratch_name(name)
    with snapshot_fetched(name, chosen, manifest, scratch):
        create_scratch(name, manifest, scratch)
        restore_database(name, manifest, scratch)
    runtime = OdooEnvironment.open(name)
    with database.connect(runtime.host, runtime.environment.database, scratch) as connection:
        connection.execute(CENT_MORE)
    return compare_database(name, manifest, scratch)


def _import(site: Site, archive: Path) -> None:
    unpacked = site.folder / "zip"
    with zipfile.ZipFile(archive) as file:
        file.extractall(unpacked)
    site.filestore.rmdir()
    (unpacked / "filestore").rename(site.filestore)
    database = site.settings.database
    assert database.password is not None
    subprocess.run(
        [
            site.cluster.programs / "psql",
            *("--no-psqlrc", "--quiet", f"--host={database.server}", f"--port={database.port}"),
            *(f"--username={database.user}", f"--dbname={database.name}", f"--file={unpacked / 'dump.sql'}"),
        ],
        env={**os.environ, "PGPASSWORD": database.password.get_secret_value()},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
