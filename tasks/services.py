"""The Odoo of an environment: does it answer, stop it, start it."""

import time

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from blocks import OdooEnvironment
from odoo_ops.adapters import database
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.adapters.odoo_site import open_site
from odoo_ops.commands.provision import restart
from odoo_ops.errors import PreconditionFailed, TransientError, VerificationFailed
from odoo_ops.model.checks import Check
from odoo_ops.model.environment import DatabaseSettings, NoService
from odoo_ops.model.report import Swap
from odoo_ops.model.runtimes import OnHost
from odoo_ops.policy.provisioning import DATABASE_SERVICE, PGBOUNCER_SERVICE
from odoo_ops.runtimes.image_releases import is_provisioned
from odoo_ops.runtimes.project import Project
from odoo_ops.runtimes.waiting import start_in_order, wait_for_odoo

CAME_BACK = "Odoo came back"
ANSWERS = "Odoo answers on /web/login"
_WAIT_SECONDS = 300
_LOOK_SECONDS = 1


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


def refuse_without_service(environment: str) -> None:
    """Raise PreconditionFailed where nothing says how Odoo is stopped and started."""
    settings = OdooEnvironment.open(environment).environment
    if isinstance(settings.runtime, OnHost) and isinstance(settings.service, NoService):
        raise PreconditionFailed(
            f"{environment} names no service, so its Odoo cannot be stopped and started. Nothing was changed. "
            "Next step: name it as `service` in the environment file and register that again."
        )


def refuse_foreign_database(environment: str) -> None:
    """Raise PreconditionFailed where PostgreSQL is not one that `provision` made for this environment alone."""
    runtime = OdooEnvironment.open(environment)
    settings = runtime.environment
    if not is_provisioned(settings) or Project.of(runtime.machine, settings).read_record() is None:
        raise PreconditionFailed(
            f"PostgreSQL of {environment} was not made by `provision`, and may serve others, too. Nothing was changed. "
            "Next step: restart without `database`, and PostgreSQL where it runs."
        )


@task(cache_policy=NO_CACHE)
def restart_database(environment: str, wait_minutes: int) -> None:
    """Restart PostgreSQL's container as it is, and wait until the database answers. Raises TransientError.

    PgBouncer is restarted after it: it would look for PostgreSQL at its former address for minutes.
    """
    runtime = OdooEnvironment.open(environment)
    project, settings = Project.of(runtime.machine, runtime.environment), runtime.environment.database
    get_run_logger().info("Restarting PostgreSQL")
    project.run(restart(project.runtime, [DATABASE_SERVICE]), "Restarting PostgreSQL")
    tries = Retrying(
        stop=stop_after_delay(60 * wait_minutes),
        wait=wait_fixed(_LOOK_SECONDS),
        retry=retry_if_exception_type(TransientError),
        reraise=True,
    )
    with runtime.host.agents_kept():
        tries(_answers, runtime.host, settings)
    if project.wanted.pgbouncer:
        project.run(restart(project.runtime, [PGBOUNCER_SERVICE]), "Restarting PgBouncer")


def _answers(host: HostAdapter, settings: DatabaseSettings) -> None:
    with database.connect(host, settings):
        return


@task(cache_policy=NO_CACHE)
def stop_odoo(environment: str) -> None:
    """Stop Odoo, and put on record that it is to be started again: by this run, or by the next one if this one dies."""
    runtime = OdooEnvironment.open(environment)
    runtime.host.call("write_text", path=runtime.environment.restart_mark, text="Odoo is to be started again.\n")
    get_run_logger().info("Stopping Odoo")
    runtime.odoo.stop()


@task(cache_policy=NO_CACHE)
def start_odoo(environment: str, wait_minutes: int) -> float:
    """Start the Odoo that was stopped, whether it ran before or not. One that settling has started is left alone.

    Of a compose project service by service, each when the one before it is healthy. Where one is not in time, those
    that come after it stay on record as to be started. Returns how many of the minutes are left to wait for it.
    """
    runtime, begun = OdooEnvironment.open(environment), time.monotonic()
    if not runtime.host.call("describe_path", path=runtime.environment.restart_mark)["exists"]:
        return wait_minutes
    get_run_logger().info("Starting Odoo")
    if start_in_order(runtime, wait_minutes * 60, get_run_logger().info):
        runtime.host.call("remove_tree", path=runtime.environment.restart_mark)
    return max(0, wait_minutes - (time.monotonic() - begun) / 60)


@task(cache_policy=NO_CACHE)
def is_odoo_awaited(environment: str) -> bool:
    """Whether Odoo runs, or is to be started again: nobody waits for one that was stopped on purpose, or is none."""
    runtime = OdooEnvironment.open(environment)
    mark = runtime.environment.restart_mark
    return runtime.odoo.is_meant_to_run() or bool(runtime.host.call("describe_path", path=mark)["exists"])


@task(cache_policy=NO_CACHE)
def check_odoo_came_back(environment: str, wait_minutes: float) -> Check:
    """Wait until Odoo's services run and its login page answers; each change is a line of the log.

    Never raises for an Odoo that does not come back: the check says what was seen last.
    """
    runtime = OdooEnvironment.open(environment)
    try:
        wait_for_odoo(runtime, wait_minutes * 60, get_run_logger().info)
    except VerificationFailed as error:
        return Check(name=CAME_BACK, outcome="failed", detail=str(error))
    return Check(name=CAME_BACK, outcome="passed", detail=runtime.environment.odoo.url)
