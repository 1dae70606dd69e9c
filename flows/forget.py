"""Forget the backups that the environment's retention does not keep.

Proved backups stand for days, weeks, months and years; the newest proved, the newest verified, the newest without
damage and all of the last day stay whatever the numbers say. The plan is made under the environment's lock. Backups
go first and their marks after them: a run that dies in between leaves only marks, and the next one settles these.
Space is freed by `prune`, in a window of its own.
"""

from prefect import flow

from odoo_ops.model.upkeep import ForgetReport
from tasks.identity import check_repository_identity
from tasks.locks import environment_locked
from tasks.reports import publish_forget_report
from tasks.retention import forget_backups, forget_orphaned_marks, plan_retention, read_why_not_applied


@flow(name="forget", flow_run_name="forget {environment}")
def forget(environment: str, dry_run: bool = True) -> ForgetReport:
    """Forget old backups of an environment, by its retention.

    Args:
        environment: Name of the environment, as it was registered.
        dry_run: Only show what would be forgotten, and why the others are kept.
    """
    not_applied = read_why_not_applied(environment, dry_run=dry_run)
    with environment_locked(environment, "forget") as lock:
        check_repository_identity(environment)
        plan = plan_retention(environment)
        if not not_applied:
            lock.check()
            forget_backups(environment, plan)
            forget_orphaned_marks(environment)
    report = ForgetReport(environment=environment, plan=plan, not_applied=not_applied)
    publish_forget_report(report)
    return report
