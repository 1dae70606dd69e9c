"""Free the space of forgotten backups in the environment's repository.

restic holds the repository for itself meanwhile: backups of every environment in it wait forty minutes, then fail. So
this has a window of its own, and `max_repack_gib` bounds it. restic deletes nothing before what replaces it is
stored, so a run that died is simply repeated. In a repository that is append-only nothing can be freed from here: the
run ends well, and says where it can.
"""

import time
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from odoo_ops.model.upkeep import PruneReport
from tasks.identity import check_repository_identity
from tasks.locks import repository_locked
from tasks.reports import publish_prune_report
from tasks.repositories import free_space, read_object_lock_days, why_nothing_to_free


@flow(name="prune", flow_run_name="prune the repository of {environment}")
def prune(
    environment: str,
    dry_run: bool = True,
    max_unused_percent: Annotated[int, Field(ge=0, le=100)] = 5,
    max_repack_gib: Annotated[int, Field(ge=0)] = 10,
    offsite: bool = False,
) -> "PruneReport | State":
    """Free the space that no backup in the repository of an environment needs any more.

    In one that is append-only nothing is done, and the state is named `NothingToFree`.

    Args:
        environment: Name of an environment whose backups are in the repository.
        dry_run: Only show how much would be freed.
        max_unused_percent: So much unused data may stay, as it would cost more to write its neighbours anew.
        max_repack_gib: At most so many GiB are written anew; the rest is left to the next run.
        offsite: In its off-site repository, where the copies are.
    """
    begun = time.monotonic()
    if why := why_nothing_to_free(environment, offsite=offsite):
        return Completed(name="NothingToFree", message=f"Nothing to free for {environment}: {why}.")
    with repository_locked(environment, "prune", offsite=offsite):
        check_repository_identity(environment, offsite=offsite)
        space = free_space(
            environment,
            offsite=offsite,
            dry_run=dry_run,
            max_unused_percent=max_unused_percent,
            max_repack_gib=max_repack_gib,
        )
    report = PruneReport(
        environment=environment,
        offsite=offsite,
        dry_run=dry_run,
        object_lock_days=read_object_lock_days(environment, offsite=offsite),
        seconds=time.monotonic() - begun,
        space=space,
    )
    publish_prune_report(report)
    return report
