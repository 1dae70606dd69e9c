"""Odoo's own zip, out of a backup and into an environment."""

import os
import stat
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from toolbox_site import both_runtimes, both_runtimes_at_length

from flows.backup import backup
from flows.export_zip import export_zip
from flows.import_zip import import_zip
from odoo_ops.errors import PreconditionFailed, Refused, VerificationFailed
from odoo_ops.model.zips import ExportReport, ImportReport

if TYPE_CHECKING:
    from conftest import PristineOdoo, Site, SiteMaker
else:
    PristineOdoo = Site = SiteMaker = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


def _outcomes(report: ExportReport | ImportReport) -> set[str]:
    return {check.outcome for check in report.checks}


def _rewritten(archive: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """A copy of a zip with each entry changed, or left out for None."""
    target = archive.with_name(f"changed-{uuid4().hex[:8]}.zip")
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


@both_runtimes
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
    with pytest.raises(PreconditionFailed, match=r"out.zip exists on here.*, and no file is ever replaced"):
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


@pytest.mark.parametrize("runtime", [pytest.param("compose", marks=pytest.mark.docker)], indirect=True)
def test_export_is_refused_where_the_zip_would_go_with_its_container(site: Site) -> None:
    backup(site.name)
    for folder, why in (("/tmp", "is in memory"), ("/srv", "belongs to the container alone")):  # noqa: S108
        said = rf"^{folder} on here \(toolbox of {site.name}\) {why}: .*Next step: name a folder of a volume"
        with pytest.raises(PreconditionFailed, match=said):
            export_zip(site.name, f"{folder}/out.zip")
    assert site.leftovers() == []


def _with_sql(line: bytes) -> Callable[[str, bytes], tuple[str, bytes]]:
    """Puts a line at the beginning of dump.sql."""
    return lambda name, content: (name, line + b"\n" + content if name == "dump.sql" else content)


@both_runtimes_at_length
def test_import_changes_nothing_when_the_zip_is_bad(exported: Path, site: Site) -> None:
    lost = next(site.filestore.glob("*/*")).name
    site.attach(b"made after the backup")
    present = site.content()
    truncated = site.folder / "truncated.zip"
    truncated.write_bytes(exported.read_bytes()[:-1000])
    ran = site.folder / "ran-by-psql"
    cases: list[tuple[Path, type[Exception], str]] = [
        (site.folder / "none.zip", PreconditionFailed, "none.zip is not a file there"),
        (truncated, VerificationFailed, "truncated.zip is not a zip, or was cut short"),
        (
            _rewritten(exported, lambda name, content: (name.replace(lost, "../../../evil"), content)),
            VerificationFailed,
            "which leads out of the folder",
        ),
        (
            _rewritten(
                exported,
                lambda name, content: (name, content.replace(b'"major_version": "19.0"', b'"major_version": "18.0"')),
            ),
            Refused,
            "holds a database of Odoo 18.0, and site-.* runs Odoo 19.0",
        ),
        (
            _rewritten(
                exported,
                lambda name, content: (
                    None if name == "manifest.json" else (name, content.replace(b"\t19.0.1.3", b"\t17.0.1.3"))
                ),
            ),
            Refused,
            "holds a database of Odoo 17.0, and site-.* runs Odoo 19.0",
        ),
        (_rewritten(exported, _with_sql(b"SELECT 1/0;")), VerificationFailed, "division by zero"),
        (
            _rewritten(exported, _with_sql(f"\\! touch {ran}".encode())),
            VerificationFailed,
            "backslash commands are restricted",
        ),
    ]
    bomb = _rewritten(exported, lambda name, content: (name, content))
    with zipfile.ZipFile(bomb, "a") as changed:
        changed.infolist()[-1].file_size = 10**15
        changed.comment = b"so that the directory is written again"
    cases.append((bomb, PreconditionFailed, r"the filestore up to 1,000,\d{3},\d{3},\d{3},\d{3} bytes"))
    for source, error, message in cases:
        with pytest.raises(error, match=message):
            import_zip(site.name, str(source), as_copy=False)
        assert site.content() == present
    assert not ran.exists()
    assert not list(site.folder.rglob("evil"))
    import_zip(site.name, str(exported), as_copy=False)
    assert site.leftovers() == []


@both_runtimes_at_length
def test_attachments_are_named_by_record_when_their_files_in_the_zip_are_bad(exported: Path, site: Site) -> None:
    """One is missing, one holds other bytes, one does not fit its CRC."""
    missing, other, unreadable = sorted(path for path in site.filestore.glob("*/*") if path.is_file())[:3]
    changed = _rewritten(
        exported,
        lambda name, content: (
            None if name.endswith(missing.name) else (name, content.upper() if name.endswith(other.name) else content)
        ),
    )
    stored = unreadable.read_bytes()
    changed.write_bytes(changed.read_bytes().replace(stored, stored.upper()))
    with pytest.raises(VerificationFailed, match=r"3 are damaged \(accepted: 0\).*damaged_accepted = 3") as caught:
        import_zip(site.name, str(changed), as_copy=False)
    with site.connect() as connection:
        for file in (missing, other, unreadable):
            ((attachment,),) = connection.execute(
                "SELECT id FROM ir_attachment WHERE checksum = %s", [file.name]
            ).fetchall()
            assert f"ir.attachment {attachment} (of res.partner 1)" in str(caught.value)
    report = import_zip(site.name, str(changed), as_copy=False, damaged_accepted=3)
    assert (report.damaged_total, len(report.damaged)) == (3, 3)
    assert not (site.filestore / missing.parent.name / missing.name).exists()


@both_runtimes_at_length
def test_export_makes_no_zip_when_an_attachment_of_the_backup_is_damaged(site: Site) -> None:
    rotten = next(site.filestore.glob("*/*"))
    rotten.write_bytes(rotten.read_bytes().upper())
    with pytest.raises(VerificationFailed, match="1 attachments of"):
        backup(site.name)
    destination = site.folder / "out.zip"
    with pytest.raises(
        PreconditionFailed,
        match=r"1 attachments were damaged .*ir.attachment \d+ .of res.partner 1.*Nothing was changed",
    ):
        export_zip(site.name, str(destination))
    assert list(site.folder.glob("out.zip*")) == []
    report = export_zip(site.name, str(destination), damaged_accepted=1)
    assert (report.damaged_total, report.files) == (1, 20)
    with pytest.raises(PreconditionFailed, match="is no folder on here"):
        export_zip(site.name, str(site.folder / "nowhere" / "out.zip"), damaged_accepted=1)
    assert site.leftovers() == []


@pytest.fixture(params=["odoo db", "click-odoo"])
def tool(request: pytest.FixtureRequest, odoo19: Path, require: Callable[[str, Path | None, str], Path]) -> str:
    """What moves databases; click-odoo-contrib is beside the engines' own Odoo."""
    name: str = request.param
    if name == "click-odoo":
        venv = odoo19.resolve().parent.parent / "venv"
        found = next(venv.glob("lib/python*/site-packages/click_odoo_contrib"), None)
        require("click-odoo-contrib", found, f"install it in {venv}, or leave ODOO_BIN unset")
    return name


@pytest.mark.odoo
def test_others_read_our_zip_and_we_read_theirs(
    tool: str,
    odoo_site: Site,
    drill_site: Site,
    make_site: SiteMaker,
    pristine_odoo: PristineOdoo,
) -> None:
    """By `odoo db`, which calls what the database manager calls, and by click-odoo-contrib's programs."""
    backup(odoo_site.name)
    ours, theirs = odoo_site.folder / "ours.zip", odoo_site.folder / "theirs.zip"
    report = export_zip(odoo_site.name, str(ours))
    assert _outcomes(report) == {"passed"}
    loaded = make_site(odoo=pristine_odoo.program, role=pristine_odoo.role)
    _run_tool(loaded, tool, "load", ours)
    # both give the copy another uuid and secret
    before, after = odoo_site.content(), loaded.content()
    assert {name for name in before | after if before.get(name) != after.get(name)} == {"table ir_config_parameter"}

    _run_tool(loaded, tool, "dump", theirs)
    copied = import_zip(drill_site.name, str(theirs))
    assert _outcomes(copied) == {"passed", "not measured"}
    assert (copied.series, copied.files) == ("19.0", report.files)
    parameters = drill_site.parameters()
    assert parameters["database.is_neutralized"].lower() == "true"
    assert parameters["database.uuid"] not in {loaded.parameters()["database.uuid"], ""}
    copy = drill_site.content()
    assert copy.keys() == after.keys()
    assert {name: digest for name, digest in copy.items() if name.startswith("file ")} == {
        name: digest for name, digest in after.items() if name.startswith("file ")
    }
    assert copy["table res_partner"] == after["table res_partner"]


def _run_tool(site: Site, tool: str, what: str, archive: Path) -> None:
    """Load an archive into the site's database, or dump that, as its role."""
    database = site.settings.database
    assert database.password is not None
    program = Path(site.settings.odoo.command[0]).resolve()
    if tool == "odoo db":
        words = [str(program), "db", f"--data-dir={site.settings.data_dir}", what, database.name, str(archive)]
    else:
        venv = program.parent.parent / "venv"
        config = site.folder / "click-odoo.conf"
        config.write_text(f"[options]\ndata_dir = {site.settings.data_dir}\n")
        module = {"load": "click_odoo_contrib.restoredb", "dump": "click_odoo_contrib.backupdb"}[what]
        # as its console script does, whose first line names the folder in which the engine was made
        code = f"from {module} import main; main()"
        words = [f"{venv}/bin/python", "-c", code, f"--config={config}", database.name, str(archive)]
    done = subprocess.run(
        words,
        env={
            **os.environ,
            "PYTHONPATH": str(program.parent.parent / "debian/usr/lib/python3/dist-packages"),
            "TZ": "UTC",
            "PGHOST": database.server,
            "PGPORT": str(database.port),
            "PGUSER": database.user,
            "PGPASSWORD": database.password.get_secret_value(),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
