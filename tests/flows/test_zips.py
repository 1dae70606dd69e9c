"""Odoo's own zip, out of a backup and into an environment."""

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.backup import backup
from flows.export_zip import export_zip
from flows.import_zip import import_zip
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.zips import ExportReport, ImportReport

if TYPE_CHECKING:
    from conftest import Site, SiteMaker
else:
    Site = SiteMaker = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


def _outcomes(report: ExportReport | ImportReport) -> set[str]:
    return {check.outcome for check in report.checks}


def _rewritten(archive: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """A copy of a zip with each entry changed, or left out for None."""
    target = archive.with_name(f"changed-{archive.name}")
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w") as made:
        for entry in source.infolist():
            if changed := change(entry.filename, source.read(entry)):
                made.writestr(*changed)
    return target


@pytest.fixture
def exported(site: Site) -> Path:
    """A zip of the site's backup."""
    backup(site.name)
    destination = site.folder / "out.zip"
    export_zip(site.name, str(destination))
    return destination


def test_zip_holds_the_backup_and_comes_back_when_it_is_moved(site: Site, make_site: SiteMaker) -> None:
    large = site.attach(b"\0" * 3_000_000)
    backup(site.name)
    before = site.content()
    unwanted = site.attach(b"made after the backup")
    destination = site.folder / "out.zip"
    report = export_zip(site.name, str(destination))
    assert (_outcomes(report), report.files, report.damaged_total) == ({"passed"}, 21, 0)
    assert stat.S_IMODE(destination.stat().st_mode) == 0o600
    with zipfile.ZipFile(destination) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert f"filestore/{large.parent.name}/{large.name}" in names
    assert f"filestore/{unwanted.parent.name}/{unwanted.name}" not in names
    with pytest.raises(PreconditionFailed, match=r"out.zip exists on here, and no file is ever replaced"):
        export_zip(site.name, str(destination))
    assert site.leftovers() == []
    assert sorted(path.name for path in site.folder.glob("out.zip*")) == ["out.zip"]

    other = make_site()
    for _again in range(2):
        moved = import_zip(other.name, str(destination), as_copy=False)
        assert _outcomes(moved) == {"passed", "not measured"}
        assert [check.name for check in moved.checks if check.outcome == "not measured"] == [
            "Odoo answers on /web/login"
        ]
        assert other.content() == before
    assert other.made_databases() == [moved.kept_database]
    with other.connect() as connection:
        owners = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
        volatile = connection.execute("SELECT provolatile FROM pg_proc WHERE proname = 'unaccent' AND pronargs = 1")
        assert (owners, volatile.fetchall()) == ([(other.settings.database.user,)], [("i",)])
    assert other.leftovers() == []
    assert backup(other.name).files == 21
