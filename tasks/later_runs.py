"""A flow that goes on later, in a run of its own: nothing waits, and no process is held meanwhile."""

from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from prefect import runtime
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

# clocks of workers and of Prefect's server differ
_MARGIN = timedelta(minutes=2)


def run_again_after(at: datetime, parameters: dict[str, Any]) -> str:
    """Have Prefect run the deployment of this run once more, a moment after a time. Returns when that is, in words.

    A run without a deployment, as of a script, cannot be had again by Prefect: then the words say what to run.
    Parameters that are left out have the deployment's own values.
    """
    later = (at + _MARGIN).replace(second=0, microsecond=0)
    moment = f"{later:%Y-%m-%d %H:%M} UTC"
    if runtime.deployment.id is None:
        told = ", ".join(f"{name}={value!r}" for name, value in parameters.items() if value)
        return f"nothing is planned, as this run has no deployment. Next step: run it with {told} from {moment} on."
    run = run_deployment(
        UUID(runtime.deployment.id),
        parameters=parameters,
        scheduled_time=later,
        timeout=0,
        as_subflow=False,
        idempotency_key=f"after {runtime.flow_run.id}",  # this run may be killed, and begin again
    )
    name = cast("FlowRun", run).name  # a coroutine in async code alone
    return f"the run {name!r} is planned for {moment}."
