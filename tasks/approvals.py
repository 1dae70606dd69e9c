"""A person says yes in the UI to what a run has shown."""

from prefect import suspend_flow_run
from prefect.context import FlowRunContext
from prefect.input import RunInput

from odoo_ops.errors import PreconditionFailed, Refused


class Approval(RunInput):
    """What is approved, by what tells it from another plan."""

    plan: str


def refuse_unanswerable(environment: str, parameter: str = "confirm_production") -> None:
    """Raise PreconditionFailed where nobody could approve what this run shows: only a run of a deployment can wait.

    `parameter` is the one that confirms it instead.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.deployment_id is None:
        raise PreconditionFailed(
            f"This run must be approved for {environment}, and is no run of a deployment, which alone can wait for "
            "that. Nothing was changed. Next step: run it by its deployment (`prefect deployment run`), or confirm it "
            f"with {parameter} = {environment}"
        )


def wait_for_approval(environment: str, summary: str, page: str, plan: str, seconds: int) -> None:
    """End the process until somebody approves in the UI; then the run begins anew, with this answered.

    Args:
        environment: name of what will be changed.
        summary: what will be done, in a sentence.
        page: key of the artifact that shows all of it.
        plan: what tells it from another one.
        seconds: how long an answer is waited for.

    Raises:
        Refused: another plan was approved.
        PreconditionFailed: it is no run of a deployment.
    """
    refuse_unanswerable(environment)
    answer = suspend_flow_run(
        wait_for_input=Approval.with_initial_data(
            description=f"{summary} The artifact `{page}` shows all of it, as plan {plan}.", plan=plan
        ),
        timeout=seconds,
    )
    refuse_another(environment, plan, answer.plan)


def refuse_another(environment: str, present: str, approved: str) -> None:
    """Raise Refused when what would be done now is not the plan that was approved."""
    if present != approved:
        raise Refused(
            f"What would be done to {environment} is no longer the plan {approved}, but {present}: something changed "
            "meanwhile. Nothing was changed by this run. Next step: run again, and look at the new plan."
        )
