"""Bring an environment on Docker Compose to what its environment file says: from nothing, or back from a drift.

The host's facts and the wanted files make a plan, which is published. A plan that changes production waits until
somebody approves it in the UI; it is made anew then, and refused if it is another one. Images are fetched before, as
only they tell all. Then files are written, PostgreSQL is brought up (and touched only if the plan says so), what a
dead run left is settled, a new environment's database is made and filled by Odoo beside its place, the other services
are brought up, and what can be reloaded is reloaded. A certificate of an ACME directory is got when nginx runs, with
a stand-in until then. Where a step fails, the page says which, and what was done. At last the environment is looked
at, layer by layer. Run again, it plans nothing, and looks at the environment all the same; no lock is taken for that,
so it fails for no layer while another run stops Odoo on purpose. Where data was and its volume is lost, nothing is
done; with `loss_accepted` PostgreSQL alone is brought up, for `restore`. A dry run, as the daily one is, ends well
where the environment's file has no `provision`.
"""

import time
from datetime import UTC, datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from odoo_ops.adapters.held_locks import HeldLock
from odoo_ops.model.checks import Check, failures
from odoo_ops.model.plan import ProvisionPlan, ProvisionReport
from odoo_ops.policy.certificates import judge_given
from odoo_ops.policy.fences import refuse_mistyped
from odoo_ops.policy.project_plans import may_be_anothers_work
from odoo_ops.policy.provisioning import DATABASE_VOLUME
from tasks.approvals import refuse_another, wait_for_approval
from tasks.certificates import judge_certificates, read_shown_certificates, renew_certificate
from tasks.health import check_health, read_work_at_odoo
from tasks.identity import check_identity, forget_cluster
from tasks.leftovers import settle_leftovers
from tasks.locks import data_locked, project_locked
from tasks.projects import (
    bring_up_database,
    bring_up_services,
    create_database,
    fetch_images,
    give_admin_password,
    initialise_odoo,
    leave_to_restore,
    needs_approval,
    needs_database,
    note_finished,
    plan_project,
    prepare_cluster,
    reload_services,
    why_nothing_to_compare,
    write_files,
)
from tasks.reports import publish_plan, publish_provision_report, refuse_failures, steps_published
from tasks.restores import kept_name, scratch_name, swap_in
from tasks.services import check_odoo_came_back

_APPROVAL_SECONDS = 24 * 3600
_WAIT_MINUTES = 10


@flow(name="provision", flow_run_name="provision {environment}")
def provision(
    environment: str, dry_run: bool = False, confirm_production: str = "", loss_accepted: bool = False
) -> "ProvisionReport | State":
    """Make an environment what its file says, or show what differs.

    Args:
        environment: Name of the environment, as it was registered.
        dry_run: Only show the plan. A run that finds a difference ends in a state named `Drift`, or in `AtWork` where
            that may be the doing of another run, which stops and starts Odoo just then, and one for an environment
            that is not described for this in `NothingToCompare`.
        confirm_production: To change production without being asked in the UI, write its name.
        loss_accepted: Go on although the volume of the database or of the filestore is lost: PostgreSQL is brought up
            for `restore`, and no Odoo.
    """
    begun = time.monotonic()
    refuse_mistyped([confirm_production], [environment])
    if dry_run and (why := why_nothing_to_compare(environment)):
        return Completed(name="NothingToCompare", message=f"Nothing to compare of {environment}: {why}.")
    before = read_work_at_odoo(environment) if dry_run else None
    plan = plan_project(environment, loss_accepted=loss_accepted)
    if plan.pull and not dry_run:  # only an image that is there tells what changes by it; what runs is not touched
        fetch_images(environment, plan)
        plan = plan_project(environment, loss_accepted=loss_accepted)
    if dry_run or plan.empty:
        return _nothing_done(environment, plan, begun, dry_run=dry_run, at_work=before)
    publish_plan(plan)
    if needs_approval(environment, confirm_production):
        page = f"provision-{environment}"
        wait_for_approval(environment, plan.summary, page, plan.digest, _APPROVAL_SECONDS)
    with project_locked(environment, "provision") as lock, steps_published(plan) as begin:
        refuse_another(environment, plan_project(environment, loss_accepted=loss_accepted).digest, plan.digest)
        begin("write the files")
        write_files(environment, plan)
        lock.check()
        begin("bring up PostgreSQL")
        with data_locked(environment, "provision") as data_lock:
            if DATABASE_VOLUME in plan.lost_volumes:
                forget_cluster(environment)
            bring_up_database(environment, plan)
            prepare_cluster(environment, plan)
            check_identity(environment, needs_repository=False)
            begin("settle what an earlier run left")
            settle_leftovers(environment)
            if plan.lost_volumes:
                begin("leave the data to `restore`")
                leave_to_restore(environment, plan)
            begin("find the database")
            if needs_database(environment, plan):
                begin("make the database")
                _make_database(environment, data_lock)
            data_lock.check()
            begin("bring up the services")
            bring_up_services(environment, plan)
            begin("reload the services")
            reload_services(environment, plan)
        begin("look at the environment")
        note_finished(environment)
        checks = _new_certificate(environment) if plan.certificate else []
        checks += judge_given(plan.unfit_certificate)
        checks += [check_odoo_came_back(environment, _WAIT_MINUTES), *check_health(environment)]
        waiting = plan_project(environment).waiting
    report = ProvisionReport(
        environment=environment,
        seconds=time.monotonic() - begun,
        plan=plan.model_copy(update={"waiting": waiting}),
        applied=True,
        checks=tuple(checks),
    )
    publish_provision_report(report)
    refuse_failures(f"{environment} was brought to what its file says, but", checks)
    return report


def _nothing_done(
    environment: str, plan: ProvisionPlan, begun: float, *, dry_run: bool, at_work: str | None
) -> "ProvisionReport | State":
    """The report of a run that changes nothing, as it shall not, or as nothing differs; then Odoo is looked at.

    `at_work`: which run stopped and started Odoo before the plan was made.
    """
    checks = [] if dry_run else [*judge_given(plan.unfit_certificate), *check_health(environment)]
    differs = bool(failures(checks)) or not plan.empty
    at_work = (at_work or read_work_at_odoo(environment)) if differs else None
    report = ProvisionReport(
        environment=environment,
        seconds=time.monotonic() - begun,
        plan=plan,
        applied=False,
        checks=tuple(checks),
        at_work=at_work if may_be_anothers_work(plan) else None,
    )
    publish_provision_report(report)
    refuse_failures(f"{environment} is as its file says, and nothing was changed, but", checks, report.at_work)
    return report if plan.empty else _differing(report, at_work)


def _differing(report: ProvisionReport, at_work: str | None) -> State:
    if report.at_work:
        message = f"{report.at_work} is at work. {report.plan.summary}"
        return Completed(name="AtWork", message=message, data=report)
    besides = f" {at_work} is at work, but not all of this is its doing." if at_work else ""
    return Completed(name="Drift", message=f"{report.plan.summary}{besides}", data=report)


def _new_certificate(environment: str) -> list[Check]:
    renewal, shown = renew_certificate(environment), read_shown_certificates(environment)
    return [renewal, *judge_certificates(environment, shown, datetime.now(UTC))]


def _make_database(environment: str, lock: HeldLock) -> None:
    scratch = scratch_name(environment)
    create_database(environment, scratch)
    initialise_odoo(environment, scratch)
    give_admin_password(environment, scratch)
    lock.check()
    swap_in(environment, scratch, kept_name(environment))
