"""One flow at a time on an environment: Prefect's limit queues and shows, the host's lock fences."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime

from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency
from prefect.logging import get_logger
from prefect.runtime import flow_run

from blocks import OdooEnvironment
from blocks.prefect_api import PREFECT_AWAY
from odoo_ops.adapters.held_locks import HeldLock
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import PreconditionFailed, Refused, TransientError
from odoo_ops.policy import limits
from odoo_ops.policy.project_plans import described_project, provisioned_project
from odoo_ops.policy.provisioning import PROJECT_LOCK
from odoo_ops.runtimes.docker import runs_toolbox
from odoo_ops.units import shown_duration

_WAIT_SECONDS = 3600
_MAKING_WAIT_SECONDS = 600
_RELEASE_WAIT_SECONDS = 4 * 3600  # the one before may try an update out on a copy of a large database
# so long, at the most, a killed run keeps the next one waiting
_LEASE_SECONDS = 60


@contextmanager
def offsite_locked(environment: str, purpose: str = "copy off-site") -> Iterator[HeldLock]:
    """Hold the lock of an environment's off-site copies; backups go on meanwhile. Raises Refused when it is held."""
    runtime = OdooEnvironment.open(environment)
    state_dir = runtime.environment.state_dir
    with _host_locked(runtime.host, state_dir, "offsite.lock", purpose) as lock:
        yield lock


@contextmanager
def _host_locked(host: HostAdapter, state_dir: str, name: str, purpose: str) -> Iterator[HeldLock]:
    """Hold a lock file on the host; meanwhile its agents stay for the next operation."""
    with host.agents_kept():
        host.call("make_directory", path=state_dir)
        with host.lock(f"{state_dir}/{name}", holder=_holder(), purpose=purpose, now=datetime.now(UTC)) as lock:
            yield lock


def _holder() -> str:
    return f"flow run {flow_run.get_name() or 'without a name'}"


@contextmanager
def environment_locked(environment: str, purpose: str) -> Iterator[HeldLock]:
    """Hold both locks of an environment while the block lasts.

    A second flow waits up to an hour for Prefect's limit. A run that lost it goes on: the locks on the host are what
    keeps others off, and are looked at before whatever cannot be taken back. Raises Refused when that was too short, or
    when one of these, also that of `project_locked`, is held by something that went past Prefect; PreconditionFailed
    where Prefect has no such limit.
    """
    with _limit(environment), data_locked(environment, purpose) as lock:
        runtime = OdooEnvironment.open(environment)
        if project := provisioned_project(runtime.environment):
            runtime.machine.refuse_locked(f"{project.folder}/{PROJECT_LOCK}")
        yield lock


@contextmanager
def project_locked(environment: str, purpose: str) -> Iterator[HeldLock]:
    """Hold Prefect's limit of an environment, and the lock of its compose project's folder.

    The environment's own lock is in a container of the project: `data_locked` holds it once there is one. Of both locks
    on the host each is looked at by whoever has taken the other one. Raises Refused as `environment_locked` does.
    """
    runtime = OdooEnvironment.open(environment)
    project = described_project(runtime.environment)
    with _limit(environment), _host_locked(runtime.machine, project.folder, PROJECT_LOCK, purpose) as lock:
        # whoever holds the other lock does so in a container; to start one where none is could make what is planned
        if runs_toolbox(runtime.machine, project):
            runtime.host.refuse_locked(f"{runtime.environment.state_dir}/lock")
        yield lock


def data_locked(environment: str, purpose: str) -> AbstractContextManager[HeldLock]:
    """Hold the host's lock of an environment, in a flow that holds Prefect's limit already. Raises Refused."""
    runtime = OdooEnvironment.open(environment)
    return _host_locked(runtime.host, runtime.environment.state_dir, "lock", purpose)


def releases_queued(environment: str) -> AbstractContextManager[None]:
    """Let no other release to an environment be planned while the block lasts: it would plan for what is replaced."""
    return _one_at_a_time(limits.releases_limit(environment), _RELEASE_WAIT_SECONDS)


def making_repository() -> AbstractContextManager[None]:
    """Let no other flow make a repository while the block lasts, of whatever environment: it may be the same one.

    Of two `restic init` at once each leaves a key, and one of these opens nothing.
    """
    return _one_at_a_time(limits.NEW_REPOSITORY, _MAKING_WAIT_SECONDS)


def _limit(environment: str) -> AbstractContextManager[None]:
    return _one_at_a_time(limits.environment_limit(environment), _WAIT_SECONDS)


@contextmanager
def _one_at_a_time(limit: str, wait_seconds: int) -> Iterator[None]:
    """Hold one of Prefect's limits. Raises Refused, PreconditionFailed or TransientError where it is not got.

    It queues and fences nothing: where Prefect is away and takes it back meanwhile, what is done goes on to its end.
    """
    slot = concurrency(
        limit,
        occupy=1,
        strict=True,
        timeout_seconds=wait_seconds,
        lease_duration=_LEASE_SECONDS,
        raise_on_lease_renewal_failure=False,
    )
    held = ExitStack()
    try:
        held.enter_context(slot)
    except TimeoutError as error:
        raise Refused(
            f"Prefect's concurrency limit {limit} was not free within {shown_duration(wait_seconds)}. Nothing was "
            "changed. Next step: see under Runs in Prefect's UI which flow holds it, and run this "
            f"again when it has ended; `prefect gcl inspect {limit}` shows who holds the limit."
        ) from error
    except ConcurrencySlotAcquisitionError as error:
        raise _not_got(limit, error) from error
    try:
        yield
    finally:
        try:
            held.close()
        except PREFECT_AWAY as error:
            get_logger("locks").warning(
                "Prefect does not answer, so its limit %s is free only when its lease has ended: %s", limit, error
            )


def _not_got(limit: str, error: ConcurrencySlotAcquisitionError) -> PreconditionFailed | TransientError:
    """Prefect's error of a limit that is missing has no cause; one of an API that does not answer, or refuses, has."""
    if error.__cause__ is None:
        return PreconditionFailed(
            f"Prefect has no concurrency limit {limit}: the environment was not registered, or by a version that made "
            "none. Nothing was changed. Next step: `odoo-ops environments register`."
        )
    return TransientError(
        f"Prefect's API did not say whether the concurrency limit {limit} is free ({error}). Nothing was changed. "
        "Next step: see that Prefect's server runs and answers, and run this again."
    )


def repository_locked(environment: str, purpose: str, *, offsite: bool) -> AbstractContextManager[HeldLock]:
    """Hold the lock of what works on the environment's repository, or on the one that holds the copies."""
    return offsite_locked(environment, purpose) if offsite else environment_locked(environment, purpose)
