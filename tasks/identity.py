"""Fence: the environment is the one that was seen before."""

import json
from dataclasses import replace
from typing import Literal

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from blocks import OdooEnvironment
from odoo_ops.adapters import cluster, database, odoo_database
from odoo_ops.errors import TransientError
from odoo_ops.policy.fences import has_own_cluster, refuse_identity, refuse_odd_filestore, refuse_shared_copy
from odoo_ops.runtimes.new_repository import lacks_repository, make_repository
from odoo_ops.runtimes.runtime import Runtime
from tasks.locks import making_repository
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def check_identity(
    environment: str,
    source: str | None = None,
    *,
    may_make_repository: bool = False,
    needs_repository: bool = True,
    offsite: bool = False,
    filestore: Literal["stored", "swapped"] | None = None,
    writes: bool = True,
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
        filestore: what will be done with the environment's own, if anything: it must be a folder that allows that.
        writes: whether a marker may be written; a dry run compares alone.

    Returns:
        The environment's identity: name, PostgreSQL's system_identifier, the id of its own repository when it was
        seen, and database.uuid when the database exists or once did.

    Raises:
        Refused: any differs, or the filestore is a link or a mount point.
    """
    runtime = OdooEnvironment.open(environment, offsite=offsite)
    if filestore:
        _refuse_odd_filestore(runtime, is_swapped=filestore == "swapped")
    path, marker = _read_marker(runtime, offsite=offsite)
    side, record, repository = _side(offsite=offsite), _record(runtime, path), {}
    if needs_repository and source in {None, environment}:
        if may_make_repository and side not in marker:
            marker = _make_repository(runtime, path, marker, side)
        repository[side] = runtime.open_repository(record=record if side in marker else "")
    elif needs_repository:
        _check_repository_of(str(source), environment, offsite=offsite)
    refuse_identity(marker, repository, environment, record=record)
    where, seen = _read_marker(runtime)
    identity = _read_identity(runtime)
    refuse_identity(seen, identity, environment, record=_record(runtime, where))
    # work on the copies goes on beside other flows, and leaves their marker alone
    found = repository if offsite else {**repository, **identity}
    if writes and found.keys() - marker.keys():
        marker.pop(_begun(side), None)
        _write_marker(runtime, path, {**marker, **found})
    return {**marker, **seen, **repository, **identity}


def _refuse_odd_filestore(runtime: Runtime, *, is_swapped: bool) -> None:
    filestore = runtime.environment.filestore
    refuse_odd_filestore(
        runtime.environment,
        runtime.host.name,
        is_link=runtime.host.call("describe_path", path=filestore)["is_link"],
        is_mount=runtime.host.call("is_mount", path=filestore),
        is_swapped=is_swapped,
    )


def _read_identity(runtime: Runtime) -> dict[str, str]:
    """What the environment is now, but for its repository."""
    settings = runtime.environment
    found = {"environment": settings.name}
    with database.connect(runtime.host, settings.database, "postgres") as connection:
        found["system_identifier"] = cluster.read_system_identifier(connection)
        lets_in = cluster.lets_in(connection, settings.database.name)
    if lets_in:  # not one that a dead release shut: it is settled next
        with database.connect(runtime.host, settings.database) as connection:
            found["database_uuid"] = odoo_database.read_database_uuid(connection) or ""
    return found


def _make_repository(runtime: Runtime, path: str, marker: dict[str, str], side: str) -> dict[str, str]:
    """Make the repository where there is none. Returns the marker.

    It holds meanwhile where that was begun: only what this environment's own dead run left of a making is settled,
    never what another environment's left in the same place.
    """
    begun, where = _begun(side), str(runtime.repository.location)
    with making_repository():
        if lacks_repository(runtime, begun=marker.get(begun) == where):
            marker = {**marker, begun: where}
            _write_marker(runtime, path, marker)
            make_repository(runtime)
    return marker


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def check_repository_identity(environment: str, *, offsite: bool, by_former_password: bool = False) -> None:
    """Open the environment's repository and compare it with the one that was seen before. PostgreSQL need not run.

    Raises Refused when it is another one, PreconditionFailed when it cannot be opened.
    """
    runtime = OdooEnvironment.open(environment, offsite=offsite)
    if by_former_password:
        runtime = replace(runtime, repository=runtime.repository.opened_by_former)
    found, (_path, marker) = runtime.open_repository(), _read_marker(runtime, offsite=offsite)
    _refuse_other_repository(runtime, marker, found, offsite=offsite)


@task(cache_policy=NO_CACHE)
def forget_database(environment: str) -> None:
    """Take `database.uuid` off the marker, before a database of another identity is put in place on purpose.

    The next run puts on record the one that it finds, whether the swap came to its end or not.
    """
    _forget(environment, "database_uuid")


@task(cache_policy=NO_CACHE)
def forget_cluster(environment: str) -> None:
    """Take `system_identifier` off the marker, before another PostgreSQL takes the place of one that is lost.

    The next run puts on record the one that it finds.
    """
    _forget(environment, "system_identifier")


def _forget(environment: str, key: str) -> None:
    runtime = OdooEnvironment.open(environment)
    path, marker = _read_marker(runtime)
    if marker.pop(key, None):
        _write_marker(runtime, path, marker)


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def check_apart(source: str, target: str, identity: dict[str, str]) -> None:
    """Make sure that a copy of `source` in `target` is out of reach of the source's Odoo.

    `identity` is the target's. A source that has no marker, or whose host does not answer, counts as living in the same
    PostgreSQL, unless by its description it cannot. Raises Refused.
    """
    if source == target:
        return
    theirs, ours = OdooEnvironment.open(source), OdooEnvironment.open(target)
    marker, cluster = _read_marker_of_other(theirs), identity["system_identifier"]
    elsewhere = theirs.machine.host.other_machine(ours.machine.host) and all(
        has_own_cluster(runtime.environment) for runtime in (theirs, ours)
    )
    refuse_shared_copy(
        theirs.environment,
        ours.environment,
        same_data_dir=theirs.shares_data_dir(ours),
        same_cluster=not elsewhere if marker is None else marker.get("system_identifier", cluster) == cluster,
    )


def _check_repository_of(source: str, target: str, *, offsite: bool) -> None:
    """Compare the source's repository, as the target's host sees it, with the one that the source was seen with."""
    found = OdooEnvironment.open(target, repository_of=source, offsite=offsite).open_repository()
    theirs = OdooEnvironment.open(source)
    _refuse_other_repository(theirs, _read_marker_of_other(theirs, offsite=offsite) or {}, found, offsite=offsite)


def _refuse_other_repository(runtime: Runtime, marker: dict[str, str], found: str, *, offsite: bool) -> None:
    side, record = _side(offsite=offsite), _record(runtime, _marker_path(runtime, offsite=offsite))
    refuse_identity({side: marker.get(side, found)}, {side: found}, runtime.environment.name, record=record)


def _side(*, offsite: bool) -> str:
    """Key of a marker for the id of the environment's repository, or of that with the copies."""
    return "offsite" if offsite else "repository"


def _begun(side: str) -> str:
    """Key of a marker for where such a repository is being made, until its id is known."""
    return f"{side}_begun"


def _read_marker(runtime: Runtime, *, offsite: bool = False) -> tuple[str, dict[str, str]]:
    """The marker's path and content. The repository of the copies has one of its own: it is worked on meanwhile."""
    path = _marker_path(runtime, offsite=offsite)
    text = runtime.host.call("read_text", path=path)
    marker: dict[str, str] = json.loads(text) if text else {}
    return path, marker


def _marker_path(runtime: Runtime, *, offsite: bool) -> str:
    return runtime.environment.offsite_marker if offsite else runtime.environment.marker


def _read_marker_of_other(runtime: Runtime, *, offsite: bool = False) -> dict[str, str] | None:
    """The marker of an environment that is not worked on; None where its host does not answer: it may be lost.

    It was asked as often then as the task is tried.
    """
    try:
        return _read_marker(runtime, offsite=offsite)[1]
    except TransientError as error:
        if task_run.get_run_count() <= TRIES_AGAIN:
            raise
        name = runtime.environment.name
        get_run_logger().warning("What %s was when it was first seen is not compared: %s", name, error)
        return None


def _record(runtime: Runtime, path: str) -> str:
    """Where the marker is, in words."""
    return f"{path} on {runtime.host.name}"


def _write_marker(runtime: Runtime, path: str, marker: dict[str, str]) -> None:
    runtime.host.call("write_text", path=path, text=json.dumps(marker, indent=1))
