"""What the page of a dry run says, and that it claims nothing that was not looked at."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.model.checks import Check
from odoo_ops.model.host import Host
from odoo_ops.model.previews import Preview, Room
from odoo_ops.model.report import RestoreReport
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.model.zips import ImportReport
from odoo_ops.policy.previews import import_preview_checks, restore_preview_checks
from odoo_ops.policy.space import RESTORED_DATABASE
from odoo_ops.render import render

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
TAKEN = NOW - timedelta(hours=36)
PREVIEW = Preview(
    seen_at=NOW,
    seen_before=True,
    database="erp",
    database_bytes=3_000_000_000,
    filestore="/data/filestore/erp",
    files=4000,
    filestore_bytes=70_000_000,
    odoo="19.0",
    odoo_runs=True,
    odoo_is_meant_to_run=True,
    new_database_bytes=2_000_000_000,
    new_filestore_bytes=60_000_000,
    room=(
        Room(what="the filestore", folder="/data/filestore", needed_bytes=60_000_000, free_bytes=900_000_000),
        Room(what=RESTORED_DATABASE, folder="/pg", needed_bytes=2_000_000_000, free_bytes=4_000_000_000),
    ),
)
REPORT = RestoreReport(
    environment="erp",
    source="erp",
    database="erp",
    snapshot_id="aa11bb22cc33",
    taken_at=TAKEN,
    seconds=1,
    tables=9,
    rows=1234,
    files=3900,
    kept_database=None,
    kept_filestore=None,
    checks=(),
    preview=PREVIEW,
)


def _snapshot(**known: bool) -> Snapshot:
    fields = {"environment": "erp", "id": "aa11bb22cc33", "taken_at": TAKEN, "tags": (), "paths": ()}
    return Snapshot.model_validate(fields | known)


def test_page_of_a_dry_restore_says_what_is_replaced_by_what() -> None:
    page = render("reports/restore.md", report=REPORT)
    assert page.startswith("# erp would be restored\n")
    assert "Nothing was changed" in page
    assert "36 h 0 min ago" in page
    assert "| Database `erp` | 3.0 GB | up to 2.0 GB: 1,234 rows in 9 tables |" in page
    assert "| Filestore `/data/filestore/erp` | 4,000 files, 70.0 MB | 3,900 files, 60.0 MB |" in page
    assert "| Odoo | runs | stopped for the swap, started again after it |" in page
    assert "| the filestore | `/data/filestore` | 60.0 MB | 900.0 MB |" in page
    assert "\n4. Odoo is stopped" in page
    assert "kept as" not in page
    assert "there was none" not in page


def test_page_of_a_dry_restore_elsewhere_names_the_copy_and_what_is_not_there() -> None:
    lost = PREVIEW.model_copy(update={"database_bytes": None, "odoo_runs": False, "odoo_is_meant_to_run": False})
    page = render("reports/restore.md", report=REPORT.model_copy(update={"source": "production", "preview": lost}))
    assert page.startswith("# erp would be restored as a copy of production\n")
    assert "| Database `erp` | there is none |" in page
    assert "| Odoo | was not seen running | left as it is |" in page
    assert "\n4. The copy is neutralised" in page
    assert "\n5. Odoo is stopped" in page


def test_page_of_a_dry_restore_says_that_an_odoo_which_ended_by_itself_is_started() -> None:
    ended = PREVIEW.model_copy(update={"odoo_runs": False})
    page = render("reports/restore.md", report=REPORT.model_copy(update={"preview": ended}))
    assert "| Odoo | was not seen running | started after the swap: nobody stopped it |" in page
    assert "started again if it is meant to run" in page


def test_page_of_a_restore_is_as_ever() -> None:
    page = render("reports/restore.md", report=REPORT.model_copy(update={"preview": None}))
    assert page.startswith("# erp was restored\n")
    assert "| Replaced database | there was none |" in page
    assert "dry run" not in page


@pytest.mark.parametrize("as_copy", [True, False])
def test_page_of_a_dry_import_says_whether_it_becomes_a_copy(as_copy: bool) -> None:
    report = ImportReport(
        environment="erp",
        source="/srv/erp.zip",
        series="19.0",
        as_copy=as_copy,
        seconds=1,
        tables=9,
        rows=1234,
        files=3900,
        damaged=(),
        damaged_total=0,
        kept_database=None,
        kept_filestore=None,
        checks=(),
        preview=PREVIEW,
    )
    page = render("reports/import.md", report=report)
    how = "as a neutralised copy" if as_copy else ", as it is"
    assert page.startswith("# A zip would be imported into erp")
    assert how in page.splitlines()[0]
    assert ("The copy is neutralised" in page) == as_copy
    assert "there was none" not in page


def test_checks_of_a_dry_restore_tell_proved_from_not_measured() -> None:
    def outcomes(snapshot: Snapshot, series: str = "19.0") -> list[str]:
        return [check.outcome for check in restore_preview_checks(PREVIEW, snapshot, series)]

    assert outcomes(_snapshot(proved=True)) == ["passed"] * 5
    assert outcomes(_snapshot(proved=False)) == [*["passed"] * 4, "not measured"]
    assert outcomes(_snapshot(proved=True), series="18.0") == ["passed", "failed", *["passed"] * 3]
    assert "accepted" in restore_preview_checks(PREVIEW, _snapshot(proved=True, damaged=True), "19.0")[-1].detail


def test_checks_of_a_dry_import_never_claim_that_attachments_are_whole() -> None:
    checks = import_preview_checks(PREVIEW, None)
    assert [check.outcome for check in checks] == ["passed", "not measured", "passed", "passed", "not measured"]


def test_environment_of_which_nothing_is_on_record_is_not_called_the_same() -> None:
    first = PREVIEW.model_copy(update={"seen_before": False})
    identity = restore_preview_checks(first, _snapshot(proved=True), "19.0")[0]
    assert (identity.outcome, identity.detail) == ("not measured", "no run has put on record yet which one it is")


def test_room_is_not_measured_where_the_disk_of_postgresql_cannot_be_seen() -> None:
    def room(preview: Preview) -> Check:
        return next(check for check in import_preview_checks(preview, "19.0") if check.name.startswith("There is room"))

    seen = room(PREVIEW)
    assert (seen.outcome, seen.detail) == ("passed", "60.0 MB of 900.0 MB in /data/filestore; 2.0 GB of 4.0 GB in /pg")
    unseen = room(PREVIEW.model_copy(update={"room": PREVIEW.room[:1]}))
    assert unseen.outcome == "not measured"
    assert unseen.detail == (
        "PostgreSQL's disk cannot be seen, where up to 2.0 GB are needed; elsewhere there is room: 60.0 MB of 900.0 MB "
        "in /data/filestore"
    )


def test_tree_is_measured_without_what_its_links_lead_to(tmp_path: Path) -> None:
    here, tree = HostAdapter(Host(name="here")), tmp_path / "tree"
    (tree / "ab").mkdir(parents=True)
    (tree / "ab" / "one").write_bytes(b"12345")
    (tree / "two").write_bytes(b"123")
    assert here.call("measure_tree", path=str(tree)) == {"files": 2, "bytes": 8}
    assert here.call("measure_tree", path=str(tmp_path / "nothing")) == {"files": 0, "bytes": 0}
