"""A dry run of a restore and of an import: everything is chosen and checked, and nothing is written."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prefect.artifacts import Artifact
from toolbox_site import both_runtimes_at_length

from flows.backup import backup
from flows.export_zip import export_zip
from flows.import_zip import import_zip
from flows.restore import restore
from odoo_ops.errors import PreconditionFailed, Refused

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


def _page(key: str) -> str:
    artifact = Artifact.get(key)
    assert artifact is not None
    return str(artifact.data)


@both_runtimes_at_length
def test_dry_run_of_a_restore_shows_what_it_would_replace_and_changes_nothing(site: Site, runtime: str) -> None:
    taken = backup(site.name)
    site.attach(b"made after the backup")
    site.register(stage="production")
    present, state = site.content(), _tree(site)
    with pytest.raises(Refused, match="confirm_production"):
        restore(site.name)

    report = restore(site.name, dry_run=True)
    assert (report.snapshot_id, report.rows, report.files) == (taken.snapshot_id, taken.rows, 20)
    assert report.preview is not None
    assert (report.preview.files, report.preview.new_filestore_bytes) == (21, taken.filestore_bytes)
    unseen = {"There is room for all that is put together": "not measured"}  # PostgreSQL is none of the project's
    others = {check.name: check.outcome for check in report.checks if check.outcome != "passed"}
    assert others == (unseen if runtime == "compose" else {})
    page = _page(f"restore-{site.name}")
    assert page.startswith(f"# {site.name} would be restored\n")
    assert taken.snapshot_id[:8] in page
    assert site.content() == present
    assert _tree(site) == state
    assert site.made_databases() == []
    assert site.leftovers() == []


@both_runtimes_at_length
def test_dry_run_of_a_restore_finds_what_would_refuse_it(site: Site) -> None:
    file = site.attach(b"is lost")
    file.unlink()
    with pytest.raises(Exception, match="The backup is kept, but 1 attachments"):
        backup(site.name)
    with pytest.raises(PreconditionFailed, match="damaged_accepted = 1"):
        restore(site.name, dry_run=True)
    assert restore(site.name, dry_run=True, damaged_accepted=1).preview is not None
    site.lose_all()
    lost = restore(site.name, dry_run=True, damaged_accepted=1).preview
    assert lost is not None
    assert (lost.database_bytes, lost.files) == (None, 0)
    assert not site.exists()


@both_runtimes_at_length
def test_dry_run_of_an_import_reads_the_zip_and_changes_nothing(site: Site) -> None:
    backup(site.name)
    destination = site.folder / "out.zip"
    exported = export_zip(site.name, str(destination))
    site.attach(b"made after the backup")
    present, state = site.content(), _tree(site)
    report = import_zip(site.name, str(destination), dry_run=True)
    assert (report.rows, report.files, report.series) == (exported.rows, 20, "19.0")
    assert report.preview is not None
    assert report.preview.files == 21
    assert {check.outcome for check in report.checks} == {"passed", "not measured"}
    assert "would be imported" in _page(f"import-{site.name}")
    assert site.content() == present
    assert _tree(site) == state
    assert site.made_databases() == []
    assert site.leftovers() == []


@both_runtimes_at_length
def test_dry_run_of_what_is_not_on_record_records_nothing_and_does_not_call_it_the_same(site: Site) -> None:
    backup(site.name)
    destination = site.folder / "out.zip"
    export_zip(site.name, str(destination))
    marker = Path(site.settings.marker)
    marker.unlink()
    for report in (restore(site.name, dry_run=True), import_zip(site.name, str(destination), dry_run=True)):
        assert report.checks[0].outcome == "not measured"
        assert "on record yet" in report.checks[0].detail
        assert not marker.exists()
    restore(site.name)
    assert marker.exists()


def _tree(site: Site) -> list[str]:
    """Every path of the environment's own folders."""
    return sorted(
        str(path) for top in (site.settings.data_dir, site.settings.state_dir) for path in Path(top).rglob("*")
    )
