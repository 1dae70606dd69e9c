"""Renew the certificate that nginx of a provisioned environment shows, if it is due, and look how long it lasts.

One from an ACME directory is got anew by certbot when less than a third of its life is left, and so is one of the
project's own authority; given files are taken over when they are others. The new one is put in place by rename, nginx
reloads it, and is asked for it by TLS. Where none can be had, what nginx shows stays. The run fails when none could be
had, or one ends within `health.certificate_days`. Run again, it does nothing. Where there is no `provision`, or its
`tls` is none, nothing is to be renewed, and the run ends well.
"""

import time
from datetime import UTC, datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from odoo_ops.model.certificates import CertificatesReport
from odoo_ops.model.checks import Check
from odoo_ops.policy.certificates import RENEWAL
from tasks.certificates import (
    judge_certificates,
    read_shown_certificates,
    read_why_renewed,
    renew_certificate,
    why_nothing_to_renew,
)
from tasks.locks import project_locked
from tasks.reports import publish_certificates_report, refuse_failures


@flow(name="renew_certificates", flow_run_name="renew certificates of {environment}")
def renew_certificates(environment: str, dry_run: bool = False) -> "CertificatesReport | State":
    """Renew what is due of an environment's certificate. Where it has none, the state is named `NothingToRenew`.

    Args:
        environment: Name of the environment, as it was registered.
        dry_run: Only say what is due, and look at what is shown.
    """
    begun = time.monotonic()
    if nothing := why_nothing_to_renew(environment):
        return Completed(name="NothingToRenew", message=f"Nothing to renew of {environment}: {nothing}.")
    why, unfit = read_why_renewed(environment)
    if unfit:
        renewal = Check(name=RENEWAL, outcome="failed", detail=unfit)
    elif not why:
        renewal = Check(name=RENEWAL, outcome="passed", detail="nothing is due")
    elif dry_run:
        renewal = Check(name=RENEWAL, outcome="not measured", detail=f"a dry run; {why}")
    else:
        with project_locked(environment, "renew certificates"):
            renewal = renew_certificate(environment)
    shown, at = read_shown_certificates(environment), datetime.now(UTC)
    checks = [renewal, *judge_certificates(environment, shown, at)]
    report = CertificatesReport(
        environment=environment,
        seconds=time.monotonic() - begun,
        at=at,
        why=why,
        renewed=bool(why) and renewal.outcome == "passed",
        certificates=tuple(shown),
        checks=tuple(checks),
    )
    publish_certificates_report(report)
    refuse_failures(f"Of the certificate of {environment}", checks)
    return report
