"""Reports as artifacts in the Prefect UI: one page for a manager, one table of checks."""

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from odoo_ops.errors import VerificationFailed
from odoo_ops.model.checks import Check, failures
from odoo_ops.model.report import BackupReport, DrillReport, RestoreReport
from odoo_ops.model.zips import ExportReport, ImportReport
from odoo_ops.render import render


def publish_backup_report(report: BackupReport) -> None:
    """Publish the report of a backup under the keys `backup-<environment>` and `backup-<environment>-checks`."""
    _publish("backup", report.environment, report)


def publish_restore_report(report: RestoreReport) -> None:
    """The same for a restore, under `restore-<environment>`."""
    _publish("restore", report.environment, report)


def publish_drill_report(report: DrillReport) -> None:
    """The same for a drill, under `drill-<environment>`."""
    _publish("drill", report.environment, report)


def publish_export_report(report: ExportReport) -> None:
    """The same for an export, under `export-<environment>`."""
    _publish("export", report.environment, report)


def publish_import_report(report: ImportReport) -> None:
    """The same for an import, under `import-<environment>`."""
    _publish("import", report.environment, report)


def refuse_failures(beginning: str, checks: list[Check]) -> None:
    """Raise VerificationFailed when a check failed: the run is marked, its report is published already."""
    if found := failures(checks):
        raise VerificationFailed(
            f"{beginning} {len(found)} of {len(checks)} checks failed:\n" + "\n".join(f"  {line}" for line in found)
        )


def _publish(
    flow: str, environment: str, report: BackupReport | RestoreReport | DrillReport | ExportReport | ImportReport
) -> None:
    key = f"{flow}-{environment}"
    create_markdown_artifact(render(f"reports/{flow}.md", report=report), key=key)
    create_table_artifact([check.model_dump() for check in report.checks], key=f"{key}-checks")
