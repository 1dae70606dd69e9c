"""Fence: the environment is the one that was seen before."""

import json
from dataclasses import replace

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters import cluster, database, odoo_database
from odoo_ops.policy.fences import refuse_identity, refuse_shared_copy
from odoo_ops.runtimes.native import NativeRuntime
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def check_identity(
    environment: str,
    source: str | None = None,
    *,
    may_make_repository: bool = False,
    needs_repository: bool = True,
    offsite: bool = False,
) -> dict[str, str]:
    """Compare the environment, and the repository that is worked on, with their markers; write one at first sight.

    With `may_make_repository` (a backup), an environment that never had a repository gets one. One that it had
    is not made again: its disk may just not be mounted.

    Args:
        environment: its name.
        source: the environment whose repository is worked on; None: its own.
        may_make_repository: see above.
        needs_repository: whether one is worked on at all; an import needs none, and may be the way out of its loss.
        offsite: whether the repository that holds the copies is worked on.

    Returns:
        The environment's identity: name, PostgreSQL's system_identifier, the id of its own repository when it was
        seen, and database.uuid when the database exists or once did.

    Raises:
        Refused: any differs.
    """
    runtime = OdooEnvironment.open(environment, offsite=offsite)
    settings = runtime.environment
    path, marker = _read_marker(runtime, offsite=offsite)
    found, side = {"environment": settings.name}, _side(offsite=offsite)
    if needs_repository and source in {None, environment}:
        if may_make_repository and side not in marker:
            runtime.make_repository()
        found[side] = runtime.open_repository()
    elif needs_repository:
        _check_repository_of(str(source), environment, offsite=offsite)
    with database.connect(runtime.host, settings.database, "postgres") as connection:
        found["system_identifier"] = cluster.read_system_identifier(connection)
        exists = cluster.database_exists(connection, settings.database.name)
    if exists:
        with database.connect(runtime.host, settings.database) as connection:
            found["database_uuid"] = odoo_database.read_database_uuid(connection) or ""
    refuse_identity(marker, found, environment)
    if found.keys() - marker.keys():
        runtime.host.call("write_text", path=path, text=json.dumps({**marker, **found}, indent=1))
    return {**marker, **found}


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def check_repository_identity(environment: str, *, offsite: bool, by_former_password: bool = False) -> None:
    """Open the environment's repository and compare it with the one that was seen before. PostgreSQL need not run.

    Raises Refused when it is another one, PreconditionFailed when it cannot be opened.
    """
    runtime = OdooEnvironment.open(environment, offsite=offsite)
    if by_former_password:
        runtime = replace(runtime, repository=runtime.repository.opened_by_former)
    _refuse_other_repository(runtime.open_repository(), environment, offsite=offsite)


@task(cache_policy=NO_CACHE)
def forget_database(environment: str) -> None:
    """Take `database.uuid` off the marker, before a database of another identity is put in place on purpose.

    The next run puts on record the one that it finds, whether the swap came to its end or not.
    """
    runtime = OdooEnvironment.open(environment)
    path, marker = _read_marker(runtime)
    if marker.pop("database_uuid", None):
        runtime.host.call("write_text", path=path, text=json.dumps(marker, indent=1))


@task(cache_policy=NO_CACHE)
def check_apart(source: str, target: str, identity: dict[str, str]) -> None:
    """Make sure that a copy of `source` in `target` is out of reach of the source's Odoo.

    `identity` is the target's. A source that has no marker counts as living in the same PostgreSQL.
    Raises Refused.
    """
    if source == target:
        return
    theirs, ours = OdooEnvironment.open(source), OdooEnvironment.open(target)
    same_host = theirs.host.host.same_machine(ours.host.host)
    _path, marker = _read_marker(theirs)
    cluster = identity["system_identifier"]
    refuse_shared_copy(
        theirs.environment,
        ours.environment,
        same_host=same_host,
        same_cluster=marker.get("system_identifier", cluster) == cluster,
    )


def _check_repository_of(source: str, target: str, *, offsite: bool) -> None:
    """Compare the source's repository, as the target's host sees it, with the one that the source was seen with."""
    found = OdooEnvironment.open(target, repository_of=source, offsite=offsite).open_repository()
    _refuse_other_repository(found, source, offsite=offsite)


def _refuse_other_repository(found: str, environment: str, *, offsite: bool = False) -> None:
    _path, marker = _read_marker(OdooEnvironment.open(environment), offsite=offsite)
    side = _side(offsite=offsite)
    refuse_identity({side: marker.get(side, found)}, {side: found}, environment)


def _side(*, offsite: bool) -> str:
    """Key of a marker for the id of the environment's repository, or of that with the copies."""
    return "offsite" if offsite else "repository"


def _read_marker(runtime: NativeRuntime, *, offsite: bool = False) -> tuple[str, dict[str, str]]:
    """The marker's path and content. Work on the copies has one of its own: it goes on beside other flows."""
    path = f"{runtime.environment.state_dir}/marker{'-offsite' if offsite else ''}.json"
    text = runtime.host.call("read_text", path=path)
    marker: dict[str, str] = json.loads(text) if text else {}
    return path, marker
