"""How an environment's backups and drills change from run to run: the figures are kept in Prefect, as artifacts."""

import base64
import json
from datetime import UTC, datetime
from importlib import import_module
from threading import Thread
from typing import TypeVar

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.runtime import flow_run
from pydantic import ValidationError

from blocks import OdooEnvironment
from blocks.prefect_api import PREFECT_AWAY
from odoo_ops.errors import OdooOpsError, TransientError, VerificationFailed
from odoo_ops.model.checks import Check, failures, first_of
from odoo_ops.model.figures import BackupFigures, DrillFigures, EarlierBackups, History, Sizes, sizes_of
from odoo_ops.model.report import BackupReport, DrillReport, StoredSnapshot
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.policy import trends
from odoo_ops.render import render
from odoo_ops.runtimes.runtime import Runtime
from odoo_ops.runtimes.stored import read_manifest

_RUNS = 90
FiguresT = TypeVar("FiguresT", BackupFigures, DrillFigures)


@task(cache_policy=NO_CACHE)
def read_earlier_backups(environment: str, sizes: Sizes, stored: StoredSnapshot) -> EarlierBackups:
    """What there was before the backup that was just stored, whose sizes these are.

    Those of the last one are as they were kept in Prefect, or else as its manifest in the repository says. No backup
    fails because neither can be read: they are not measured then.
    """
    now, verified_at = sizes.taken_at, stored.verified_at
    last = _sizes(OdooEnvironment.open(environment), stored.last) if stored.last else None
    before = last or stored.last
    return EarlierBackups(
        last=last,
        gap_seconds=_seconds_since(before.taken_at if before else None, now),
        verified_age_seconds=_seconds_since(verified_at, now),
    )


def _seconds_since(earlier: datetime | None, now: datetime) -> float | None:
    """None where there is nothing earlier: a time of the future is a clock's mistake."""
    return (now - earlier).total_seconds() if earlier and earlier <= now else None


def judge_clock(stored: StoredSnapshot) -> Check:
    """Is the backup that was stored newer than the one before it, by its host's clock?"""
    return trends.judge_clock(stored.taken_at, stored.last)


def refuse_older(report: BackupReport) -> None:
    """Raise VerificationFailed when a backup is, by its time, older than the one that was made before it."""
    if found := failures([check for check in report.checks if check.name == trends.CLOCK]):
        raise VerificationFailed(
            f"The backup is kept and proved, but a clock was set back: {first_of(found)}. Until there is a newer one "
            f"`latest` means the one before. Next step: set the clock of {report.environment}'s host, then run the "
            f"backup again once that time has passed; until then name snapshot {report.snapshot_id[:8]} to restore "
            "this one. A time that is far in the future is put right by `restic rewrite --new-time=… --forget`."
        )


def judge_sizes(environment: str, stored: Sizes, earlier: EarlierBackups) -> list[Check]:
    """Compare what was stored with the backup before it, by the environment's thresholds."""
    return trends.judge_sizes(stored, earlier.last, OdooEnvironment.open(environment).environment.backup)


def judge_gap(environment: str, earlier: EarlierBackups) -> Check:
    """Compare the time since the backup before with the environment's RPO."""
    return trends.judge_gap(earlier.gap_seconds, OdooEnvironment.open(environment).environment.objectives)


def refuse_late(report: BackupReport) -> None:
    """Raise VerificationFailed when work was without a backup for longer than the business was promised.

    Not within another run, as that of a release: the backup that it waited for is there.
    """
    found = failures([check for check in report.checks if check.name == trends.GAP])
    if found and flow_run.get_parent_flow_run_id() is None:
        raise VerificationFailed(
            f"The backup is kept and proved, but {report.environment} was without one for too long: {first_of(found)}. "
            "Next step: look why backups before this one failed, or did not begin (a schedule that is paused, a worker "
            "that did not run); where that long is meant, raise `rpo_minutes` of its `objectives`."
        )


def refuse_shrunk(report: BackupReport, earlier: EarlierBackups) -> None:
    """Raise VerificationFailed when the backup is so much smaller than the last one that somebody must look."""
    found = failures([check for check in report.checks if check.name in trends.SHRUNK])
    if found and earlier.last:
        lines = "\n".join(f"  {line}" for line in found)
        raise VerificationFailed(
            f"The backup is kept and proved, but {report.environment} is much smaller than in the backup before:\n"
            f"{lines}\nNext step: find out what was deleted. If it was meant, nothing is to be done: the next backup "
            f"is compared with this one. If not, restore snapshot {earlier.last.snapshot_id[:8]} into another "
            "environment and take from it what is missing."
        )


def keep_backup_figures(report: BackupReport, earlier: EarlierBackups) -> None:
    """Keep the figures of a backup in Prefect, under the key `figures-backup-<environment>`."""
    _keep(_backup_key(report.environment), trends.backup_figures(report, earlier))


def keep_drill_figures(report: DrillReport) -> None:
    """Keep the figures of a drill in Prefect, under the key `figures-drill-<environment>`."""
    _keep(_drill_key(report.environment), trends.drill_figures(report))


def prepare_picture() -> None:
    """Import Matplotlib, which takes a second, while a run waits for other work anyway. Returns at once."""
    Thread(target=import_module, args=["odoo_ops.charts"]).start()


@task(cache_policy=NO_CACHE)
def publish_trends(environment: str) -> None:
    """Publish the picture of the last runs under the key `trends-<environment>`."""
    from odoo_ops.charts import draw_trends

    settings, history = OdooEnvironment.open(environment).environment, read_history(environment)
    if not history.backups and not history.drills:
        return
    page = render(
        "reports/trends.md",
        environment=environment,
        history=history,
        checks=[trends.judge_verified_age(history, datetime.now(UTC), settings.backup.verified_age_days)],
        marked=trends.marked_runs(history),
        image=base64.b64encode(draw_trends(history, settings)).decode(),
    )
    create_markdown_artifact(page, key=f"trends-{environment}")


def read_history(environment: str) -> History:
    """The figures of the last ninety backups and drills, as they were kept in Prefect."""
    backups, strange_backups = _kept(_backup_key(environment), BackupFigures)
    drills, strange_drills = _kept(_drill_key(environment), DrillFigures)
    return History(
        backups=tuple(sorted(backups, key=lambda backup: backup.taken_at)),
        drills=tuple(sorted(drills, key=lambda drill: drill.begun_at)),
        unreadable=strange_backups + strange_drills,
    )


def _sizes(runtime: Runtime, last: Snapshot) -> Sizes | None:
    kept: list[BackupFigures] = []
    try:
        kept, _unreadable = _kept(_backup_key(runtime.environment.name), BackupFigures)
    except PREFECT_AWAY as error:
        get_run_logger().warning("The manifest is read instead of what is kept in Prefect, which is away: %s", error)
    for figures in kept:
        if figures.snapshot_id in {last.id, last.first_id}:
            return figures
    try:
        manifest = read_manifest(runtime, last, runtime.environment)
    except (OdooOpsError, ValidationError) as error:
        get_run_logger().warning("Nothing is compared with the last backup, its manifest cannot be read: %s", error)
        return None
    return sizes_of(manifest, last.id, total_bytes=None)


def _backup_key(environment: str) -> str:
    return f"figures-backup-{environment}"


def _drill_key(environment: str) -> str:
    return f"figures-drill-{environment}"


def _keep(key: str, figures: BackupFigures | DrillFigures) -> None:
    try:
        create_table_artifact([figures.model_dump(mode="json")], key=key)
    except PREFECT_AWAY as error:
        raise TransientError(
            f"What this run did stays done, but {key} is not kept: Prefect's server does not answer ({error}). Next "
            "step: start the server; the next run compares with what the repository says; the picture lacks this one."
        ) from error


def _kept(key: str, model: type[FiguresT]) -> tuple[list[FiguresT], int]:
    """The newest rows that were kept under a key, and how many of them this version cannot read."""
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])),
            sort=ArtifactSort.CREATED_DESC,
            limit=_RUNS,
        )
    found = []
    for artifact in artifacts:
        try:
            found.append(model.model_validate(*json.loads(str(artifact.data))))
        except (ValueError, TypeError):  # not JSON, not one row, or not these fields
            continue
    return found, len(artifacts) - len(found)
