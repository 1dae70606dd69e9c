"""The certificate that nginx of a provisioned environment shows."""

from datetime import UTC, datetime

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.errors import PermanentError, Refused, TransientError
from odoo_ops.model.certificates import ShownCertificate
from odoo_ops.model.checks import Check
from odoo_ops.policy.certificates import RENEWAL, judge_shown, why_none
from odoo_ops.runtimes.project import Project
from odoo_ops.runtimes.renewal import Renewal
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient

# nginx starts new processes within a moment of a reload
_SHOWN_SECONDS = 20


def _open(environment: str) -> Renewal:
    runtime = OdooEnvironment.open(environment)
    return Renewal(Project.of(runtime.machine, runtime.environment))


def why_nothing_to_renew(environment: str) -> str:
    """Why an environment has no certificate, in words; "": it has one, or is to have one."""
    return why_none(OdooEnvironment.open(environment).environment)


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def read_why_renewed(environment: str) -> tuple[str, str]:
    """Why a certificate is to be renewed or shown anew, and why given files do not fit; "": no reason.

    Nothing is changed. Raises PreconditionFailed where the project is not there yet, Refused for another one.
    """
    renewal = _open(environment)
    with renewal.project.machine.agents_kept():
        try:
            return renewal.why(datetime.now(UTC)), ""
        except Refused as error:
            return "", str(error)


@task(cache_policy=NO_CACHE)
def renew_certificate(environment: str) -> Check:
    """Renew the certificate, if there is a reason, and let nginx show it. Never raises: what is shown now stays."""
    now = datetime.now(UTC)
    try:
        renewal = _open(environment)
        why = renewal.why(now)
        if not why:
            return Check(name=RENEWAL, outcome="passed", detail="nothing was due any more")
        renewal.renew(now, get_run_logger().info)
    except (PermanentError, TransientError) as error:
        return Check(name=RENEWAL, outcome="failed", detail=str(error))
    return Check(name=RENEWAL, outcome="passed", detail=f"renewed: {why}")


@task(cache_policy=NO_CACHE)
def read_shown_certificates(environment: str) -> list[ShownCertificate]:
    """What nginx shows for each domain, as soon as it is what is in place, or after a while."""
    renewal = _open(environment)
    with renewal.project.machine.agents_kept():
        return list(renewal.wait_until_shown(_SHOWN_SECONDS))


def judge_certificates(environment: str, shown: list[ShownCertificate], at: datetime) -> list[Check]:
    """One check for each domain."""
    policy = OdooEnvironment.open(environment).environment.health
    return [judge_shown(each, at, policy) for each in shown]
