"""Release the same refs, or the same image, to many environments, some at once, and stop at the first that fails.

Branches and tags are looked up once, before anything begins: environments that share a repository get the same commit
of it, whatever is pushed meanwhile. An image is fetched for each by the name that was given; only its digest
(`…@sha256:…`) says that all get the same one.

Each is released as `release` does it, with a run of its own. When one fails, or is in place with a failed check, those
that are under way go on to their end, and no other is begun: what is not well in one would not be in the others. The
page says of each how it ended; production must be confirmed by name, as no run within another can wait for an approval.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.release import release
from odoo_ops.model.checks import Check
from odoo_ops.model.release import RELEASED_UNWELL
from odoo_ops.policy.fences import refuse_mistyped
from tasks.releases import refuse_unconfirmed, refuse_unfit_request
from tasks.reports import publish_roll_out, refuse_failures
from tasks.revisions import read_revisions


@flow(name="roll_out", flow_run_name="roll out to {environments}")
def roll_out(
    environments: Annotated[list[str], Field(min_length=1)],
    refs: dict[str, str] | None = None,
    at_once: Annotated[int, Field(ge=1, le=20)] = 1,
    confirm_production: list[str] | None = None,
    image: str = "",
) -> list[Check]:
    """Release the same branch, tag or commit, or the same image, to environments, in their order.

    Args:
        environments: Names of the environments, as they were registered.
        refs: Branch, tag or commit to release, by the name of the repository of addons.
        at_once: So many are released at the same time.
        confirm_production: Names of those to which a release must be approved, as in production.
        image: Image to release, where all of them are compose projects that `provision` made; by its digest where
            its tag may be moved meanwhile.
    """
    refuse_mistyped(confirm_production or [], environments)
    for environment in environments:
        refuse_unfit_request(environment, refs or {}, image)
        refuse_unconfirmed(environment, confirm_production or [])
    pinned = read_revisions(environments, refs or {})
    outcomes = _release_all(environments, pinned, image, at_once)
    checks = [_check(environment, outcomes.get(environment)) for environment in environments]
    publish_roll_out(checks)
    refuse_failures("Not released everywhere, or not well:", checks)
    return checks


def _release_all(
    environments: Sequence[str], refs: Mapping[str, dict[str, str]], image: str, at_once: int
) -> dict[str, State]:
    """The final state of each release that was begun; each environment has refs of its own."""
    waiting, running, outcomes = list(environments), dict[Future[State], str](), dict[str, State]()
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        while running or waiting:
            while waiting and len(running) < at_once:
                environment = waiting.pop(0)
                release_one = partial(_release_one, environment, refs[environment], image)
                running[pool.submit(copy_context().run, release_one)] = environment
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                outcomes[running.pop(done)] = done.result()
            if any(not _is_well(state) for state in outcomes.values()):
                waiting = []
    return outcomes


def _release_one(environment: str, refs: dict[str, str], image: str) -> State:
    return release(environment, refs=refs, image=image, confirm_production=environment, return_state=True)


def _is_well(state: State) -> bool:
    return state.is_completed() and state.name != RELEASED_UNWELL


def _check(environment: str, state: State | None) -> Check:
    if state is None:
        return Check(name=environment, outcome="not measured", detail="not begun, as another one failed or is not well")
    return Check(name=environment, outcome="passed" if _is_well(state) else "failed", detail=state.message or "")
