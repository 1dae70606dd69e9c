"""Events of our own, for automations of Prefect to hear, or to miss."""

from prefect.events import emit_event

from odoo_ops.model.report import BackupReport


def announce_backup(report: BackupReport) -> None:
    """Say that a backup is kept and proved: `odoo.backup.verified` of `odoo-ops.environment.<environment>`.

    Whatever else its run finds. No backup fails where nobody hears it.
    """
    emit_event(
        "odoo.backup.verified",
        resource={
            "prefect.resource.id": f"odoo-ops.environment.{report.environment}",
            "prefect.resource.name": report.environment,
        },
        payload={"snapshot": report.snapshot_id, "taken_at": report.taken_at.isoformat()},
    )
