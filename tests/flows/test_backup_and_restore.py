import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from prefect import flow
from pydantic import SecretStr
from real_processes import wait_until
from stand_in_service import stand_in_service
from toolbox_site import both_runtimes, both_runtimes_at_length

from blocks import BackupRepository, OdooEnvironment
from flows.backup import backup
from flows.restore import restore
from odoo_ops.adapters import cluster, database
from odoo_ops.adapters.database import Connection
from odoo_ops.errors import CommandFailed, PreconditionFailed, Refused, TransientError, VerificationFailed
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.report import SnapshotProof, StoredSnapshot
from odoo_ops.policy.dumps import kept_mark, made_name, scratch_mark
from odoo_ops.runtimes.new_repository import make_repository
from tasks.backups import dump_database, prove_snapshot, store_snapshot
from tasks.leftovers import settle_leftovers
from tasks.restores import create_scratch

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


_ODD_NAME = "odd 'na\"me' $(touch x) ü=1"


@pytest.mark.parametrize(
    ("runtime", "empty_site"),
    [
        ("native", "plain"),
        ("native", _ODD_NAME),
        pytest.param("compose", _ODD_NAME, marks=pytest.mark.docker),
    ],
    indirect=True,
)
def test_restore_brings_everything_back_when_all_was_lost(site: Site) -> None:
    before = site.content()
    report = backup(site.name)
    assert (report.attachments, report.hashed_files, report.damaged_total) == (20, 20, 0)
    site.lose_all()
    restored = restore(site.name)
    assert site.content() == before
    assert restored.kept_database is None
    assert site.made_databases() == []


@both_runtimes_at_length
def test_backup_hashes_only_new_files_when_run_again(site: Site) -> None:
    backup(site.name)
    site.attach(b"one more")
    report = backup(site.name)
    assert (report.attachments, report.hashed_files) == (21, 1)


@both_runtimes_at_length
def test_restore_keeps_what_it_replaces(site: Site) -> None:
    backup(site.name)
    before = site.content()
    later = site.attach(b"made after the backup")
    report = restore(site.name)
    assert site.content() == before
    assert site.made_databases() == [report.kept_database]
    assert site.seen_by_odoo() == [site.settings.database.name]
    assert report.kept_filestore is not None
    assert (Path(report.kept_filestore) / later.parent.name / later.name).exists()


@both_runtimes_at_length
def test_backup_and_restore_pass_when_the_filestore_is_empty(empty_site: Site) -> None:
    empty_site.fill()
    with empty_site.connect() as connection:
        connection.execute("DELETE FROM ir_attachment")
    for file in empty_site.filestore.rglob("*"):
        if file.is_file():
            file.unlink()
    assert backup(empty_site.name).files == 0
    empty_site.lose_all()
    assert restore(empty_site.name).files == 0


@both_runtimes_at_length
def test_backup_is_kept_and_fails_naming_the_record_when_files_are_damaged(site: Site) -> None:
    missing, flipped = site.attach(b"to be removed"), site.attach(b"to be flipped")
    missing.unlink()
    content = bytearray(flipped.read_bytes())
    content[0] ^= 1
    flipped.write_bytes(content)
    with pytest.raises(VerificationFailed) as failure:
        backup(site.name)
    assert "ir.attachment 21 (of res.partner 1): its file is" in str(failure.value)
    assert "ir.attachment 22 (of res.partner 1): its file's sha1 is" in str(failure.value)
    with pytest.raises(VerificationFailed, match="The backup is kept, but 2 attachments"):  # and every night again
        backup(site.name)
    with pytest.raises(PreconditionFailed, match=r"2 attachments were damaged .*run again with damaged_accepted = 2"):
        restore(site.name)
    assert not Path(site.settings.restore_spool).exists(), "it is refused before anything is written"
    assert site.made_databases() == []
    assert restore(site.name, damaged_accepted=2).files == 22
    policy = site.settings.backup.model_copy(update={"damaged_attachments_allowed": 2})
    site.register(backup=policy)
    assert backup(site.name).damaged_total == 2


def test_restore_stops_and_starts_the_service_that_runs(site: Site) -> None:
    backup(site.name)
    pid_file = site.folder / "odoo.pid"
    with stand_in_service(site) as service:
        first = _wait_for_pid(pid_file, other_than="")
        answer = restore(site.name).checks[-1]
        assert (answer.outcome, answer.detail) == ("passed", OdooEnvironment.open(site.name).environment.odoo.url)
        second = _wait_for_pid(pid_file, other_than=first)
        assert service.runs()
        # it has ended; whoever is its parent by now takes a moment to notice
        wait_until(lambda: not Path(f"/proc/{first}").exists(), "the first service is still there")
        assert Path(f"/proc/{second}").exists()
    assert not service.runs()


@pytest.mark.parametrize("renamed", [False, True], ids=["before the rename", "after it"])
def test_odoo_runs_again_when_a_restore_loses_postgresql_in_its_swap(
    site: Site, monkeypatch: pytest.MonkeyPatch, renamed: bool
) -> None:
    """The error is made where PostgreSQL renames; nobody waits for the next run, which comes at night."""
    backup(site.name)
    before, swap = site.content(), cluster.swap_databases
    site.attach(b"made after the backup")
    later = site.content()

    def cut_off(connection: Connection, **names: str) -> NoReturn:
        if renamed:
            swap(connection, **names)
        raise TransientError("It was lost.")

    with stand_in_service(site) as service:
        monkeypatch.setattr(cluster, "swap_databases", cut_off)
        with pytest.raises(TransientError, match=r"It was lost. What was begun is settled: .*started Odoo"):
            restore(site.name)
        assert service.runs()
        assert not Path(site.settings.swap_journal).exists()
        assert not Path(site.settings.restart_mark).exists()
    assert site.content() == (before if renamed else later)


def _wait_for_pid(file: Path, *, other_than: str) -> str:
    for _attempt in range(200):
        if file.exists() and file.read_text() not in {"", other_than}:
            return file.read_text()
        time.sleep(0.1)
    pytest.fail(f"no new pid in {file}")


@both_runtimes
def test_backup_loses_nothing_when_attachments_are_written_meanwhile(site: Site) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            site.attach(f"written meanwhile {number}".encode())
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        report = backup(site.name)
    finally:
        stop.set()
        writer.join()
    assert report.attachments > 20
    site.lose_all()
    assert restore(site.name).files == report.files


def test_collector_waits_and_writers_do_not_when_it_is_held_off(site: Site) -> None:
    runtime = OdooEnvironment.open(site.name)
    with (
        database.connect(runtime.host, runtime.environment.database) as connection,
        database.collector_held_off(connection),
        site.connect() as other,
    ):
        other.execute("UPDATE ir_attachment SET name = 'written'")
        other.execute("SET lock_timeout = '200ms'")
        with pytest.raises(Exception, match="lock timeout"), other.transaction():
            other.execute("LOCK ir_attachment IN SHARE MODE")


def test_dump_is_for_its_owner_alone_also_where_an_earlier_backup_left_it_open(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: dict[str, set[int]] = {}

    def look(folder: str) -> None:
        modes[folder] = {file.stat().st_mode & 0o777 for file in Path(folder).rglob("*") if file.is_file()}

    def store_opened(environment: str) -> StoredSnapshot:
        look(site.settings.spool)
        for file in Path(site.settings.dump).iterdir():
            file.chmod(0o644)
        return store_snapshot(environment)

    def create_scratch_then(target: str, manifest: Manifest, scratch: str) -> None:
        look(site.settings.restore_spool)
        create_scratch(target, manifest, scratch)

    monkeypatch.setattr("flows.backup.store_snapshot", store_opened)
    monkeypatch.setattr("flows.restore.create_scratch", create_scratch_then)
    backup(site.name)
    restore(site.name)
    assert modes == {site.settings.spool: {0o600}, site.settings.restore_spool: {0o600}}


def test_collector_is_held_off_until_the_files_were_looked_at(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that it deleted between store and proof would count as damaged, though the snapshot holds it."""

    def collect_first(*asked: str) -> SnapshotProof:
        with site.connect() as other:
            other.execute("SET lock_timeout = '200ms'")
            with pytest.raises(Exception, match="lock timeout"), other.transaction():
                other.execute("LOCK ir_attachment IN SHARE MODE")
        return prove_snapshot(*asked)

    monkeypatch.setattr("flows.backup.prove_snapshot", collect_first)
    assert backup(site.name).damaged_total == 0


@both_runtimes
def test_restore_leaves_the_present_state_when_the_dump_was_cut_short(site: Site) -> None:
    before = site.content()
    with pytest.raises(CommandFailed, match=r"(?s)pg_restore.*end of file.*it has no proof"):
        _back_up_cut_dump(site)
    (stored,) = OdooEnvironment.open(site.name).snapshots(site.name)
    snapshot = stored.id
    with pytest.raises(PreconditionFailed, match=rf"{snapshot[:8]} of .* \(not proved\)"):
        restore(site.name)
    with pytest.raises(VerificationFailed, match="cut short"):
        restore(site.name, snapshot)
    assert site.leftovers() == [], "what it began was settled"
    assert site.content() == before
    assert site.made_databases() == []


@flow(validate_parameters=False)
def _back_up_cut_dump(site: Site) -> None:
    make_repository(OdooEnvironment.open(site.name))
    dump_database(site.name)
    largest = max((Path(site.settings.spool) / "dump").iterdir(), key=lambda file: file.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)
    store_snapshot(site.name)


@both_runtimes
@pytest.mark.parametrize("run", [backup, restore])
def test_flow_says_which_password_is_wrong_and_changes_nothing(site: Site, run: Callable[[str], object]) -> None:
    backup(site.name)
    before = site.content()
    right = site.settings.database
    site.register(database=right.model_copy(update={"password": SecretStr("canary-wrong")}))
    with pytest.raises(PreconditionFailed, match="password authentication failed") as failure:
        run(site.name)
    assert "canary-wrong" not in str(failure.value)
    site.register(database=right)
    repository = BackupRepository.load(f"{site.name}-repository")
    wrong = repository.settings.model_copy(update={"password": SecretStr("canary-wrong")})
    BackupRepository(settings=wrong).save(f"{site.name}-repository", overwrite=True)
    with pytest.raises(PreconditionFailed, match="cannot be opened") as failure:
        run(site.name)
    assert "canary-wrong" not in str(failure.value)
    assert site.content() == before


@both_runtimes_at_length
def test_restore_over_production_is_refused_unless_it_is_named(site: Site) -> None:
    site.register(stage="production")
    backup(site.name)
    with pytest.raises(Refused, match="is production"):
        restore(site.name)
    restore(site.name, confirm_production=site.name)


@both_runtimes_at_length
def test_flow_is_refused_when_the_host_lock_is_taken_past_prefect(site: Site) -> None:
    backup(site.name)
    host = OdooEnvironment.open(site.name).host
    lock = f"{site.settings.state_dir}/lock"
    with (
        host.lock(lock, holder="an operator", purpose="manual work", now=datetime.now(UTC)),
        pytest.raises(Refused, match="an operator holds it since .* for: manual work"),
    ):
        backup(site.name)


@both_runtimes_at_length
def test_flow_is_refused_when_the_database_is_another_one(site: Site) -> None:
    backup(site.name)
    with site.connect() as connection:
        connection.execute("UPDATE ir_config_parameter SET value = 'another' WHERE key = 'database.uuid'")
    with pytest.raises(Refused, match="database_uuid was .* and is another"):
        restore(site.name)


@both_runtimes_at_length
def test_repository_is_not_made_anew_when_its_folder_is_suddenly_empty(site: Site) -> None:
    backup(site.name)
    repository = site.folder / "repository"
    repository.rename(site.folder / "unmounted")
    repository.mkdir()
    with pytest.raises(PreconditionFailed, match="There is no repository in .* Next step: look at the address"):
        backup(site.name)
    assert list(repository.iterdir()) == []


@both_runtimes_at_length
def test_repository_is_not_made_when_the_first_run_is_a_restore(site: Site) -> None:
    before = site.content()
    with pytest.raises(PreconditionFailed, match="There is no repository in .*, and none was made"):
        restore(site.name)
    assert not (site.folder / "repository").exists()
    assert not (Path(site.settings.state_dir) / "marker.json").exists()
    assert site.content() == before


@pytest.mark.parametrize(
    ("runtime", "renamed"),
    [("native", False), ("native", True), pytest.param("compose", True, marks=pytest.mark.docker)],
    indirect=["runtime"],
)
def test_interrupted_swap_is_settled_by_the_next_run(site: Site, renamed: bool) -> None:
    """The state in which a run that dies in the swap leaves things, before and after the databases' rename."""
    backup(site.name)
    before = site.content()
    runtime, now = OdooEnvironment.open(site.name), datetime.now(UTC)
    settings = runtime.environment
    scratch, kept = (made_name(kind, settings.database.name, now) for kind in ("scratch", "kept"))
    journal = f'{{"scratch": "{scratch}", "kept": "{kept}", "replaced": true, "was_running": false}}'
    runtime.host.call("write_text", path=settings.swap_journal, text=journal)
    restored = Path(settings.filestore_of(scratch))
    restored.mkdir()
    with site.admin() as connection:
        cluster.create_scratch_database(connection, scratch, owner=settings.database.user, mark=scratch_mark(site.name))
        if renamed:
            cluster.swap_databases(
                connection,
                scratch=scratch,
                target=settings.database.name,
                kept=kept,
                kept_mark=kept_mark(site.name, now, 1),
            )
    _settle(site.name)
    assert not restored.exists()
    if renamed:
        assert list(site.filestore.iterdir()) == []
        assert site.made_databases() == [kept]
        assert len(list(Path(settings.filestore_of(kept)).rglob("*/*"))) == 20
    else:
        assert site.content() == before
        assert site.made_databases() == []


@flow
def _settle(name: str) -> list[str]:
    return settle_leftovers(name)
