"""A release used as people would, once they came to it; scheduled actions wait for how that ends."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters import database
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


@contextmanager
def actions_held_off(environment: str) -> Iterator[None]:
    """Keep Odoo from beginning scheduled actions: what they send cannot be taken back with a release.

    Where the database does not answer they are not held off, and the log says so: Odoo is started all the same.
    """
    runtime = OdooEnvironment.open(environment)
    with ExitStack() as held:
        try:
            connection = held.enter_context(database.connect(runtime.host, runtime.environment.database))
            held.enter_context(database.actions_held_off(connection))
        except (TransientError, PermanentError) as error:
            get_run_logger().warning("Scheduled actions begin before the release was tried: %s", error)
        yield
