"""SIGKILL of Prefect's worker and of Prefect's server in the middle of a backup or a restore, and the run after it."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from offsite_folders import register_offsite
from own_prefect import PrefectServer
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate, WorkPoolCreate
from real_processes import MarkedProcess, run_flow, run_worker
from slow_restores import add_slow_row, restore_held

from blocks import OdooEnvironment
from flows.backup import backup
from tasks.locks import _LEASE_SECONDS

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_BLOCKED_SECONDS = 360
_NOT_PUBLISHED = "What this run did stays done"


@contextmanager
def _worker(site: Site, name: str) -> Iterator[MarkedProcess]:
    process = run_worker(site.name, site.folder / f"{name}-worker.log")
    try:
        yield process
    finally:
        process.close()


@pytest.fixture
def deployment(site: Site) -> UUID:
    """A deployment of `backup` as `prefect.yaml` makes it: one run at a time, the others wait."""
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=site.name, type="process"))
        return client.create_deployment(
            flow_id=client.create_flow(backup),
            name=site.name,
            entrypoint="flows.backup.backup",
            work_pool_name=site.name,
            parameters={"environment": site.name},
            pull_steps=[],
            concurrency_limit=1,
        )


def _run(deployment: UUID) -> UUID:
    with get_client(sync_client=True) as client:
        return client.create_flow_run_from_deployment(deployment).id


def _state(run: UUID) -> str:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
    return f"{state.name}: {state.message}" if state else "none"


@pytest.mark.parametrize(
    "waits",
    [pytest.param(False, id="limits-freed"), pytest.param(True, id="waits-for-them", marks=pytest.mark.long)],
)
def test_next_backup_passes_when_the_worker_was_killed_alone_and_with_its_run(
    site: Site, deployment: UUID, waits: bool
) -> None:
    """By the whole real way. A run that loses its worker ends with its next line in the log, in good order.

    One that is killed, too, stays Running in Prefect. Its places in both limits are free once their leases have
    ended: a test that may take long waits for that, in the other one they are freed by hand.
    """
    present = site.content() | {"table held": ""}
    with _worker(site, "first") as worker:
        with site.pg_dump_held() as pg_dump_waits:
            crashed = _run(deployment)
            worker.wait_until(pg_dump_waits, "pg_dump waits", seconds=300)
            assert worker.signal(signal.SIGKILL) == -signal.SIGKILL
            assert any("pg_dump" in command for command in worker.children().values())
        worker.see_children_end()
    assert _state(crashed).startswith("Crashed"), worker.log()

    with _worker(site, "second") as worker, site.pg_dump_held() as pg_dump_waits:
        running = _run(deployment)
        worker.wait_until(pg_dump_waits, "pg_dump waits", seconds=300)
        worker.signal(signal.SIGKILL)
        worker.kill_child("prefect.engine")
        killed = time.monotonic()
        worker.see_children_end()
    assert _state(running).startswith("Running"), worker.log()
    assert OdooEnvironment.open(site.name).snapshots(site.name) == []
    assert site.content() == present

    if not waits:
        _free_limits(site, deployment)
    with _worker(site, "third") as worker:
        last = _run(deployment)
        left = killed + _BLOCKED_SECONDS - time.monotonic()
        worker.wait_until(lambda: _state(last).startswith("Running"), "the next run begins", seconds=left)
        worker.wait_until(lambda: _state(last).startswith("Completed"), "the last run passes", seconds=300)
    (snapshot,) = OdooEnvironment.open(site.name).snapshots(site.name)
    assert snapshot.proved
    assert site.leftovers() == []
    assert site.content() == present


@pytest.fixture
def patience_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect's client asks a server that is away for more than a minute each time: here once more."""
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "1")


def _free_limits(site: Site, deployment: UUID) -> None:
    site.free_limit()
    with get_client(sync_client=True) as client:
        limit = client.read_deployment(deployment).global_concurrency_limit
        client.update_global_concurrency_limit(limit.name, GlobalConcurrencyLimitUpdate(active_slots=0))


@pytest.mark.usefixtures("patience_lost")
def test_backup_is_proved_and_the_next_one_passes_when_the_server_was_killed_meanwhile(
    site_on_own_server: Site, own_server: PrefectServer
) -> None:
    """Its report and its copy off-site are missing. Prefect's limit is free for the next run without anybody's help.

    All flows run in processes of their own: one that asked for a limit here would wait for this server ever after.
    """
    site = site_on_own_server
    register_offsite(site)
    present = site.content() | {"table held": ""}
    with site.pg_dump_held() as pg_dump_waits:
        run = run_flow("backup", site.name, log=site.folder / "backup.log")
        run.wait_until(pg_dump_waits, "pg_dump waits")
        own_server.kill()
    run.wait_until(lambda: _NOT_PUBLISHED in run.log(), "it misses the server", seconds=300)
    own_server.start()
    assert run.end(300) != 0
    run.see_children_end()
    assert not (site.folder / "offsite" / "config").exists()
    assert site.leftovers() == []
    (snapshot,) = OdooEnvironment.open(site.name).snapshots(site.name)
    assert snapshot.proved
    assert f"# Backup of {site.name}: complete" in run.log()
    assert Artifact.get(f"backup-{site.name}") is None
    after = run_flow("backup", site.name, log=site.folder / "backup-again.log")
    assert after.end(300) == 0, after.log()
    newest, former = OdooEnvironment.open(site.name).snapshots(site.name)
    assert former.id == snapshot.id
    assert Artifact.get(f"backup-{site.name}") is not None
    copies = OdooEnvironment.open(site.name, offsite=True).snapshots(site.name)
    assert [(copy.first_id, copy.proved) for copy in copies] == [(newest.id, True), (former.id, True)]
    assert site.leftovers() == []
    assert site.content() == present


@pytest.mark.usefixtures("patience_lost")
def test_restore_is_in_place_and_says_so_when_the_server_was_killed_meanwhile(
    site_on_own_server: Site, own_server: PrefectServer
) -> None:
    """Its page is in its own log: it names the database that was replaced. All flows run in processes of their own."""
    site = site_on_own_server
    add_slow_row(site)
    backed_up = site.content()
    before = run_flow("backup", site.name, log=site.folder / "backup.log")
    assert before.end(300) == 0, before.log()
    with site.connect() as connection:
        connection.execute("INSERT INTO res_partner (name) VALUES ('after the backup')")
    with restore_held(site, seconds=15) as pg_restore_sleeps:
        run = run_flow("restore", site.name, log=site.folder / "restore.log")
        run.wait_until(pg_restore_sleeps, "pg_restore sleeps")
        own_server.kill()
        run.wait_until(lambda: _NOT_PUBLISHED in run.log(), "it misses the server", seconds=300)
    own_server.start()
    assert run.end(300) != 0
    run.see_children_end()
    assert site.content() == backed_up
    (kept,) = site.made_databases()
    assert f"kept as `{kept}`" in run.log()
    assert Artifact.get(f"restore-{site.name}") is None
    after = run_flow("restore", site.name, log=site.folder / "restore-again.log")
    assert after.end(300) == 0, after.log()
    assert Artifact.get(f"restore-{site.name}") is not None
    assert site.leftovers() == []
    assert site.content() == backed_up


@pytest.mark.long
def test_backup_passes_when_the_server_was_away_for_longer_than_its_limit_lasts(
    site_on_own_server: Site, own_server: PrefectServer
) -> None:
    """It loses its place in the limit, which is somebody else's then, and is published when the server is back."""
    site = site_on_own_server
    with site.pg_dump_held() as pg_dump_waits:
        run = run_flow("backup", site.name, log=site.folder / "backup.log")
        run.wait_until(pg_dump_waits, "pg_dump waits")
        own_server.kill()
        time.sleep(_LEASE_SECONDS + 5)
        own_server.start()
        run.wait_until(lambda: "slots are no longer reserved" in run.log(), "its place is lost", seconds=300)
    assert run.end(300) == 0, run.log()
    (snapshot,) = OdooEnvironment.open(site.name).snapshots(site.name)
    assert snapshot.proved
    assert Artifact.get(f"backup-{site.name}") is not None
    assert site.leftovers() == []
