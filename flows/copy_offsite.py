"""Copy an environment's backups into its off-site repository.

Every proved backup that is not there yet, and that the retention there keeps, is copied, with its proof, and compared
by restic's digest of all that is in it. `backup` does this at its end; by itself this flow makes up for what was
missed. Backups go on meanwhile. A run that was cut off is completed by the next one.
"""

from prefect import flow

from odoo_ops.model.report import OffsiteReport
from tasks.identity import check_identity
from tasks.locks import offsite_locked
from tasks.offsite import copy_backups, refuse_unfit_offsite
from tasks.reports import publish_offsite_report


@flow(name="copy_offsite", flow_run_name="copy {environment} offsite")
def copy_offsite(environment: str) -> OffsiteReport:
    """Copy the backups of an environment that its off-site repository lacks.

    Args:
        environment: Name of the environment, as it was registered.
    """
    refuse_unfit_offsite(environment)
    with offsite_locked(environment) as lock:
        check_identity(environment, offsite=True, may_make_repository=True)
        lock.check()
        report = copy_backups(environment)
    publish_offsite_report(report)
    return report
