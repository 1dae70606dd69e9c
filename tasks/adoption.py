"""An Odoo that was set up by hand: it is looked at, and described."""

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooHost
from blocks.registered import load_registered
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.model.adoption import AdoptionReport, AdoptionRequest
from odoo_ops.runtimes.adoption import adopt
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def describe_odoo(request: AdoptionRequest) -> AdoptionReport:
    """The environment file of an Odoo on a registered host. Nothing is changed there.

    Raises PreconditionFailed when there is none, when several may be meant, or when it cannot be read.
    """
    machine = HostAdapter(load_registered(OdooHost, "host", request.host).settings)
    report = adopt(machine, request)
    for hazard in report.hazards:
        get_run_logger().warning("%s. Next step: %s", hazard.what, hazard.next_step)
    return report
