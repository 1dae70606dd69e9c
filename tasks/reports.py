"""Reports as artifacts in the Prefect UI: one page for a manager, one table of checks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from blocks.prefect_api import PREFECT_AWAY
from odoo_ops.errors import OdooOpsError, TransientError, VerificationFailed
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
    _publish_page(f"offsite-{report.environment}", render("reports/offsite.md", report=report))


def publish_forget_report(report: ForgetReport) -> None:
    """Publish what is kept and what goes, and why, under `forget-<environment>` and `forget-<environment>-backups`.

    What was done off-site has `<environment>-offsite` in its keys, here and below.
    """
    key = f"forget-{report.place}"
    _publish_page(key, render("reports/forget.md", report=report))
    rows = [
        {
            "backup of": f"{decision.snapshot.taken_at:%Y-%m-%d %H:%M %Z}",
            "snapshot": decision.snapshot.short_id,
            "decision": "kept" if decision.keep else "goes",
            "why": "; ".join(decision.reasons),
        }
        for decision in report.plan.decisions
    ]
    _publish_table(f"{key}-backups", rows)


def publish_prune_report(report: PruneReport) -> None:
    """Publish what was freed, under `prune-<environment>`."""
    _publish_page(f"prune-{report.place}", render("reports/prune.md", report=report))


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
    _publish_table("roll-out", [check.model_dump() for check in checks])


def publish_forecast_report(report: ForecastReport) -> None:
    """Publish how long a release would take, and what was found, under `forecast-<environment>` and `…-checks`."""
    _publish("forecast", report.environment, report)


def publish_rollback_report(report: RollbackReport) -> None:
    """Publish what a rollback takes from sight, and what came of it, under `rollback-<environment>` and `…-checks`."""
    _publish("rollback", report.environment, report)


def publish_adoption_report(report: AdoptionReport) -> None:
    """Publish the environment file of an Odoo that was found, under `adopt-<environment>`."""
    _publish_page(f"adopt-{report.environment}", render("reports/adopt.md", report=report))


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
    _publish_page(key, render(f"reports/{flow}.md", report=report))
    _publish_table(f"{key}-checks", [check.model_dump() for check in report.checks])


def _publish_page(key: str, page: str) -> None:
    with _kept_in_the_log(key, page):
        create_markdown_artifact(page, key=key)


def _publish_table(key: str, rows: list[dict[str, str]]) -> None:
    with _kept_in_the_log(key, "\n".join("; ".join(row.values()) for row in rows)):
        create_table_artifact(rows, key=key)


@contextmanager
def _kept_in_the_log(key: str, text: str) -> Iterator[None]:
    """Log what cannot be published as Prefect's server is away, then raise TransientError: it may say where data is."""
    try:
        yield
    except PREFECT_AWAY as error:
        get_run_logger().warning("What was to be published as %s:\n%s", key, text)
        raise TransientError(
            f"What this run did stays done, but {key} is not published: Prefect's server does not answer ({error}). It "
            "is in the log of the worker, or of the process that ran the flow. Next step: start the server; what would "
            "come after the page, such as a copy off-site, the next run makes up for."
        ) from error
