"""Look how an environment is, layer by layer: from the host up to the browser.

Host, containers or service, PostgreSQL, modules, files of attachments, `/web/login`, assets, the websocket through the
proxy, scheduled actions, mails and jobs that wait, disks, certificate. Nothing is changed, and no lock is taken: a
backup goes on meanwhile. The run fails when a layer fails, and names the lowest one, as what is above it may be its
consequence; not while a restore, an import, a restart, a release, a rollback or `provision` is at work, which stop Odoo
on purpose.
"""

import time

from prefect import flow

from odoo_ops.model.report import HealthReport
from odoo_ops.policy.health import first_failed, next_step
from tasks.health import check_health, read_work_at_odoo
from tasks.reports import publish_health_report, refuse_sick


@flow(name="health", flow_run_name="health of {environment}")
def health(environment: str) -> HealthReport:
    """Look at every layer of an Odoo environment.

    Args:
        environment: Name of the environment, as it was registered.
    """
    begun = time.monotonic()
    checks = check_health(environment)
    failed = first_failed(checks)
    report = HealthReport(
        environment=environment,
        seconds=time.monotonic() - begun,
        checks=tuple(checks),
        first_failed=failed.name if failed else None,
        next_step=next_step(failed) if failed else "",
        at_work=read_work_at_odoo(environment) if failed else None,
    )
    publish_health_report(report)
    refuse_sick(report)
    return report
