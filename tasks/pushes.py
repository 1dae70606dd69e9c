"""Pushes that ask for a release."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.policy.pushes import asked_of, superseded
from odoo_ops.policy.releases import policy_of
from odoo_ops.runtimes.releases import find_commit
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def read_later_push(environment: str, refs: dict[str, str], pushed_to: dict[str, str]) -> str:
    """Why what was pushed is released no more, in words; empty: all branches and tags lead to it still.

    Raises CommandFailed where a repository's server refuses.
    """
    runtime = OdooEnvironment.open(environment)
    with runtime.machine.agents_kept():
        for repository in policy_of(runtime.environment).addons:
            pushed, ref = asked_of(repository, refs), asked_of(repository, pushed_to)
            now = find_commit(runtime, repository, ref) if ref else pushed
            if why := superseded(repository, ref, pushed=pushed, now=now):
                return why
    return ""
