"""How an environment is, layer by layer."""

from datetime import UTC, datetime

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import PermanentError, TransientError
from odoo_ops.model.checks import Check, failures
from odoo_ops.policy.health import judge_health, who_stops_odoo
from odoo_ops.policy.project_plans import provisioned_project
from odoo_ops.policy.provisioning import PROJECT_LOCK
from odoo_ops.runtimes.health import read_health


@task(cache_policy=NO_CACHE)
def check_health(environment: str, *, site_closed: bool = False) -> list[Check]:
    """One check for each layer of an environment, from below. Never raises for a layer that fails.

    `site_closed`: nginx of its project lets nobody in, so what people reach through it is asked past it.
    """
    runtime = OdooEnvironment.open(environment)
    checks = judge_health(read_health(runtime, datetime.now(UTC), site_closed=site_closed), runtime.environment)
    for line in failures(checks):
        get_run_logger().warning("%s", line)
    return checks


@task(cache_policy=NO_CACHE)
def read_work_at_odoo(environment: str) -> str | None:
    """The run that stops and starts the environment's Odoo just now, in words; None: there is none.

    Its lock tells it, which is not taken: the environment's, or before that the one of a project that is provisioned.
    A host that does not answer counts as none.
    """
    runtime = OdooEnvironment.open(environment)
    settings = runtime.environment
    locks = [(runtime.host, f"{settings.state_dir}/lock")]
    if project := provisioned_project(settings):
        locks.append((runtime.machine, f"{project.folder}/{PROJECT_LOCK}"))
    return next(filter(None, (_who_stops_odoo(host, path) for host, path in locks)), None)


def _who_stops_odoo(host: HostAdapter, lock: str) -> str | None:
    try:
        return who_stops_odoo(host.call("lock_owner", path=lock))
    except (TransientError, PermanentError) as error:
        get_run_logger().warning("Whether %s is held on %s is not known: %s", lock, host.name, error)
        return None
