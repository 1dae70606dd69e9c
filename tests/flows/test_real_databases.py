"""Databases of a real Odoo 18.0, as its own backup wrote them: in, backed up, lost, restored, compared."""

import json
import os
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.backup import backup
from flows.export_zip import export_zip
from flows.import_zip import import_zip
from flows.restore import restore
from odoo_ops.policy.zips import database_bytes_needed
from tasks.imports import inspect_zip

if TYPE_CHECKING:
    from conftest import Site, SiteMaker
else:
    Site = SiteMaker = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_SAMPLES = Path(__file__).parents[3] / "shared" / "odoo18"


@pytest.mark.parametrize(("sample", "files"), [("odoo18_small", 186), ("odoo18_shop", 1153)])
def test_restore_equals_the_original_when_it_is_a_real_odoo_18(empty_site: Site, sample: str, files: int) -> None:
    _import(empty_site, _sample(sample))
    before = empty_site.content()
    report = backup(empty_site.name)
    assert (report.files, report.damaged_total) == (files, 0)
    empty_site.lose_all()
    assert restore(empty_site.name).files == files
    assert empty_site.content() == before


@pytest.mark.parametrize(("sample", "files"), [("odoo18_small", 186), ("odoo18_shop", 1153)])
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
