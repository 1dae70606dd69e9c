"""The Odoo of an environment: does it answer?"""

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters.odoo_site import open_site
from odoo_ops.errors import VerificationFailed
from odoo_ops.model.checks import Check
from odoo_ops.model.report import Swap

ANSWERS = "Odoo answers on /web/login"
_WAIT_SECONDS = 300


@task(cache_policy=NO_CACHE)
def check_odoo_answers(environment: str, swap: Swap) -> Check:
    """Wait until the environment's Odoo serves the login page of its database.

    `not measured` where the swap started none. Never raises for an Odoo that does not answer: the check says it.
    """
    runtime = OdooEnvironment.open(environment)
    settings = runtime.environment
    if swap.start_problem:
        problem = f"the data is in place, but Odoo does not start: {swap.start_problem}"
        return Check(name=ANSWERS, outcome="failed", detail=problem)
    if not swap.odoo_started:
        return Check(name=ANSWERS, outcome="not measured", detail="no Odoo ran before, so none was started")
    get_run_logger().info("Waiting for %s/web/login", settings.odoo.url)
    try:
        with open_site(runtime.host, settings.odoo.url) as site:
            site.wait_for_login_page(settings.database.name, _WAIT_SECONDS, lambda: None)
    except VerificationFailed as error:
        return Check(name=ANSWERS, outcome="failed", detail=str(error))
    return Check(name=ANSWERS, outcome="passed", detail=settings.odoo.url)
