"""Take back the last release: the former commits of the addons, and the database and filestore as they were before it.

Where no module was updated since, all releases after an earlier one can be taken back at once.

What was written since is shown first, table by table: it is not in the former database. The run waits until somebody
approves that in the UI, or is told in its parameters. Then everything is swapped by rename; what was replaced is kept
for a while, with all that was written, and a second rollback puts it back. A run that died is settled by the next one
of any flow: undone before the swap, finished after it.
"""

import time
from datetime import UTC, datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows._put_in_place import odoo_stopped, put_beside, put_in_place, start_again
from flows.forecast import present_image
from odoo_ops.adapters.held_locks import HeldLock
from odoo_ops.model.release import ReleaseRecord
from odoo_ops.model.release_reports import RollbackReport
from odoo_ops.policy.fences import refuse_mistyped
from tasks.approvals import refuse_another, refuse_unanswerable, wait_for_approval
from tasks.health import check_health
from tasks.identity import check_identity
from tasks.images import in_image
from tasks.leftovers import settle_leftovers
from tasks.locks import environment_locked
from tasks.release_records import check_way_back, read_rows_written, read_way_back
from tasks.reports import publish_rollback_report, refuse_failures
from tasks.services import refuse_without_service

_APPROVAL_SECONDS = 3600  # what was written since grows


@flow(name="rollback", flow_run_name="rollback {environment}")
def rollback(environment: str, dry_run: bool = False, confirm: str = "", to: str = "") -> "RollbackReport | State":
    """Put the addons and the database back that the last release replaced.

    Args:
        environment: Name of the environment, as it was registered.
        dry_run: Only show what was written since. The run ends in a state named `Shown`.
        confirm: To go back without being asked in the UI, write the environment's name.
        to: Moment of an earlier release to go back to, where no module was updated since: what is none of those is
            answered with all of them. Left out: the last release is taken back.
    """
    begun = time.monotonic()
    refuse_mistyped([confirm], [environment])
    if not (dry_run or confirm):
        refuse_unanswerable(environment, "confirm")
    refuse_without_service(environment)
    with environment_locked(environment, "look at a rollback"):
        check_identity(environment, needs_repository=False)
        settle_leftovers(environment)
        _refuse_drift(environment)
        record = read_way_back(environment, to)
        check_way_back(environment, record)
        written = read_rows_written(environment, record)
    report = RollbackReport(
        environment=environment, seconds=time.monotonic() - begun, record=record, written=written, applied=False
    )
    publish_rollback_report(report)
    shown = _told_apart(record)
    if dry_run:
        return Completed(name="Shown", message=report.summary, data=report)
    if not confirm:
        wait_for_approval(environment, report.summary, f"rollback-{environment}", shown, _APPROVAL_SECONDS)
    with environment_locked(environment, "rollback") as lock:
        settle_leftovers(environment)
        _refuse_drift(environment)
        refuse_another(environment, _told_apart(read_way_back(environment, to)), shown)
        check_way_back(environment, record)
        put = _beside if record.beside else _go_back
        report = put(environment, report, lock)
    report = report.model_copy(update={"seconds": time.monotonic() - begun, "applied": True})
    publish_rollback_report(report)
    refuse_failures(f"The last release to {environment} was taken back, but", list(report.checks))
    return report


def _refuse_drift(environment: str) -> None:
    """Raise Refused where a compose project differs from its file: going back would bring that about by the way."""
    if in_image(environment):
        present_image(environment)


def _go_back(environment: str, report: RollbackReport, lock: HeldLock) -> RollbackReport:
    stopped, record = time.monotonic(), report.record
    with odoo_stopped(environment, lock):
        written = read_rows_written(environment, record)
        back, checks = put_in_place(environment, record.reversed(datetime.now(UTC)), lock)
        checks.append(start_again(environment))
    down_seconds = time.monotonic() - stopped
    checks += check_health(environment)
    found = {"written": written, "down_seconds": down_seconds, "kept_database": back.kept_database}
    return report.model_copy(update={**found, "checks": tuple(checks)})


def _beside(environment: str, report: RollbackReport, lock: HeldLock) -> RollbackReport:
    """An image with which no module was updated: the former one takes over while people work."""
    _, checks = put_beside(environment, report.record.reversed(datetime.now(UTC)), lock)
    return report.model_copy(update={"checks": (*checks, *check_health(environment))})


def _told_apart(record: ReleaseRecord) -> str:
    """What tells the rollback of a release from that of another one."""
    return f"of the release of {record.moment}"
