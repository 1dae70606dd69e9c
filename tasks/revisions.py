"""Which commits branches and tags mean, for all that is released together."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.runtimes.releases import FoundCommits, pin
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def read_revisions(environments: list[str], refs: dict[str, str]) -> dict[str, dict[str, str]]:
    """What each environment is to be released: its refs, or those of its file, as commits, each looked up once.

    So a push in between gives no environment another commit than the one before it. Raises PreconditionFailed where a
    repository has no such branch or tag; CommandFailed where its server refuses.
    """
    known: FoundCommits = {}
    pinned = {}
    for environment in environments:
        runtime = OdooEnvironment.open(environment)
        with runtime.machine.agents_kept():
            pinned[environment] = pin(runtime, refs, known)
    return pinned
