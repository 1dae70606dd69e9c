"""What breaks under a run: PostgreSQL, a file, a second run."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterName,
    TaskRunFilter,
    TaskRunFilterFlowRunId,
)
from real_processes import wait_until
from toolbox_site import both_runtimes

from blocks import OdooEnvironment
from flows.backup import backup
from flows.restore import restore
from odoo_ops.adapters import cluster, database
from odoo_ops.errors import CommandFailed, PreconditionFailed, TransientError, VerificationFailed
from odoo_ops.policy.dumps import kept_mark, made_name, scratch_mark
from odoo_ops.runtimes.stored import read_manifest

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

# 200 MB that do not compress
_MUCH = """
CREATE TABLE much (content text);
ALTER TABLE much ALTER content SET STORAGE EXTERNAL;
INSERT INTO much SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 6250000) n GROUP BY n % 500;
"""


def test_backup_says_so_and_the_next_one_passes_when_postgresql_stops_in_the_dump(site_on_own_cluster: Site) -> None:
    site = site_on_own_cluster
    with site.connect() as connection:
        connection.execute(f'SET ROLE "{site.settings.database.user}"; {_MUCH}')
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(copy_context().run, backup, site.name)
        dump = Path(site.settings.spool, "dump")
        wait_until(
            lambda: run.done() or sum(file.stat().st_size for file in dump.glob("*.dat*")) > 1_000_000,
            "pg_dump writes data",
        )
        site.cluster._control("stop", "-m", "immediate")
        # pg_dump notices it, or what counts the rows meanwhile: whichever comes first
        said = r"(?s)(pg_dump|psql) .*ended with status .* on here.*Next step: |connection to .* was lost.*Next step: "
        with pytest.raises((CommandFailed, TransientError), match=said):
            run.result()
    assert OdooEnvironment.open(site.name).snapshots(site.name) == []
    site.cluster.start()
    assert backup(site.name).damaged_total == 0
    assert site.leftovers() == []


@both_runtimes
def test_backup_counts_nothing_and_the_next_one_says_so_when_the_database_is_dropped_in_the_dump(site: Site) -> None:
    before = site.content()
    whole = backup(site.name)
    with site.pg_dump_held() as pg_dump_waits, ThreadPoolExecutor(1) as pool:
        run = pool.submit(copy_context().run, backup, site.name)
        wait_until(lambda: run.done() or pg_dump_waits(), "pg_dump waits", 60)
        with site.admin() as admin:
            admin.execute(f'DROP DATABASE "{site.settings.database.name}" WITH (FORCE)')
        said = r"(?s)(pg_dump|psql) .*ended with status .*Next step: |connection to .* was lost.*Next step: "
        with pytest.raises((CommandFailed, TransientError), match=said):
            run.result()
    for _again in range(2):
        with pytest.raises(PreconditionFailed, match=r"database .* does not exist.*Next step: .*run `restore`"):
            backup(site.name)
    assert not site.exists()
    assert [snapshot.id for snapshot in OdooEnvironment.open(site.name).snapshots(site.name)] == [whole.snapshot_id]
    assert restore(site.name).snapshot_id == whole.snapshot_id
    assert site.content() == before
    assert site.leftovers() == []


def test_second_backup_waits_for_the_first_when_two_start_at_once(site: Site) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(copy_context().run, backup, site.name) for _ in range(2)]
        reports = [run.result() for run in runs]
    assert len({report.snapshot_id for report in reports}) == 2
    assert [snapshot.proved for snapshot in OdooEnvironment.open(site.name).snapshots(site.name)] == [True, True]
    first, second = sorted(_spans(f"backup {site.name}"))
    assert first[1] <= second[0]
    assert site.leftovers() == []


def _spans(flow_run_name: str) -> list[tuple[Any, Any]]:
    """Begin of the first task and end of the last one under the lock, of each flow run with this name."""
    spans = []
    with get_client(sync_client=True) as client:
        name = FlowRunFilterName.model_validate({"any_": [flow_run_name]})
        for flow_run in client.read_flow_runs(flow_run_filter=FlowRunFilter(name=name)):
            of_run = TaskRunFilterFlowRunId.model_validate({"any_": [flow_run.id]})

            def of(task: str, of_run: TaskRunFilterFlowRunId = of_run) -> list[Any]:
                runs = client.read_task_runs(task_run_filter=TaskRunFilter(flow_run_id=of_run))
                return [run for run in runs if run.name.startswith(task) and run.end_time]

            # task runs reach the server a moment after their end
            wait_until(lambda: of("check_identity") and of("read_earlier_backups"), "the runs' tasks")
            spans.append((of("check_identity")[0].start_time, of("read_earlier_backups")[0].end_time))
    return spans


_RESTIC_WITHOUT_PRIVILEGE = """#!/bin/sh
exec setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-dac_override,-dac_read_search {restic} "$@"
"""


@pytest.fixture
def restic_obeys_modes(site: Site, restic: Path) -> None:
    """The real restic, which even as root may not read a file that its mode forbids."""
    if os.geteuid():
        return
    program = site.folder / "restic"
    program.write_text(_RESTIC_WITHOUT_PRIVILEGE.format(restic=restic))
    program.chmod(0o755)
    site.register_host(restic=str(program))


@pytest.mark.usefixtures("restic_obeys_modes")
def test_latest_skips_the_incomplete_snapshot_when_restic_could_not_read_a_file(site: Site) -> None:
    before = site.content()
    whole = backup(site.name)
    unreadable = site.attach(b"cannot be read")
    unreadable.chmod(0)
    with pytest.raises(VerificationFailed, match=rf"(?s)incomplete.*{unreadable.name}.*permission denied.*Next step"):
        backup(site.name)
    snapshots = OdooEnvironment.open(site.name).snapshots(site.name)
    assert [snapshot.proved for snapshot in snapshots] == [False, True]
    assert restore(site.name).snapshot_id == whole.snapshot_id
    assert site.content() == before
    with pytest.raises(VerificationFailed, match="1 attachments are damaged"):
        restore(site.name, snapshots[0].id)
    assert site.content() == before
    assert backup(site.name).damaged_total == 0
    assert site.leftovers() == []


def test_swap_is_not_taken_for_refused_when_its_connection_is_lost(site: Site) -> None:
    """Had it been lost a moment later, at the commit, the databases would be renamed: only the next run can tell."""
    runtime, now = OdooEnvironment.open(site.name), datetime.now(UTC)
    settings = site.settings.database
    scratch, kept = (made_name(kind, settings.name, now) for kind in ("scratch", "kept"))

    def swap() -> None:
        with database.connect(runtime.host, settings, "postgres", admin=True, autocommit=True) as connection:
            mark = kept_mark(site.name, now, 1)
            cluster.swap_databases(connection, scratch=scratch, target=settings.name, kept=kept, kept_mark=mark)

    with site.admin() as admin:
        cluster.create_scratch_database(admin, scratch, owner=settings.user, mark=scratch_mark(site.name))
        renaming = "query LIKE 'COMMENT ON DATABASE%' AND wait_event_type = 'Lock'"
        with ThreadPoolExecutor(1) as pool, admin.transaction():
            admin.execute("LOCK TABLE pg_shdescription IN SHARE MODE")
            run = pool.submit(swap)
            wait_until(lambda: run.done() or site.has_session(renaming), "the databases are being renamed")
            admin.execute(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {renaming}")
            with pytest.raises(TransientError, match=r"connection to .* was lost: .* Next step: "):
                run.result()
    assert site.made_databases() == [scratch]


def test_nothing_is_renamed_when_a_session_cannot_be_ended(site: Site) -> None:
    """A role that is no superuser may not end a superuser's session (a monitoring program's, say)."""
    settings = site.settings.database
    scratch, kept = (made_name(kind, settings.name, datetime.now(UTC)) for kind in ("scratch", "kept"))
    runtime = OdooEnvironment.open(site.name)
    with site.admin() as admin, site.connect():
        cluster.create_scratch_database(admin, scratch, owner=settings.user, mark=scratch_mark(site.name))
        with (
            database.connect(runtime.host, settings, "postgres", autocommit=True) as connection,
            pytest.raises(PreconditionFailed, match=r"did not rename .*superuser.* Next step: .*set admin_user"),
        ):
            cluster.swap_databases(
                connection,
                scratch=scratch,
                target=settings.name,
                kept=kept,
                kept_mark=kept_mark(site.name, datetime.now(UTC), 1),
            )
    assert site.exists()


def test_backup_goes_on_when_postgresql_is_away_for_a_moment(
    site_on_own_cluster: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, real = site_on_own_cluster, cluster.read_system_identifier

    def come_back(connection: database.Connection) -> str:
        monkeypatch.setattr(cluster, "read_system_identifier", real)
        site.cluster.stop()
        site.cluster.start()
        return real(connection)

    monkeypatch.setattr(cluster, "read_system_identifier", come_back)
    assert backup(site.name).files == 20


@pytest.mark.usefixtures("as_root")  # who can give a folder to another user
def test_backup_puts_the_commit_of_another_users_work_tree_on_record(site: Site) -> None:
    tree = site.folder / "addons"
    tree.mkdir()
    git = ["/usr/bin/env", "git", "-C", str(tree), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "one"], check=True)
    for path in [tree, *tree.rglob("*")]:
        os.chown(path, 65534, 65534)
    broken = site.folder / "broken"
    (broken / ".git").mkdir(parents=True)
    site.register(odoo=site.settings.odoo.model_copy(update={"addons": (str(tree), str(broken))}))
    backup(site.name)
    runtime = OdooEnvironment.open(site.name)
    (snapshot,) = runtime.snapshots(site.name)
    manifest = read_manifest(runtime, snapshot, runtime.environment)
    assert list(manifest.addons_commits) == [str(tree)]


def test_restored_filestore_keeps_the_mode_by_which_others_read_it(site: Site) -> None:
    """nginx serves attachments as another user (X-Accel)."""
    site.filestore.chmod(0o755)
    backup(site.name)
    restore(site.name)
    assert site.filestore.stat().st_mode & 0o777 == 0o755
    site.filestore.parent.chmod(0o750)
    site.lose_all()
    restore(site.name)
    assert site.filestore.stat().st_mode & 0o777 == 0o750
    shutil.rmtree(site.settings.data_dir)
    with pytest.raises(PreconditionFailed, match="the filestore's owner is not known.*Next step: mount its disk"):
        restore(site.name)
