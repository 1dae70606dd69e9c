"""Forget the backups that the environment's retention does not keep.

Proved backups stand for days, weeks, months and years; the newest proved, the newest verified, the newest without
damage and all of the last day stay whatever the numbers say. The plan is made under the lock of what works there.
Backups go first and their marks after them: a run that dies in between leaves only marks, and the next one settles
these. Space is freed by `prune`, in a window of its own.
"""

from prefect import flow

from odoo_ops.model.upkeep import ForgetReport
from tasks.identity import check_repository_identity
from tasks.locks import repository_locked
from tasks.reports import publish_forget_report
from tasks.retention import forget_backups, forget_orphaned_marks, plan_retention, read_why_not_applied


@flow(name="forget", flow_run_name="forget {environment}")
def forget(environment: str, dry_run: bool = True, offsite: bool = False) -> ForgetReport:
    """Forget old backups of an environment, by its retention, or that of its copies.

    Args:
        environment: Name of the environment, as it was registered.
        dry_run: Only show what would be forgotten, and why the others are kept.
        offsite: In its off-site repository, where the copies are.
    """
    not_applied = read_why_not_applied(environment, dry_run=dry_run, offsite=offsite)
    with repository_locked(environment, "forget", offsite=offsite) as lock:
        check_repository_identity(environment, offsite=offsite)
        plan = plan_retention(environment, offsite=offsite)
        if not not_applied:
            lock.check()
            forget_backups(environment, plan, offsite=offsite)
            lock.check()
            forget_orphaned_marks(environment, offsite=offsite)
    report = ForgetReport(environment=environment, offsite=offsite, plan=plan, not_applied=not_applied)
    publish_forget_report(report)
    return report
