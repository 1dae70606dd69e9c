"""Restore one environment from a snapshot.

Everything is restored beside what is there and proved against the snapshot's manifest first; then databases
and filestores are swapped by rename. What was replaced is kept for the environment's `keep_replaced_hours`.
Until the swap the present state is not touched; a run that dies in the swap is settled by the next one.
"""

import time
from typing import Annotated

from prefect import flow
from pydantic import Field

from odoo_ops.model.report import RestoreReport
from tasks.identity import check_identity
from tasks.leftovers import settle_leftovers
from tasks.locks import environment_locked
from tasks.reports import publish_restore_report
from tasks.restores import (
    check_restored,
    fetch_dump,
    read_snapshot,
    refuse_unconfirmed,
    restore_database,
    restore_filestore,
    swap_in,
)


@flow(name="restore", flow_run_name="restore {environment} from {snapshot}")
def restore(
    environment: Annotated[str, Field(description="Name of the environment's block.")],
    snapshot: Annotated[str, Field(description="Id of the snapshot, or `latest`.")] = "latest",
    confirm_production: Annotated[
        str, Field(description="To restore over production, write the environment's name once more.")
    ] = "",
    damaged_accepted: Annotated[
        int, Field(ge=0, description="Restore although so many attachments were damaged when they were backed up.")
    ] = 0,
) -> RestoreReport:
    """Put an environment back to what a snapshot holds, proved before it is swapped in."""
    begun = time.monotonic()
    refuse_unconfirmed(environment, confirm_production)
    with environment_locked(environment, "restore") as lock:
        check_identity(environment)
        settle_leftovers(environment)
        chosen = read_snapshot(environment, snapshot)
        manifest = fetch_dump(environment, chosen)
        scratch = restore_database(environment, manifest)
        restore_filestore(environment, chosen, manifest, scratch)
        files = check_restored(environment, manifest, scratch, damaged_accepted)
        lock.check()
        kept_database, kept_filestore = swap_in(environment, scratch)
    report = RestoreReport(
        environment=environment,
        database=manifest.database,
        snapshot_id=chosen.id,
        taken_at=manifest.taken_at,
        seconds=time.monotonic() - begun,
        tables=len(manifest.facts.rows),
        rows=sum(manifest.facts.rows.values()),
        files=files,
        kept_database=kept_database,
        kept_filestore=kept_filestore,
    )
    publish_restore_report(report)
    return report
