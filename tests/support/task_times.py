"""How long the tasks of a flow's run took, as Prefect recorded it."""

from collections import defaultdict

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.sorting import FlowRunSort


def task_seconds(flow: str) -> dict[str, float]:
    """Seconds that each task of the last run of a flow took."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=50)
        run = next(run for run in runs if run.name.startswith(f"{flow} "))
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])), limit=200)
    seconds: dict[str, float] = defaultdict(float)
    for task in tasks:
        seconds[task.name.rpartition("-")[0]] += task.total_run_time.total_seconds()
    return dict(seconds)
