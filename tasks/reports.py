"""Reports as artifacts in the Prefect UI: one page for a manager, one table of checks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from odoo_ops.errors import OdooOpsError, VerificationFailed
from odoo_ops.model.adoption import AdoptionReport
from odoo_ops.model.certificates import CertificatesReport
from odoo_ops.model.checks import Check, failures
from odoo_ops.model.plan import ProvisionPlan, ProvisionReport
from odoo_ops.model.release import ReleasePlan
from odoo_ops.model.release_reports import ForecastReport, ReleaseReport, RollbackReport
from odoo_ops.model.report import BackupReport, DrillReport, HealthReport, OffsiteReport, RestartReport, RestoreReport
from odoo_ops.model.upkeep import ForgetReport, PruneReport, RepositoryReport
from odoo_ops.model.zips import ExportReport, ImportReport
from odoo_ops.render import render

_Report = (
    BackupReport
    | RestoreReport
    | DrillReport
    | RepositoryReport
    | ExportReport
    | ImportReport
    | HealthReport
    | RestartReport
    | ProvisionReport
    | CertificatesReport
    | ReleaseReport
    | ForecastReport
    | RollbackReport
)


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


def publish_repository_report(report: RepositoryReport) -> None:
    """Publish how sound a repository is, under `check-repository-<environment>` and `…-checks`."""
    _publish("check-repository", report.place, report)


def publish_health_report(report: HealthReport) -> None:
    """Publish how the layers of an environment are, under `health-<environment>` and `health-<environment>-checks`."""
    _publish("health", report.environment, report)


def publish_restart_report(report: RestartReport) -> None:
    """The same for a restart, under `restart-<environment>`."""
    _publish("restart", report.environment, report)


def publish_rotation_report(report: RepositoryReport) -> None:
    """Publish how a repository's password was changed, under `rotate-repository-key-<environment>` and `…-checks`."""
    _publish("rotate-repository-key", report.place, report)


def publish_plan(plan: ProvisionPlan) -> None:
    """Publish what will be changed if it is approved, under `provision-<environment>`."""
    publish_provision_report(ProvisionReport(environment=plan.environment, seconds=0, plan=plan, applied=False))


@contextmanager
def steps_published(plan: ProvisionPlan) -> Iterator[Callable[[str], None]]:
    """Publish that a plan is carried out as soon as the first step is told, and what was done where a step fails.

    The block tells each step before it begins. A worker that dies leaves the page that says it was begun.
    """
    steps: list[str] = []

    def publish(*, failed: bool = False, next_step: str = "") -> None:
        told = {"steps": tuple(steps), "failed": failed, "next_step": next_step}
        publish_provision_report(
            ProvisionReport(environment=plan.environment, seconds=0, plan=plan, applied=False, **told)
        )

    def begin(step: str) -> None:
        steps.append(step)
        if len(steps) == 1:
            publish()

    def tell(_kind: object, error: BaseException | None, _traceback: object) -> None:
        if error and steps:
            publish(failed=True, next_step=error.next_step if isinstance(error, OdooOpsError) else "")

    with ExitStack() as at_end:
        at_end.push(tell)
        yield begin


def publish_provision_report(report: ProvisionReport) -> None:
    """Publish what differed and what was done, under `provision-<environment>` and `…-checks`."""
    _publish("provision", report.environment, report)


def publish_release_plan(plan: ReleasePlan) -> None:
    """Publish what a release will change if it is approved, under `release-<environment>` and `…-checks`."""
    publish_release_report(ReleaseReport(environment=plan.environment, seconds=0, plan=plan, applied=False))


def publish_release_report(report: ReleaseReport) -> None:
    """Publish what a release changed, and what was looked at, under `release-<environment>` and `…-checks`."""
    _publish("release", report.environment, report)


def publish_roll_out(checks: list[Check]) -> None:
    """Publish how the release to each environment ended, under `roll-out`."""
    create_table_artifact([check.model_dump() for check in checks], key="roll-out")


def publish_forecast_report(report: ForecastReport) -> None:
    """Publish how long a release would take, and what was found, under `forecast-<environment>` and `…-checks`."""
    _publish("forecast", report.environment, report)


def publish_rollback_report(report: RollbackReport) -> None:
    """Publish what a rollback takes from sight, and what came of it, under `rollback-<environment>` and `…-checks`."""
    _publish("rollback", report.environment, report)


def publish_adoption_report(report: AdoptionReport) -> None:
    """Publish the environment file of an Odoo that was found, under `adopt-<environment>`."""
    create_markdown_artifact(render("reports/adopt.md", report=report), key=f"adopt-{report.environment}")


def publish_certificates_report(report: CertificatesReport) -> None:
    """Publish each domain's certificate with its days left, under `renew-certificates-<environment>` and `…-checks`."""
    _publish("renew-certificates", report.environment, report)


def refuse_failures(beginning: str, checks: list[Check], at_work: str | None = None) -> None:
    """Raise VerificationFailed when a check failed: the run is marked, its report is published already.

    Not where `at_work` names a run that stops Odoo on purpose.
    """
    if (told := told_failures(beginning, checks)) and at_work is None:
        raise VerificationFailed(told)


def told_failures(beginning: str, checks: list[Check]) -> str:
    """Which checks failed, after a beginning of the sentence; empty: none did."""
    if not (found := failures(checks)):
        return ""
    lines = "\n".join(f"  {line}" for line in found)
    return f"{beginning} {len(found)} of {len(checks)} checks failed:\n{lines}"


def refuse_sick(report: HealthReport) -> None:
    """Raise VerificationFailed when a layer failed, but not while a run stops Odoo on purpose."""
    beginning = f"{report.environment} is not well; the lowest layer that failed: {report.first_failed}. "
    refuse_failures(f"{beginning}{report.next_step}".strip(), list(report.checks), report.at_work)


def _publish(flow: str, place: str, report: _Report) -> None:
    key = f"{flow}-{place}"
    create_markdown_artifact(render(f"reports/{flow}.md", report=report), key=key)
    create_table_artifact([check.model_dump() for check in report.checks], key=f"{key}-checks")
