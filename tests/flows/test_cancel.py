"""A run that is cancelled in Prefect ends what it started on the host."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.states import Cancelling
from real_processes import MarkedProcess, run_worker, wait_until

from blocks import OdooEnvironment
from flows.backup import backup
from odoo_ops.policy import limits

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


@pytest.fixture
def worker(site: Site) -> Iterator[MarkedProcess]:
    """Prefect's own process worker, serving a pool of the test's own."""
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=site.name, type="process"))
    process = run_worker(site.name, site.folder / "worker.log")
    yield process
    process.close()


def test_backup_leaves_nothing_running_when_it_is_cancelled_in_prefect(site: Site, worker: MarkedProcess) -> None:
    """By the whole real way: a deployment, a worker, a run that pg_dump holds, a cancel through the API."""
    with site.pg_dump_held() as pg_dump_waits, get_client(sync_client=True) as client:
        deployment = client.create_deployment(
            flow_id=client.create_flow(backup),
            name=site.name,
            entrypoint="flows.backup.backup",
            work_pool_name=site.name,
            parameters={"environment": site.name},
            pull_steps=[],
        )
        run = client.create_flow_run_from_deployment(deployment)
        worker.wait_until(pg_dump_waits, "pg_dump waits", seconds=240)
        assert any("pg_dump" in command for command in worker.children().values())
        client.set_flow_run_state(run.id, Cancelling())
        worker.see_children_end()
        wait_until(lambda: _state(run.id) == "CANCELLED", lambda: f"{_state(run.id)}\n{worker.log()}", 90)
        host = OdooEnvironment.open(site.name).host
        lock = str(Path(site.settings.state_dir, "lock"))
        with host.lock(lock, holder="the test", purpose="to see that it is free", now=datetime.now(UTC)) as held:
            held.check()
        # a worker on a busy machine ends the run by SIGKILL, and its slot is free when its lease has run out
        wait_until(lambda: _slots_held(site) == 0, "the limit is free", 180)
    assert backup(site.name).damaged_total == 0
    assert site.leftovers() == []


def _slots_held(site: Site) -> int:
    with get_client(sync_client=True) as client:
        return client.read_global_concurrency_limit_by_name(limits.environment_limit(site.name)).active_slots


def _state(flow_run_id: UUID) -> str:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(flow_run_id).state
    return state.type.value if state else "none"
