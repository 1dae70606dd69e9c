from datetime import UTC, datetime, timedelta

import pytest
from provisioned import described

from odoo_ops.adapters import local_ca
from odoo_ops.commands import certbot
from odoo_ops.model.certificates import CertificateFacts, ShownCertificate
from odoo_ops.model.environment import Environment
from odoo_ops.model.health import HealthPolicy
from odoo_ops.model.provision import LETS_ENCRYPT, Acme
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.policy.certificates import is_due, judge_shown, why_certbot_failed, why_new, why_none

NOW = datetime(2026, 11, 26, tzinfo=UTC)
SHOP = ComposeProject(project="shop", folder="/srv/shop")
ACME = Acme(email="it@example.com")
TWO_PROBLEMS = """ Container shop-certbot-run-1  Creating
The following problems:
  Domain: a.example.com
  Type:   dns
  Detail: no such host

  Domain: b.example.com
  Type:   connection
  Detail: refused
"""


def facts(*, days: float, left: float, names: tuple[str, ...] = ("shop.example.com",)) -> CertificateFacts:
    ends_at = NOW + timedelta(days=left)
    starts_at = ends_at - timedelta(days=days)
    return CertificateFacts(
        names=frozenset(names), issuer="An Authority", starts_at=starts_at, ends_at=ends_at, fingerprint="ab"
    )


@pytest.mark.parametrize(
    ("days", "left", "due"), [(90, 30.1, False), (90, 29.9, True), (6, 2.1, False), (6, 1.9, True), (90, -1, True)]
)
def test_certificate_is_due_when_less_than_a_third_of_its_life_is_left(days: int, left: float, *, due: bool) -> None:
    assert is_due(facts(days=days, left=left), NOW) == due


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "there is none"),
        (facts(days=90, left=80), ""),
        (facts(days=90, left=80, names=("other.example.com",)), "it is for other.example.com"),
        (facts(days=90, left=80, names=()), "it is for no domain"),
        (facts(days=90, left=20), "less than a third of its life is left"),
    ],
)
def test_another_certificate_is_needed_only_for_a_reason(found: CertificateFacts | None, why: str) -> None:
    assert why_new(found, ["shop.example.com"], NOW) == why


@pytest.mark.parametrize(
    ("stage", "change", "why"),
    [
        ("staging", {}, ""),
        ("testing", {}, "`provision.tls` is none"),
        ("staging", {"provision": None}, "its file has no `provision`"),
    ],
)
def test_certificate_is_there_unless_the_file_wants_none(stage: str, change: dict[str, None], why: str) -> None:
    assert why_none(Environment.model_validate({**described(stage), **change})) == why


def test_reason_stays_the_same_from_day_to_day() -> None:
    """An approved plan holds it."""
    found = facts(days=90, left=20)
    assert why_new(found, found.names, NOW) == why_new(found, found.names, NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            TWO_PROBLEMS,
            (
                "not convinced of a.example.com (dns: no such host); b.example.com (connection: refused). What nginx",
                "let the name server of a.example.com name the address of erp-1",
                "let the name b.example.com lead to erp-1, and its port 80 to port 8080 there",
                "certbot said:\nThe following problems:",
            ),
        ),
        ("urn:ietf:params:acme:error:rateLimited :: too many", ("it was asked too often", "staging directory")),
        ("SSLError(... certificate verify failed: self-signed)", ("is not trusted", "provision.tls.ca_certificate")),
        ("Max retries exceeded with url: /directory", ("it does not answer", "a container on erp-1 reaches it")),
        ("urn:ietf:params:acme:error:accountDoesNotExist", ("docker volume rm shop_acme",)),
        ("Another instance of Certbot is already running.", ("still at work", "wait a minute")),
        ("", ("certbot failed", "certbot said:\nnothing")),
    ],
)
def test_what_certbot_says_is_told_with_a_next_step(said: str, expected: tuple[str, ...]) -> None:
    message = why_certbot_failed(
        said, directory=LETS_ENCRYPT, domains=["a.example.com"], host="erp-1", port=8080, project="shop"
    )
    assert [part for part in expected if part not in message] == [], message
    assert "What nginx shows stays" in message


@pytest.mark.parametrize(
    ("shown", "outcome", "detail"),
    [
        (ShownCertificate(domain="a", facts=facts(days=90, left=80.5), in_place=True), "passed", "80 days left, until"),
        (ShownCertificate(domain="a", facts=facts(days=90, left=13.5), in_place=True), "failed", "13 days left, until"),
        (
            ShownCertificate(domain="a", facts=facts(days=90, left=-1), in_place=True),
            "failed",
            "it ended at 2026",
        ),
        (ShownCertificate(domain="a", facts=facts(days=90, left=80)), "failed", "does not show the one in the"),
        (ShownCertificate(domain="a", said="nobody answers"), "failed", "nobody answers"),
    ],
)
def test_shown_certificate_is_an_alarm_when_it_is_none_another_or_ends_soon(
    shown: ShownCertificate, outcome: str, detail: str
) -> None:
    check = judge_shown(shown, NOW, HealthPolicy())
    assert (check.outcome, detail in check.detail) == (outcome, True), check


def test_certbot_is_asked_without_a_question_for_all_domains_under_a_name_of_the_directory() -> None:
    argv = certbot.request_certificate(SHOP, ACME, ["a.example.com", "b.example.com"]).argv
    compose = ("docker", "compose", "--project-name=shop", "--project-directory=/srv/shop")
    assert argv[:12] == (
        *(*compose, "--file=/srv/shop/compose.yaml", "run"),
        *("--rm", "--no-TTY", "--no-deps", "certbot", "certonly", "--non-interactive"),
    )
    assert argv[-2:] == ("--domain=a.example.com", "--domain=b.example.com")
    assert {f"--server={LETS_ENCRYPT}", "--email=it@example.com", "--webroot-path=/var/tmp"} <= set(argv)
    other = certbot.request_certificate(SHOP, Acme(email="it@example.com", directory="https://ca/other"), ["a"]).argv
    names = [next(word for word in words if word.startswith("--cert-name=")) for words in (argv, other)]
    assert names[0].startswith("--cert-name=acme-v02.api.letsencrypt.org-")
    assert names[0] != names[1]


def test_what_certbot_keeps_is_parted_into_chain_and_key() -> None:
    pair = local_ca.make_stand_in(["a.example.com"], NOW)
    key = pair.key.get_secret_value()
    assert certbot.parse_kept(pair.certificate + key) == (pair.certificate, key)
    assert certbot.parse_kept(pair.certificate) is None
    assert certbot.parse_kept("") is None


def test_stand_in_is_for_the_domains_and_of_nobody_whom_anybody_trusts() -> None:
    found = local_ca.facts_of(local_ca.make_stand_in(["a.example.com", "b.example.com"], NOW).certificate)
    assert found.names == {"a.example.com", "b.example.com"}
    assert found.issuer == "odoo-ops authority of stand-in for a certificate"
    assert (found.ends_at - NOW).days == 7
