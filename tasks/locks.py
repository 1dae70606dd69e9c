"""One flow at a time on an environment: Prefect's limit queues and shows, the host's lock fences."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

from prefect.concurrency.sync import concurrency
from prefect.runtime import flow_run

from blocks import OdooEnvironment
from odoo_ops.adapters.host import HeldLock, HostAdapter
from odoo_ops.policy.project_plans import described_project
from odoo_ops.policy.provisioning import PROJECT_LOCK

_WAIT_SECONDS = 3600
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

    A second flow waits up to an hour for Prefect's limit. Raises Refused when the host's lock is held by
    something that went past Prefect.
    """
    with _limit(environment), data_locked(environment, purpose) as lock:
        yield lock


@contextmanager
def project_locked(environment: str, purpose: str) -> Iterator[HeldLock]:
    """Hold Prefect's limit of an environment, and the lock of its compose project's folder. Raises Refused.

    The environment's own lock is in a container of the project: `data_locked` holds it once there is one.
    """
    runtime = OdooEnvironment.open(environment)
    folder = described_project(runtime.environment).folder
    with _limit(environment), _host_locked(runtime.machine, folder, PROJECT_LOCK, purpose) as lock:
        yield lock


def data_locked(environment: str, purpose: str) -> AbstractContextManager[HeldLock]:
    """Hold the host's lock of an environment, in a flow that holds Prefect's limit already. Raises Refused."""
    runtime = OdooEnvironment.open(environment)
    return _host_locked(runtime.host, runtime.environment.state_dir, "lock", purpose)


def releases_queued(environment: str) -> AbstractContextManager[None]:
    """Let no other release to an environment be planned while the block lasts: it would plan for what is replaced."""
    return _one_at_a_time(f"odoo-releases-{environment}", _RELEASE_WAIT_SECONDS)


def _limit(environment: str) -> AbstractContextManager[None]:
    return _one_at_a_time(f"odoo-environment-{environment}", _WAIT_SECONDS)


def _one_at_a_time(limit: str, wait_seconds: int) -> AbstractContextManager[None]:
    return concurrency(
        limit,
        occupy=1,
        strict=True,
        timeout_seconds=wait_seconds,
        lease_duration=_LEASE_SECONDS,
    )


def repository_locked(environment: str, purpose: str, *, offsite: bool) -> AbstractContextManager[HeldLock]:
    """Hold the lock of what works on the environment's repository, or on the one that holds the copies."""
    return offsite_locked(environment, purpose) if offsite else environment_locked(environment, purpose)
