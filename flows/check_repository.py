"""Check the environment's repository: its structure, and every week another part of its data.

After `weeks` weekly runs every byte was read and compared with its checksum. restic holds the repository for itself
meanwhile, as it does for `prune`. A damaged one fails the run and says which snapshots and files it concerns.
"""

import time
from typing import Annotated

from prefect import flow
from pydantic import Field

from odoo_ops.model.upkeep import RepositoryReport
from tasks.identity import check_repository_identity
from tasks.locks import repository_locked
from tasks.reports import publish_repository_report, refuse_failures
from tasks.repositories import check_packs


@flow(name="check_repository", flow_run_name="check the repository of {environment}")
def check_repository(
    environment: str, weeks: Annotated[int, Field(ge=1, le=256)] = 4, offsite: bool = False
) -> RepositoryReport:
    """Look whether the repository of an environment is sound.

    Args:
        environment: Name of an environment whose backups are in the repository.
        weeks: Read all data within so many weeks, a part each week. 1 reads all of it now.
        offsite: In its off-site repository, where the copies are.
    """
    begun = time.monotonic()
    with repository_locked(environment, "check the repository", offsite=offsite):
        check_repository_identity(environment, offsite=offsite)
        checks = [check_packs(environment, weeks, offsite=offsite)]
    report = RepositoryReport(
        environment=environment, offsite=offsite, seconds=time.monotonic() - begun, checks=tuple(checks)
    )
    publish_repository_report(report)
    refuse_failures(f"The {report.repository} is not sound:", checks)
    return report
