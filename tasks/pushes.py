"""Pushes that ask for a release."""

from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterTags,
)
from prefect.client.schemas.sorting import FlowRunSort
from prefect.runtime import flow_run

from blocks import OdooEnvironment
from odoo_ops.policy.pushes import asked_of, superseded, superseded_image
from odoo_ops.policy.releases import policy_of
from odoo_ops.policy.webhooks import WEBHOOK_TAG
from odoo_ops.runtimes.releases import find_commit
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def read_later_push(environment: str, refs: dict[str, str], image: str, pushed_to: dict[str, str]) -> str:
    """Why what was pushed is released no more, in words; empty: all branches and tags lead to it still.

    Where an image of the pushed commit is released, no repository is known: the runs that later pushes asked for tell.
    Raises CommandFailed where a repository's server refuses.
    """
    if image:
        return superseded_image(image, _images_asked_for_later(environment, pushed_to)) if pushed_to else ""
    runtime = OdooEnvironment.open(environment)
    with runtime.machine.agents_kept():
        for repository in policy_of(runtime.environment).addons:
            pushed, ref = asked_of(repository, refs), asked_of(repository, pushed_to)
            now = find_commit(runtime, repository, ref) if ref else pushed
            if why := superseded(repository, ref, pushed=pushed, now=now):
                return why
    return ""


def _images_asked_for_later(environment: str, pushed_to: dict[str, str]) -> list[str]:
    """Images of later runs of this deployment that were made for pushes to the same place, in their order."""
    with get_client(sync_client=True) as client:
        this = client.read_flow_run(UUID(flow_run.id))
        if this.deployment_id is None or this.created is None:
            return []
        asked = FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[this.deployment_id]),
            tags=FlowRunFilterTags(all_=[WEBHOOK_TAG, environment]),
            expected_start_time=FlowRunFilterExpectedStartTime(after_=this.created),
        )
        runs = client.read_flow_runs(flow_run_filter=asked, sort=FlowRunSort.EXPECTED_START_TIME_ASC)
    return [
        run.parameters.get("image", "")
        for run in runs
        if run.created and run.created > this.created and run.parameters.get("pushed_to") == pushed_to
    ]
