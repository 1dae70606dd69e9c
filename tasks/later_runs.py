"""A flow that goes on later, in a run of its own: nothing waits, and no process is held meanwhile."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from prefect import runtime
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment


def run_again_at(at: datetime, parameters: dict[str, Any]) -> str:
    """Have Prefect run the deployment of this run once more, at a time. Returns when that is, in words.

    A run without a deployment, as of a script, cannot be had again by Prefect: then the words say so.
    """
    moment = f"{at:%Y-%m-%d %H:%M} UTC"
    if runtime.deployment.id is None:
        return f"run it again from {moment} on, as this run has no deployment that Prefect could run then."
    deployment = UUID(runtime.deployment.id)
    later = run_deployment(deployment, parameters=parameters, scheduled_time=at, timeout=0, as_subflow=False)
    name = cast("FlowRun", later).name  # a coroutine in async code alone
    return f"the run {name!r} is planned for {moment}."
