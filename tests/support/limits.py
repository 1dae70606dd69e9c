"""Prefect's limits of an environment, in tests."""

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.exceptions import ObjectNotFound

from odoo_ops.policy import limits


def _names(environment: str) -> tuple[str, ...]:
    return limits.environment_limit(environment), limits.releases_limit(environment), limits.NEW_REPOSITORY


def make_limits(environment: str) -> None:
    """As its registration makes them."""
    with get_client(sync_client=True) as client:
        for name in _names(environment):
            try:
                client.read_global_concurrency_limit_by_name(name)  # that of all environments
            except ObjectNotFound:
                client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=1))


def free_limits(environment: str) -> None:
    """A killed holder's lease ends by itself after a minute; do not wait for it."""
    with get_client(sync_client=True) as client:
        for name in _names(environment):
            client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(active_slots=0))
