"""When a certificate is made anew, what it means that none could be had, and what is wrong with one that is shown."""

import re
from collections.abc import Iterable
from datetime import datetime

from odoo_ops.model.certificates import CertificateFacts, ShownCertificate
from odoo_ops.model.checks import Check, passed_or_failed
from odoo_ops.model.environment import Environment
from odoo_ops.model.health import HealthPolicy
from odoo_ops.model.provision import NoTls
from odoo_ops.policy.provisioning import why_not_provisioned

RENEWAL = "Renewal"

# it is renewed when so much of its life is left: of 90 days 30, of 6 days 2
_PART_LEFT = 3
_PROBLEM = re.compile(r"(?:Domain|Identifier): (?P<domain>\S+)\s+Type: +(?P<type>\S+)\s+Detail: (?P<detail>.+)")
# what Compose says of the container
_CHATTER = re.compile(r"(?m)^ ?(?:Container|Network|Volume) .*\n?")
# type of the authority's problem with a domain -> next step
_STEPS = {
    "dns": "let the name server of {domain} name the address of {host}",
    "connection": "let the name {domain} lead to {host}, and its port 80 to port {port} there, past every firewall",
    "unauthorized": "see who answers at http://{domain}/.well-known/acme-challenge/: not this project's nginx",
    "caa": "let the CAA record of {domain} name this authority",
}
# what certbot says -> what it means, and the next step; the first that fits counts
_MEANINGS = (
    (
        r"rateLimited|too many (certificates|failed|requests)",
        "it was asked too often",
        "wait as long as it says; try out with an authority that is made for it, as Let's Encrypt's staging directory",
    ),
    (
        r"certificate verify failed|CERTIFICATE_VERIFY_FAILED",
        "its own certificate is not trusted",
        "name who signed it as `provision.tls.ca_certificate`",
    ),
    (
        r"NameResolutionError|Max retries exceeded|ConnectionError|ConnectTimeout|ReadTimeout|Connection refused",
        "it does not answer",
        "correct `provision.tls.directory`, or see that a container on {host} reaches it",
    ),
    (
        r"accountDoesNotExist",
        "it does not know certbot's account any more",
        "delete that account with all certificates that certbot keeps: `docker volume rm {project}_acme`",
    ),
    (r"Another instance of Certbot", "certbot is still at work for an earlier run", "wait a minute, and run again"),
)


def why_none(environment: Environment) -> str:
    """Why an environment has no certificate of a project's, in words; "": it has one, or is to have one."""
    if environment.provision and isinstance(environment.provision.tls, NoTls):
        return "`provision.tls` is none"
    return why_not_provisioned(environment)


def is_due(facts: CertificateFacts, now: datetime) -> bool:
    """Whether a certificate is to be renewed: less than a third of its life is left."""
    return (facts.ends_at - now) * _PART_LEFT < facts.ends_at - facts.starts_at


def why_new(facts: CertificateFacts | None, domains: Iterable[str], now: datetime) -> str:
    """Why another certificate is needed, in words that do not change from day to day; "": it is not."""
    if facts is None:
        return "there is none"
    if facts.names != set(domains):
        return f"it is for {', '.join(sorted(facts.names)) or 'no domain'}"
    return "less than a third of its life is left" if is_due(facts, now) else ""


def why_certbot_failed(said: str, *, directory: str, domains: Iterable[str], host: str, port: int, project: str) -> str:
    """The message for what certbot said when it got no certificate.

    Args:
        said: its output.
        directory: whom it asked.
        domains: for which.
        host: where it ran.
        port: the host's for HTTP.
        project: name of the compose project.
    """
    places = {"host": host, "port": str(port), "project": project}
    problems = [found.groupdict() for found in _PROBLEM.finditer(said)]
    if problems:
        what = "it is not convinced of " + "; ".join(
            f"{problem['domain']} ({problem['type']}: {problem['detail'].strip()})" for problem in problems
        )
        steps = [
            _STEPS[problem["type"]].format(**problem, **places) for problem in problems if problem["type"] in _STEPS
        ]
        step = "; ".join(steps) or "mend what it names"
    else:
        what, step = _meaning(said, places)
    heard = _CHATTER.sub("", said).strip() or "nothing"
    return (
        f"There is no certificate for {', '.join(domains)} from {directory}: {what}. What nginx shows stays. "
        f"Next step: {step}; then run `renew_certificates`. certbot said:\n{heard}"
    )


def _meaning(said: str, places: dict[str, str]) -> tuple[str, str]:
    for pattern, meaning, step in _MEANINGS:
        if re.search(pattern, said, re.IGNORECASE):
            return meaning, step.format(**places)
    return "certbot failed", "mend what it says"


def judge_given(unfit: str) -> list[Check]:
    """A failed check where the certificate in place stays, because what was given does not fit; else none."""
    return [Check(name=RENEWAL, outcome="failed", detail=unfit)] if unfit else []


def judge_shown(shown: ShownCertificate, now: datetime, policy: HealthPolicy) -> Check:
    """What nginx shows for one domain: the certificate in place, for that domain, and long enough."""
    name = f"Certificate of {shown.domain}"
    left = shown.days_left(now)
    if shown.facts is None or left is None:
        return Check(name=name, outcome="failed", detail=shown.said)
    over = shown.facts.ends_at <= now
    lasts = "it ended at" if over else f"{left} days left, until"
    found = f"{lasts} {shown.facts.ends_at:%Y-%m-%d %H:%M} UTC, by {shown.facts.issuer}"
    problems = [] if shown.in_place else ["nginx does not show the one in the project's folder"]
    problems += [found] if left < policy.certificate_days else []
    return passed_or_failed(name, problems, found)
