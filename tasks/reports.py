"""Reports as artifacts in the Prefect UI: one page for a manager, one table of checks."""

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from odoo_ops.errors import VerificationFailed
from odoo_ops.model.checks import Check, failures
from odoo_ops.model.report import BackupReport, DrillReport, OffsiteReport, RestoreReport
from odoo_ops.model.upkeep import ForgetReport, PruneReport, RepositoryReport
from odoo_ops.render import render

_Report = BackupReport | RestoreReport | DrillReport | RepositoryReport


def publish_backup_report(report: BackupReport) -> None:
    """Publish the report of a backup under the keys `backup-<environment>` and `backup-<environment>-checks`."""
    _publish("backup", report.environment, report)


def publish_restore_report(report: RestoreReport) -> None:
    """The same for a restore, under `restore-<environment>`."""
    _publish("restore", report.environment, report)


def publish_drill_report(report: DrillReport) -> None:
    """The same for a drill, under `drill-<environment>`."""
    _publish("drill", report.environment, report)


def publish_offsite_report(report: OffsiteReport) -> None:
    """Publish what was copied off-site, under `offsite-<environment>`."""
    create_markdown_artifact(render("reports/offsite.md", report=report), key=f"offsite-{report.environment}")


def publish_forget_report(report: ForgetReport) -> None:
    """Publish what is kept and what goes, and why, under `forget-<environment>` and `forget-<environment>-backups`.

    What was done off-site has `<environment>-offsite` in its keys, here and below.
    """
    key = f"forget-{report.place}"
    create_markdown_artifact(render("reports/forget.md", report=report), key=key)
    rows = [
        {
            "backup of": f"{decision.snapshot.taken_at:%Y-%m-%d %H:%M %Z}",
            "snapshot": decision.snapshot.short_id,
            "decision": "kept" if decision.keep else "goes",
            "why": "; ".join(decision.reasons),
        }
        for decision in report.plan.decisions
    ]
    create_table_artifact(rows, key=f"{key}-backups")


def publish_prune_report(report: PruneReport) -> None:
    """Publish what was freed, under `prune-<environment>`."""
    create_markdown_artifact(render("reports/prune.md", report=report), key=f"prune-{report.place}")


def publish_health_report(report: RepositoryReport) -> None:
    """Publish the health of a repository, under `check-repository-<environment>` and `…-checks`."""
    _publish("check-repository", report.place, report)


def publish_rotation_report(report: RepositoryReport) -> None:
    """Publish how a repository's password was changed, under `rotate-repository-key-<environment>` and `…-checks`."""
    _publish("rotate-repository-key", report.place, report)


def refuse_failures(beginning: str, checks: list[Check]) -> None:
    """Raise VerificationFailed when a check failed: the run is marked, its report is published already."""
    if found := failures(checks):
        raise VerificationFailed(
            f"{beginning} {len(found)} of {len(checks)} checks failed:\n" + "\n".join(f"  {line}" for line in found)
        )


def _publish(flow: str, place: str, report: _Report) -> None:
    key = f"{flow}-{place}"
    create_markdown_artifact(render(f"reports/{flow}.md", report=report), key=key)
    create_table_artifact([check.model_dump() for check in report.checks], key=f"{key}-checks")
