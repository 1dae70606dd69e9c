"""Databases of a real Odoo 18.0, as its own backup wrote them: in, backed up, lost, restored, compared."""

import os
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.backup import backup
from flows.restore import restore

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_SAMPLES = Path(__file__).parents[3] / "shared" / "odoo18"


@pytest.mark.parametrize(("sample", "files"), [("odoo18_small", 186), ("odoo18_shop", 1153)])
def test_restore_equals_the_original_when_it_is_a_real_odoo_18(empty_site: Site, sample: str, files: int) -> None:
    archive = _SAMPLES / f"{sample}.zip"
    if not archive.exists():
        pytest.skip(f"no sample database {archive.name}: it is not part of the project")
    _import(empty_site, archive)
    before = empty_site.content()
    report = backup(empty_site.name)
    assert (report.files, report.damaged_total) == (files, 0)
    empty_site.lose_all()
    assert restore(empty_site.name).files == files
    assert empty_site.content() == before


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
