"""Certificates by ACME: a real certbot, a real authority (pebble) that asks the real nginx, and their renewal."""

import json
import re
import secrets
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from acme_server import AcmeServer, acme_network, acme_server
from artifacts import read_all_artifacts
from compose_project import ComposeProject
from prefect.client.orchestration import get_client
from provisioned_site import ADMIN, REPOSITORY, SECRETS, Provisioned, secret_of
from pydantic import SecretStr
from real_processes import run_flow, wait_until

from deployments.engines.docker import DockerEngine
from flows.renew_certificates import renew_certificates
from odoo_ops.adapters import local_ca
from odoo_ops.adapters.local_ca import Pair
from odoo_ops.errors import Refused, VerificationFailed
from odoo_ops.model.certificates import CertificateFacts
from odoo_ops.policy.certificates import is_due

pytestmark = [pytest.mark.docker, pytest.mark.odoo, pytest.mark.in_turn]

HOST, SHOP, NOWHERE = "erp-staging.example.com", "shop-staging.example.com", "nowhere.example.com"
DOMAINS = [HOST, SHOP]
_YEAR_SECONDS = 365 * 86400


@dataclass(frozen=True)
class Secured:
    """A project whose certificate comes from an ACME server."""

    made: Provisioned
    server: AcmeServer

    @property
    def tls_folder(self) -> Path:
        return self.made.project.folder / "secrets/tls"

    def register(self, server: AcmeServer | None = None, **change: object) -> None:
        """As it is to be; the certificates of another server, or other fields of `provision`, may be wanted."""
        of = server or self.server
        trusted = {"directory": of.directory, "ca_certificate": str(of.authority)}
        wanted = {"domains": DOMAINS, "tls": {"kind": "acme", "email": "it@example.com", **trusted}}
        self.made.register(**{**wanted, **change})

    def shown(self) -> CertificateFacts:
        """What nginx shows to whoever asks."""
        return local_ca.facts_of(ssl.PEM_cert_to_DER_cert(self._asked(None)))

    def trusted(self, root: str, domain: str = HOST) -> CertificateFacts:
        """The same to who asks for a domain, trusts a root alone, and checks chain and name."""
        return local_ca.facts_of(ssl.PEM_cert_to_DER_cert(self._asked(root, domain)))

    def _asked(self, root: str | None, domain: str = HOST) -> str:
        context = ssl.create_default_context(cadata=root)
        if root is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.made.https_port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=domain) as secured,
        ):
            return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b"")

    def login_page(self, root: str) -> httpx.Response:
        trusted = ssl.create_default_context(cadata=root)
        with httpx.Client(verify=trusted, trust_env=False, timeout=60, headers={"Host": HOST}) as client:
            address = f"https://127.0.0.1:{self.made.https_port}/web/login"
            return client.get(address, extensions={"sni_hostname": HOST})

    def place(self, pair: Pair, folder: Path | None = None) -> None:
        """Put a certificate somewhere, by default where nginx will read it, which is not told."""
        for name, text in (("certificate.pem", pair.certificate), ("key.pem", pair.key.get_secret_value())):
            ((folder or self.tls_folder) / name).unlink(missing_ok=True)
            ((folder or self.tls_folder) / name).write_text(text)
            ((folder or self.tls_folder) / name).chmod(0o444)

    def reload(self) -> None:
        """Tell nginx by hand."""
        self.made.project.exec("nginx", "nginx", "-c", "/etc/nginx-odoo/nginx.conf", "-s", "reload")

    def in_place(self) -> Pair:
        certificate, key = ((self.tls_folder / name).read_text() for name in ("certificate.pem", "key.pem"))
        return Pair(certificate=certificate, key=SecretStr(key))


@pytest.fixture(scope="module")
def site(
    docker: DockerEngine,
    image: Callable[[str], str],
    prefect_server: None,  # noqa: ARG001 - the server must run
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Secured]:
    """A project that got its certificate when it was made. Each test leaves it with one of its server."""
    folder = tmp_path_factory.mktemp("secured")
    (folder / "authority").mkdir()
    with (
        _described(docker, image, folder) as made,
        acme_network(docker, made.project.name) as network,
        _authority(docker, image, network, folder / "authority", lasts_seconds=_YEAR_SECONDS) as server,
    ):
        secured = Secured(made, server)
        secured.register()
        assert made.provision(dry_run=True).plan.certificate == "there is none"
        try:
            report = made.provision()
            assert [check.detail for check in report.checks if check.outcome == "failed"] == []
            yield secured
        finally:
            if made.project.folder.exists():
                made.project.remove()


@contextmanager
def _described(docker: DockerEngine, image: Callable[[str], str], folder: Path) -> Iterator[Provisioned]:
    """A project that is not there yet; flows find Docker and the secrets."""
    variables = {name: secret_of(name) for name in (*SECRETS.values(), ADMIN, REPOSITORY)}
    images = {name: image(name) for name in ("odoo", "postgres", "nginx", "toolbox", "certbot")}
    (folder / "environments").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**docker.variables, **variables}.items():
            patch.setenv(name, value)
        project = ComposeProject(docker, f"odoo-ops-test-{secrets.token_hex(4)}", folder / "erp")
        yield Provisioned(project, folder / "environments" / "erp.yaml", images, HOST)


def _authority(
    docker: DockerEngine, image: Callable[[str], str], network: str, folder: Path, *, lasts_seconds: int
) -> AbstractContextManager[AcmeServer]:
    return acme_server(docker, image("pebble"), network, folder, domains=DOMAINS, lasts_seconds=lasts_seconds)


def test_new_site_shows_a_certificate_that_its_users_trust_and_a_second_run_plans_nothing(site: Secured) -> None:
    root = site.server.root()
    before, issued = site.shown(), site.server.issued()
    assert before.names == set(DOMAINS)
    assert [site.trusted(root, domain) for domain in DOMAINS] == [before, before]
    assert site.login_page(root).status_code == 200
    report = site.made.provision()
    assert report.plan.empty, report.plan
    assert renew_certificates(site.made.name).headline == "nothing is due"
    assert (site.shown(), site.server.issued()) == (before, issued)


@pytest.mark.long
def test_certificate_that_was_lost_comes_back_without_another_request(site: Secured) -> None:
    before, issued = site.shown(), site.server.issued()
    for file in [*site.tls_folder.iterdir(), site.made.project.folder / "secrets/acme.json"]:
        file.unlink()
    report = site.made.provision()
    assert report.plan.certificate == "there is none"
    assert (site.shown(), site.server.issued()) == (before, issued)
    assert site.made.provision(dry_run=True).plan.empty


@pytest.mark.long
def test_domain_that_leads_nowhere_is_named_and_what_is_shown_stays(site: Secured) -> None:
    before = site.shown()
    site.register(domains=[*DOMAINS, NOWHERE])
    try:
        said = rf"(?s)not convinced of {NOWHERE} \(.*could not resolve.*let the name {NOWHERE} lead to"
        with pytest.raises(VerificationFailed, match=said):
            site.made.provision()
        assert site.shown() == before
        with pytest.raises(VerificationFailed, match=said):
            renew_certificates(site.made.name)
        assert site.shown() == before
    finally:
        site.register()
        site.made.provision()
    assert site.shown() == before


@pytest.mark.long
def test_directory_that_does_not_answer_is_named_and_what_is_shown_stays(site: Secured) -> None:
    before = site.shown()
    acme = {"kind": "acme", "email": "it@example.com", "directory": "https://nobody:14000/dir"}
    site.register(tls=acme)
    try:
        said = r"(?s)from https://nobody:14000/dir: it does not answer.*What nginx shows stays.*certbot said:.*nobody"
        with pytest.raises(VerificationFailed, match=said):
            site.made.provision()
    finally:
        site.register()
        site.made.provision()
    assert site.shown() == before


@pytest.mark.long
def test_directory_whose_own_certificate_is_not_trusted_is_named(site: Secured) -> None:
    site.register(tls={"kind": "acme", "email": "it@example.com", "directory": f"{site.server.directory}?other"})
    try:
        with pytest.raises(VerificationFailed, match=r"(?s)its own certificate is not trusted.*tls.ca_certificate"):
            site.made.provision()
    finally:
        site.register()
        site.made.provision()


def test_certificate_is_renewed_when_it_is_due_and_one_that_ends_soon_is_an_alarm(
    site: Secured, image: Callable[[str], str], tmp_path: Path
) -> None:
    former, engine = site.shown(), site.made.project.engine
    (tmp_path / "brief").mkdir()
    network = f"{site.made.project.name}_outside"
    with _authority(engine, image, network, tmp_path / "brief", lasts_seconds=12) as brief:
        wait_until(brief.finds_nginx, "the new authority finds nginx")
        site.register(brief)
        try:
            with pytest.raises(VerificationFailed, match=rf"Certificate of {HOST}: .* by Pebble"):
                renew_certificates(site.made.name)
            first = site.shown()
            assert first.fingerprint != former.fingerprint
            wait_until(lambda: is_due(first, datetime.now(UTC)), "it is due")
            with pytest.raises(VerificationFailed, match="2 of 3 checks failed"):
                renew_certificates(site.made.name)
            assert site.shown().fingerprint not in {first.fingerprint, former.fingerprint}
            assert brief.issued() == 2
        finally:
            site.register()
            site.made.provision()
    assert site.shown() == former, "certbot kept what the first one gave"


@pytest.mark.long
def test_certificate_that_somebody_replaced_is_named_by_a_dry_run_and_put_back_by_the_next_one(site: Secured) -> None:
    before, kept, issued = site.shown(), site.in_place(), site.server.issued()
    other = local_ca.make_stand_in(DOMAINS, datetime.now(UTC))
    site.place(other)
    with pytest.raises(VerificationFailed, match="nginx does not show the one in the project's folder"):
        renew_certificates(site.made.name, dry_run=True)
    assert (site.in_place(), site.shown()) == (other, before)
    assert renew_certificates(site.made.name).renewed
    assert (site.in_place(), site.shown(), site.server.issued()) == (kept, before, issued)


def test_renewal_that_died_before_nginx_was_told_is_finished_by_the_next_one(site: Secured) -> None:
    before, kept = site.shown(), site.in_place()
    site.place(local_ca.make_stand_in(DOMAINS, datetime.now(UTC)))
    site.reload()
    wait_until(lambda: site.shown() != before, "nginx shows another one")
    site.place(kept)
    record = site.made.project.folder / ".odoo-ops.json"
    dead = {"unfinished": ["secrets/tls/certificate.pem", "secrets/tls/key.pem"]}
    record.write_text(json.dumps(json.loads(record.read_text()) | dead))
    assert renew_certificates(site.made.name).why == "nginx does not show the one in the project's folder"
    assert site.shown() == before
    assert site.made.provision(dry_run=True).plan.empty
    assert renew_certificates(site.made.name).headline == "nothing is due"


@pytest.mark.long
def test_renewal_passes_when_the_run_before_was_killed_while_it_put_files_in_place(
    site: Secured, tmp_path: Path
) -> None:
    before, kept = site.shown(), site.in_place()
    site.place(local_ca.make_stand_in(DOMAINS, datetime.now(UTC)))
    site.reload()
    run = run_flow("renew_certificates", site.made.name, log=tmp_path / "run.log")
    run.wait_until(lambda: site.in_place().certificate == kept.certificate, "the certificate is in its place")
    run.kill()
    site.made.free_limit()
    renew_certificates(site.made.name)
    assert (site.in_place(), site.shown()) == (kept, before)
    site.made.provision()
    assert site.made.provision(dry_run=True).plan.empty


@pytest.mark.long
def test_certificate_of_the_own_authority_is_renewed_when_it_is_due(site: Secured) -> None:
    site.register(tls={"kind": "local_ca"})
    try:
        site.made.provision()
        folder, now = site.made.project.folder / "secrets/authority", datetime.now(UTC)
        key = SecretStr((folder / "key.pem").read_text())
        authority = Pair(certificate=(folder / "certificate.pem").read_text(), key=key)
        site.place(local_ca.make_certificate(authority, DOMAINS, now - timedelta(days=300)))
        report = renew_certificates(site.made.name)
        assert (report.renewed, report.why) == (True, "less than a third of its life is left")
        assert (site.trusted(authority.certificate).ends_at - now).days > 390
        assert renew_certificates(site.made.name).headline == "nothing is due"
    finally:
        site.register()
        site.made.provision()


@pytest.mark.long
def test_given_files_are_taken_over_when_they_are_others(site: Secured, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = local_ca.make_authority("theirs", now)
    site.place(local_ca.make_certificate(authority, DOMAINS, now), tmp_path)
    given = {"certificate": str(tmp_path / "certificate.pem"), "private_key_file": str(tmp_path / "key.pem")}
    site.register(tls={"kind": "files", **given})
    try:
        site.made.provision()
        first = site.trusted(authority.certificate)
        site.place(local_ca.make_certificate(authority, DOMAINS, now), tmp_path)
        report = renew_certificates(site.made.name)
        assert (report.renewed, report.why) == (True, f"{given['certificate']} is another one")
        assert site.trusted(authority.certificate) != first
        shown = site.trusted(authority.certificate)
        (tmp_path / "key.pem").unlink()
        with pytest.raises(VerificationFailed, match=r"key.pem is not there. No other was put in place"):
            renew_certificates(site.made.name)
        assert site.trusted(authority.certificate) == shown
    finally:
        site.register()
        site.made.provision()


def test_renewal_touches_no_other_project_and_takes_production_off_no_record(site: Secured) -> None:
    record = site.made.project.folder / ".odoo-ops.json"
    noted = json.loads(record.read_text())
    dead = {"stage": "production", "unfinished": ["secrets/tls/key.pem"]}
    record.write_text(json.dumps(noted | dead))
    try:
        site.register(database="another")
        with pytest.raises(Refused, match=r"database was 'erp' and is 'another' now.*Nothing was changed"):
            renew_certificates(site.made.name)
        assert json.loads(record.read_text()) == noted | dead
        site.register()
        assert renew_certificates(site.made.name).why == "an earlier run did not come to its end"
        assert json.loads(record.read_text()) == noted | {"stage": "production"}
    finally:
        site.register()
        record.write_text(json.dumps(noted))


def test_page_tells_each_domain_its_issuer_and_its_days(site: Secured) -> None:
    assert renew_certificates(site.made.name).certificates
    key = f"renew-certificates-{site.made.name}"
    with get_client(sync_client=True) as client:
        pages = [str(each.data) for each in read_all_artifacts(client) if each.key == key]
    lines = [rf"\| {domain} \| Pebble Intermediate CA.*\| 364 \| yes \|" for domain in DOMAINS]
    assert any(all(re.search(line, page) for line in lines) for page in pages), pages


def test_certbot_keeps_its_keys_to_itself_and_nobody_is_root(site: Secured) -> None:
    project = site.made.project
    one_off = ("run", "--rm", "--no-TTY", "--no-deps", "--entrypoint=id", "certbot", "-u")
    assert project.compose(*one_off).strip() == "65534"
    key = site.in_place().key.get_secret_value().splitlines()[1]
    with get_client(sync_client=True) as client:
        told = [str(artifact.data) for artifact in read_all_artifacts(client)]
    told += [project.compose("logs"), project.engine.run("inspect", project.container("nginx"))]
    assert not [text for text in told if key in text]
