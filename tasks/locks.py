"""One flow at a time on an environment: Prefect's limit queues and shows, the host's lock fences."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

from prefect.concurrency.sync import concurrency
from prefect.runtime import flow_run

from blocks import OdooEnvironment
from odoo_ops.adapters.host import HeldLock

_WAIT_SECONDS = 3600
# so long, at the most, a killed run keeps the next one waiting
_LEASE_SECONDS = 60


@contextmanager
def offsite_locked(environment: str, purpose: str = "copy off-site") -> Iterator[HeldLock]:
    """Hold the lock of an environment's off-site copies; backups go on meanwhile. Raises Refused when it is held."""
    runtime = OdooEnvironment.open(environment)
    state_dir = runtime.environment.state_dir
    runtime.host.call("make_directory", path=state_dir)
    with runtime.host.lock(
        f"{state_dir}/offsite.lock", holder=_holder(), purpose=purpose, now=datetime.now(UTC)
    ) as lock:
        yield lock


def _holder() -> str:
    return f"flow run {flow_run.get_name() or 'without a name'}"


@contextmanager
def environment_locked(environment: str, purpose: str) -> Iterator[HeldLock]:
    """Hold both locks of an environment while the block lasts.

    A second flow waits up to an hour for Prefect's limit. Raises Refused when the host's lock is held by
    something that went past Prefect.
    """
    runtime = OdooEnvironment.open(environment)
    state_dir = runtime.environment.state_dir
    with concurrency(
        f"odoo-environment-{environment}",
        occupy=1,
        strict=True,
        timeout_seconds=_WAIT_SECONDS,
        lease_duration=_LEASE_SECONDS,
    ):
        runtime.host.call("make_directory", path=state_dir)
        with runtime.host.lock(f"{state_dir}/lock", holder=_holder(), purpose=purpose, now=datetime.now(UTC)) as lock:
            yield lock


def repository_locked(environment: str, purpose: str, *, offsite: bool) -> AbstractContextManager[HeldLock]:
    """Hold the lock of what works on the environment's repository, or on the one that holds the copies."""
    return offsite_locked(environment, purpose) if offsite else environment_locked(environment, purpose)
