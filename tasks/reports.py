"""Reports as artifacts in the Prefect UI."""

from prefect.artifacts import create_markdown_artifact

from odoo_ops.model.report import BackupReport, RestoreReport
from odoo_ops.render import render


def publish_backup_report(report: BackupReport) -> None:
    """Publish the report of a backup under the key `backup-<environment>`."""
    create_markdown_artifact(render("reports/backup.md", report=report), key=f"backup-{report.environment}")


def publish_restore_report(report: RestoreReport) -> None:
    """Publish the report of a restore under the key `restore-<environment>`."""
    create_markdown_artifact(render("reports/restore.md", report=report), key=f"restore-{report.environment}")
