"""Forecast a release: how long would people wait, and does it stand, on a harmless copy of the newest backup?

The commits, or the image, are fetched and stand the same gate as for a release. The database is restored from a backup
beside the present one, with the filestore's files by hard links, and neutralised before any Odoo sees it. It is copied
once more, which a release does, too, to see how long that takes. Then its modules are updated, timed, while another
session looks which tables are locked, and the result is booted and looked at. People go on working meanwhile; nothing
of theirs is changed, and the copy is deleted, whatever happens. What a killed run leaves, the next one of any flow
deletes. A forecast whose copy could not be made or worked with, as where a disk is full or PostgreSQL is lost, ends
with that error and without a page: of the release nothing is known.
"""

import time

from prefect import flow

from flows._trial_copy import copy_deleted
from odoo_ops.errors import CommandFailed, OdooOpsError, VerificationFailed
from odoo_ops.model.checks import Check
from odoo_ops.model.release import ImageChange, ReleasePlan
from odoo_ops.model.release_reports import ForecastReport
from tasks.copies import neutralize_copy
from tasks.fetches import fetch_dump
from tasks.forecasts import read_as_user, run_odoo_tests, time_copy, watch_locks
from tasks.identity import check_identity
from tasks.images import fetch_image, in_image, read_present_image, refuse_drift
from tasks.leftovers import settle_leftovers
from tasks.locks import environment_locked
from tasks.modules import link_filestore, try_release, update_modules
from tasks.projects import plan_project
from tasks.releases import (
    downtime_budget,
    fetch_addons,
    judge_downtime,
    plan_release,
    refuse_unfit_plan,
    refuse_unfit_request,
)
from tasks.reports import publish_forecast_report, refuse_failures
from tasks.restores import create_scratch, read_manifest, read_snapshot, restore_database, scratch_name


@flow(name="forecast", flow_run_name="forecast {environment}")
def forecast(
    environment: str, refs: dict[str, str] | None = None, snapshot: str = "latest", image: str = ""
) -> ForecastReport:
    """Update the modules of a release in a neutralised copy of a backup, while people go on working.

    Args:
        environment: Name of the environment, as it was registered.
        refs: Branch, tag or commit that would be released, by the name of the repository of addons. Left out: the
            environment file's.
        snapshot: Id of the backup that is restored for it, or `latest`.
        image: Image that would be released, for a compose project that `provision` made. Left out: the environment
            file's.
    """
    begun = time.monotonic()
    refuse_unfit_request(environment, refs or {}, image)
    with environment_locked(environment, "forecast") as lock:
        check_identity(environment)
        settle_leftovers(environment)
        plan = fetched_plan(environment, refs or {}, image)
        refuse_unfit_plan(plan)
        chosen = read_snapshot(environment, environment, snapshot, offsite=False)
        manifest = read_manifest(environment, chosen, with_filestore=False)
        scratch = scratch_name(environment)
        checks: list[Check] = []
        copied = False
        copy_seconds, update_seconds, boot_seconds = None, None, None
        budget, watch = downtime_budget(environment), watch_locks(environment, scratch)
        try:
            with copy_deleted(environment, lock):
                fetch_dump(environment, chosen, manifest)
                create_scratch(environment, manifest, scratch)
                restore_database(environment, manifest, scratch)
                link_filestore(environment, scratch)
                checks += neutralize_copy(environment, manifest.odoo_series, scratch)
                copied = True
                if plan.updates:
                    copy_seconds = time_copy(environment, scratch)
                    with watch:
                        started = time.monotonic()
                        checks += update_modules(environment, scratch, plan, budget)
                        update_seconds = time.monotonic() - started
                    # the new modules' data may hold a mail server, or what else reaches the world
                    neutralize_copy(environment, manifest.odoo_series, scratch, plan=plan)
                started = time.monotonic()
                checks += try_release(environment, scratch, plan, budget, neutralized=True)
                boot_seconds = time.monotonic() - started
                checks.append(read_as_user(environment, scratch, plan))
                checks.append(run_odoo_tests(environment, scratch, plan))
                # a release boots the updated copy, too, before it starts Odoo
                parts = [copy_seconds, update_seconds, boot_seconds, boot_seconds] if plan.updates else [boot_seconds]
                checks.append(judge_downtime(environment, parts))
        except OdooOpsError as error:
            found_wanting = isinstance(error, (VerificationFailed, CommandFailed))
            if not (copied and found_wanting):
                error.say_first(
                    f"The release to {environment} could not be tried out, so nothing is known of it, and nothing was "
                    "changed:"
                )
                raise
            checks.append(Check(name="Came to the end", outcome="failed", detail=str(error)))
    report = ForecastReport(
        environment=environment,
        seconds=time.monotonic() - begun,
        plan=plan,
        snapshot_id=chosen.id,
        taken_at=manifest.taken_at,
        copy_seconds=copy_seconds,
        update_seconds=update_seconds,
        boot_seconds=boot_seconds,
        locks=watch.found,
        checks=tuple(checks),
    )
    publish_forecast_report(report)
    refuse_failures(f"The release to {environment} did not stand its forecast, and nothing was changed:", checks)
    return report


def fetched_plan(environment: str, refs: dict[str, str], image: str) -> ReleasePlan:
    """Fetch commits or image, and see what they would change. The environment is locked."""
    change = fetched_image(environment, image) if in_image(environment) else None
    return plan_release(environment, fetch_addons(environment, refs), change)


def fetched_image(environment: str, image: str) -> ImageChange:
    """Fetch an image. Raises as `present_image` and `tasks.images.fetch_image` do."""
    return fetch_image(environment, image, present_image(environment))


def present_image(environment: str) -> str:
    """The image of Odoo in place. Raises Refused where its project is otherwise not as its environment file says."""
    present = read_present_image(environment)
    refuse_drift(environment, plan_project(environment, present))
    return present
