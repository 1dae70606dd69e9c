"""Restart the Odoo of an environment, and see that it serves people again.

How the layers are is noted first. Then Odoo is stopped. PostgreSQL is restarted only where that is asked for, and
waited for until it answers. Then Odoo's service is started, or its services of a compose project one after the other,
each when the one before it is healthy: so scheduled actions begin when pages are served. All is waited for by asking:
containers until they are healthy, then `/web/login`. The proxy is not touched: it shows that Odoo is away, and leads to
it as soon as it is back. At last all layers are looked at again, through the proxy, too; the run fails for what does
not serve, and for what did not fail before.
An Odoo that a run which died had stopped is started by the next run, of any flow. One that was stopped by hand is
started, too.
"""

import time
from typing import Annotated

from prefect import flow
from pydantic import Field

from odoo_ops.model.report import RestartReport
from odoo_ops.policy.health import answered_by_restart
from tasks.health import check_health
from tasks.identity import check_identity
from tasks.leftovers import settle_leftovers
from tasks.locks import environment_locked
from tasks.reports import publish_restart_report, refuse_failures
from tasks.services import (
    check_odoo_came_back,
    refuse_foreign_database,
    refuse_without_service,
    restart_database,
    start_odoo,
    stop_odoo,
)


@flow(name="restart", flow_run_name="restart {environment}")
def restart(
    environment: str, wait_minutes: Annotated[int, Field(ge=1, le=240)] = 10, database: bool = False
) -> RestartReport:
    """Stop and start an Odoo, and wait until it serves people.

    Args:
        environment: Name of the environment, as it was registered.
        wait_minutes: The run fails when Odoo does not answer after so many minutes.
        database: Restart PostgreSQL, too, for settings that it takes only when it starts: of a project that `provision`
            made. A drill that uses it at the time fails.
    """
    begun = time.monotonic()
    refuse_without_service(environment)
    if database:
        refuse_foreign_database(environment)
    with environment_locked(environment, "restart") as lock:
        check_identity(environment, needs_repository=False)
        settle_leftovers(environment)
        before = check_health(environment)
        lock.check()
        stopped = time.monotonic()
        try:
            stop_odoo(environment)
            if database:
                lock.check()
                restart_database(environment, wait_minutes)
        finally:
            left_minutes = start_odoo(environment, wait_minutes)
        came_back = check_odoo_came_back(environment, left_minutes)
        down_seconds = time.monotonic() - stopped
        after = check_health(environment)
    report = RestartReport(
        environment=environment,
        seconds=time.monotonic() - begun,
        down_seconds=down_seconds if came_back.outcome == "passed" else None,
        failed_before=tuple(check.name for check in before if check.outcome == "failed"),
        checks=(came_back, *after),
    )
    publish_restart_report(report)
    refuse_failures(f"{environment} was restarted, but", [came_back, *answered_by_restart(before, after)])
    return report
