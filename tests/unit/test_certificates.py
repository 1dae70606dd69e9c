from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from provisioned import ACME as ACME_PROJECT
from provisioned import described, write
from pydantic import SecretStr

from odoo_ops.adapters import local_ca
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import certbot
from odoo_ops.errors import Refused
from odoo_ops.model.certificates import AcmeRecord, CertificateFacts, ShownCertificate
from odoo_ops.model.environment import Environment
from odoo_ops.model.health import HealthPolicy
from odoo_ops.model.host import Host
from odoo_ops.model.provision import LETS_ENCRYPT, Acme, Provisioning
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.policy.certificates import is_due, judge_given, judge_shown, why_certbot_failed, why_new, why_none
from odoo_ops.runtimes.certificates import (
    ACME_RECORD,
    AUTHORITY,
    AUTHORITY_KEY,
    certificate_files,
    complete_pair,
    fitting_files,
    pair_files,
    secret_file,
)

NOW = datetime(2026, 11, 26, tzinfo=UTC)
SHOP = ComposeProject(project="shop", folder="/srv/shop")
ACME = Acme(email="it@example.com")
HERE = HostAdapter(Host(name="erp-1"))
DOMAINS = ("erp.example.com", "shop.example.com")
# of 112 bits, which no library reads
SMALL_KEY = """-----BEGIN EC PRIVATE KEY-----
MD4CAQEEDkRgs3atTtUvD41gEHMcoAcGBSuBBAAGoSADHgAEQwShT8vfleRpIEpl
GH4a5Ky2f+kXxQuZD5qT+w==
-----END EC PRIVATE KEY-----
"""
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


def locked(key: SecretStr, kind: serialization.PrivateFormat) -> str:
    """The same key behind a passphrase."""
    opened = serialization.load_pem_private_key(key.get_secret_value().encode(), password=None)
    by = serialization.BestAvailableEncryption(b"x")
    return opened.private_bytes(serialization.Encoding.PEM, kind, by).decode()


def given(folder: Path, certificate: str, key: str) -> Provisioning:
    """A project with the two as its certificate's files."""
    (folder / "chain.pem").write_text(certificate)
    (folder / "key.pem").write_text(key)
    tls = {"kind": "files", "certificate": f"{folder}/chain.pem", "private_key_file": f"{folder}/key.pem"}
    wanted = Environment.model_validate(described("production", tls=tls)).provision
    assert wanted
    return wanted


def self_signed(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, *extensions: x509.ExtensionType) -> local_ca.Pair:
    """A certificate of nobody else for a key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "erp")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=99))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return local_ca.Pair(certificate=certificate.decode(), key=SecretStr(key.private_bytes(*plain).decode()))


@pytest.mark.parametrize("kind", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_key_behind_a_passphrase_is_refused_with_the_way_to_write_it_without(
    tmp_path: Path, kind: serialization.PrivateFormat
) -> None:
    pair = local_ca.make_stand_in(DOMAINS, NOW)
    wanted = given(tmp_path, pair.certificate, locked(pair.key, kind))
    with pytest.raises(Refused) as refused:
        certificate_files(HERE, "/nowhere", "erp", wanted, NOW)
    key = f"{tmp_path}/key.pem"
    for part in (f"the private key {key} is encrypted", f"(umask 077; openssl pkey -in {key} -out {key}.plain)"):
        assert part in str(refused.value)


def test_key_of_a_kind_that_is_not_supported_is_refused(tmp_path: Path) -> None:
    wanted = given(tmp_path, local_ca.make_stand_in(DOMAINS, NOW).certificate, SMALL_KEY)
    with pytest.raises(Refused, match=r"key\.pem are no certificate and key in PEM .*not supported"):
        certificate_files(HERE, "/nowhere", "erp", wanted, NOW)


def test_certificate_whose_names_cannot_be_read_is_refused(tmp_path: Path) -> None:
    x400_address = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, bytes.fromhex("3002a300"))
    pair = self_signed(ec.generate_private_key(ec.SECP256R1()), x400_address)
    wanted = given(tmp_path, pair.certificate, pair.key.get_secret_value())
    with pytest.raises(Refused, match="are no certificate and key in PEM"):
        certificate_files(HERE, "/nowhere", "erp", wanted, NOW)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda folder: (folder / "key.pem").unlink(), "key.pem is not there"),
        (lambda folder: (folder / "chain.pem").write_text("no certificate"), "are no certificate and key in PEM"),
        (lambda folder: given(folder, *_ended()), "ended 1 days ago"),
        (lambda folder: given(folder, *_of_stranger()), "is not for erp.example.com, shop.example.com"),
    ],
)
def test_given_files_that_do_not_fit_any_more_leave_the_pair_that_is_in_place(
    tmp_path: Path, spoil: Callable[[Path], object], why: str
) -> None:
    """So a release can still be taken back on the day on which a certificate ends."""
    pair, project = _theirs(), tmp_path / "erp"
    wanted = given(tmp_path, pair.certificate, pair.key.get_secret_value())
    fitting = fitting_files(HERE, str(project), "erp", wanted, NOW)
    assert (fitting.files, fitting.unfit) == (pair_files(pair), "")
    spoil(tmp_path)
    with pytest.raises(Refused, match=why):
        fitting_files(HERE, str(project), "erp", wanted, NOW)
    write(pair_files(pair), project)
    fitting = fitting_files(HERE, str(project), "erp", wanted, NOW)
    assert fitting.files == pair_files(pair)
    assert why in fitting.unfit
    (check,) = judge_given(fitting.unfit)
    assert (check.outcome, why in check.detail, "Next step: " in check.detail) == ("failed", True, True)


def test_pair_in_place_that_ended_stays_too(tmp_path: Path) -> None:
    certificate, key = _ended()
    wanted, project = given(tmp_path, certificate, key), tmp_path / "erp"
    write(pair_files(local_ca.Pair(certificate=certificate, key=SecretStr(key))), project)
    assert "ended 1 days ago" in fitting_files(HERE, str(project), "erp", wanted, NOW).unfit


def test_new_domain_that_no_certificate_covers_is_refused_though_a_pair_is_in_place(tmp_path: Path) -> None:
    pair, project = _theirs(DOMAINS[:1]), tmp_path / "erp"
    wanted = given(tmp_path, pair.certificate, pair.key.get_secret_value())
    write(pair_files(pair), project)
    with pytest.raises(Refused, match=r"is not for shop\.example\.com"):
        fitting_files(HERE, str(project), "erp", wanted, NOW)


def test_given_files_that_are_not_there_are_refused_where_the_pair_in_place_came_from_elsewhere(tmp_path: Path) -> None:
    """Somebody switches `provision.tls` to files, and mistypes a path."""
    wanted = given(tmp_path, "", "")
    authority, of_directory = local_ca.make_authority("erp", NOW), _theirs()
    fingerprint = local_ca.facts_of(of_directory.certificate).fingerprint
    record = AcmeRecord(directory=LETS_ENCRYPT, fingerprint=fingerprint).model_dump_json()
    for name, files in {
        "stand-in": pair_files(local_ca.make_stand_in(DOMAINS, NOW)),
        "own": (
            secret_file(AUTHORITY, authority.certificate),
            secret_file(AUTHORITY_KEY, authority.key.get_secret_value()),
            *pair_files(local_ca.make_certificate(authority, DOMAINS, NOW)),
        ),
        "acme": (secret_file(ACME_RECORD, record), *pair_files(of_directory)),
    }.items():
        write(files, tmp_path / name)
        with pytest.raises(Refused, match="are no certificate and key in PEM"):
            fitting_files(HERE, str(tmp_path / name), "erp", wanted, NOW)


def test_lost_certificate_of_whom_certbot_trusts_is_refused_though_a_pair_is_in_place(tmp_path: Path) -> None:
    provision = ACME_PROJECT | {"tls": {**ACME_PROJECT["tls"], "ca_certificate": f"{tmp_path}/lost.pem"}}
    wanted = Environment.model_validate(described("production", **provision)).provision
    assert wanted
    write(pair_files(_theirs()), tmp_path)
    with pytest.raises(Refused, match=r"lost\.pem is not there"):
        fitting_files(HERE, str(tmp_path), "erp", wanted, NOW)


def _theirs(domains: Sequence[str] = DOMAINS) -> local_ca.Pair:
    return local_ca.make_certificate(local_ca.make_authority("theirs", NOW), domains, NOW)


def _ended() -> tuple[str, str]:
    pair = local_ca.make_certificate(local_ca.make_authority("theirs", NOW), DOMAINS, NOW - timedelta(days=8), days=7)
    return pair.certificate, pair.key.get_secret_value()


def _of_stranger() -> tuple[str, str]:
    pair = local_ca.make_stand_in(["other.example.com"], NOW)
    return pair.certificate, pair.key.get_secret_value()


def test_key_in_the_project_that_somebody_locked_counts_as_none() -> None:
    pair = local_ca.make_stand_in(DOMAINS, NOW)
    assert complete_pair(pair.certificate, locked(pair.key, serialization.PrivateFormat.PKCS8)) is None


def test_authority_of_another_kind_is_refused(tmp_path: Path) -> None:
    authority = self_signed(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    (tmp_path / AUTHORITY).parent.mkdir(parents=True)
    (tmp_path / AUTHORITY).write_text(authority.certificate)
    (tmp_path / AUTHORITY_KEY).write_text(authority.key.get_secret_value())
    wanted = Environment.model_validate(described("staging")).provision
    assert wanted
    with pytest.raises(Refused, match=rf"{AUTHORITY_KEY} signs nothing: .*elliptic curve"):
        certificate_files(HERE, str(tmp_path), "erp", wanted, NOW)
