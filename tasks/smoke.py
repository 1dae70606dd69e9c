"""A release used as people would, once they came to it."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters.odoo_site import open_site
from odoo_ops.errors import PermanentError, TransientError
from odoo_ops.model.checks import Check
from odoo_ops.runtimes.smoke import smoke

IN_USE = "Pages and records of the environment's own, in use"


@task(cache_policy=NO_CACHE)
def check_in_use(environment: str) -> Check:
    """Open the environment's pages on the Odoo that serves people, and read its records there. Never raises."""
    runtime = OdooEnvironment.open(environment)
    settings = runtime.environment
    try:
        with open_site(runtime.host, settings.odoo.url) as site:
            used = smoke(site, settings, settings.database.name)
    except (TransientError, PermanentError) as error:
        return Check(name=IN_USE, outcome="failed", detail=str(error))
    if not used:
        return Check(name=IN_USE, outcome="not measured", detail="the environment names none")
    return Check(name=IN_USE, outcome="passed", detail=", ".join(used))
