"""Export a backup as Odoo's own zip: for Odoo's database manager, another company, or a look on a laptop.

The newest (or a named) snapshot is read, never the running database. Dump and filestore are streamed into a zip
with a partial name on the environment's host; it is read again, every CRC, every attachment's sha1 and every
table's rows, and only then gets its name. What a killed run leaves, the next one deletes.
The zip is not encrypted and holds all of the company's data: only its owner can read it.
"""

import time
from typing import Annotated

from prefect import flow
from pydantic import Field

from odoo_ops.model.paths import AbsolutePath
from odoo_ops.model.zips import ExportReport
from tasks.exports import fetch_for_zip, partial_zip, prove_zip, publish_zip, write_zip
from tasks.identity import check_identity
from tasks.leftovers import settle_leftovers
from tasks.locks import environment_locked
from tasks.reports import publish_export_report
from tasks.restores import check_damage, read_snapshot


@flow(name="export", flow_run_name="export {environment} from {snapshot}")
def export_zip(
    environment: str,
    destination: AbsolutePath,
    snapshot: str = "latest",
    damaged_accepted: Annotated[int, Field(ge=0)] = 0,
    from_offsite: bool = False,
) -> ExportReport:
    """Write a backup of an Odoo environment into a zip that Odoo itself can restore.

    Args:
        environment: Name of the environment whose backup is exported.
        destination: Path of the new zip on the environment's host; as its toolbox sees it, where there is one: a folder
            of a volume or of the host. A file that is there is never replaced.
        snapshot: Id of the snapshot, or `latest`.
        damaged_accepted: Export although so many attachments were damaged when they were backed up.
        from_offsite: Take the copy in the off-site repository, where the environment's own is lost.
    """
    begun = time.monotonic()
    with environment_locked(environment, "export"):
        check_identity(environment, offsite=from_offsite)
        settle_leftovers(environment)
        chosen = read_snapshot(environment, environment, snapshot, offsite=from_offsite)
        check_damage(environment, chosen, damaged_accepted)
        with partial_zip(environment, destination) as partial:
            manifest = fetch_for_zip(environment, chosen, partial)
            write_zip(environment, chosen, manifest, partial)
            proof = prove_zip(environment, partial)
            checks = publish_zip(
                environment,
                manifest,
                proof,
                partial=partial,
                destination=destination,
                damaged_accepted=damaged_accepted,
            )
    report = ExportReport(
        environment=environment,
        database=manifest.database,
        snapshot_id=chosen.id,
        taken_at=manifest.taken_at,
        seconds=time.monotonic() - begun,
        destination=destination,
        zip_bytes=proof.zip_bytes,
        tables=len(proof.rows),
        rows=sum(proof.rows.values()),
        files=proof.files,
        damaged=tuple(str(damage) for damage in proof.damaged),
        damaged_total=proof.damaged_total,
        checks=tuple(checks),
    )
    publish_export_report(report)
    return report
