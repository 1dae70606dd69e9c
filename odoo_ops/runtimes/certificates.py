"""The certificate of a compose project: somebody else's, put in place; or one of the project's own authority.

That of an ACME directory is there already, or a stand-in takes its place until `Certbot` brings it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import SecretStr, ValidationError

from odoo_ops.adapters import local_ca
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.adapters.local_ca import Pair
from odoo_ops.errors import Refused
from odoo_ops.model.certificates import AcmeRecord, CertificateFacts
from odoo_ops.model.provision import Acme, CertificateFiles, LocalCa, NoTls, ProjectFile, Provisioning
from odoo_ops.policy.certificates import why_new
from odoo_ops.project_files import ACME_AUTHORITY, SECRET_MODE, SECRETS_FOLDER, TLS_CERTIFICATE, TLS_KEY

AUTHORITY = "secrets/authority/certificate.pem"
AUTHORITY_KEY = "secrets/authority/key.pem"
# beside the certificate in place: from which directory it came. A stand-in, and one of somebody else, have none
ACME_RECORD = f"{SECRETS_FOLDER}/acme.json"
_OWN_MODE = 0o600
# an authority is made anew so long before it ends: browsers must be told to trust it
_RENEWED_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class FittingFiles:
    """A certificate's files of a project.

    Attributes:
        files: what belongs into its folder.
        unfit: why what was given is not among them, in words: the pair in place stays; empty: it is.
    """

    files: tuple[ProjectFile, ...]
    unfit: str = ""


def fitting_files(machine: HostAdapter, folder: str, name: str, wanted: Provisioning, now: datetime) -> FittingFiles:
    """The same as `certificate_files`, but where given ones do not fit, those that were given before stay in place.

    A certificate ends some day, and that day must keep nobody from what does not change it, such as a rollback.
    Raises Refused where nothing is in place, or what is there came from elsewhere or is not for all domains: nginx
    would show a wrong one.
    """
    try:
        return FittingFiles(certificate_files(machine, folder, name, wanted, now))
    except Refused as error:
        pair = read_pair(machine, folder) if isinstance(wanted.tls, CertificateFiles) else None
        if pair and _was_given(machine, folder, pair) and not _lacking(wanted, local_ca.facts_of(pair.certificate)):
            return FittingFiles(pair_files(pair), unfit=str(error))
        raise


def _was_given(machine: HostAdapter, folder: str, pair: Pair) -> bool:
    """Whether a pair in place is somebody else's: no stand-in, not of an ACME directory or the project's authority."""
    facts, record = local_ca.facts_of(pair.certificate), read_acme_record(machine, folder)
    authority = _read(machine, folder, AUTHORITY, AUTHORITY_KEY)
    own = authority is not None and local_ca.is_signed_by(pair.certificate, authority.certificate)
    return not (own or local_ca.is_stand_in(facts) or (record and record.fingerprint == facts.fingerprint))


def certificate_files(
    machine: HostAdapter, folder: str, name: str, wanted: Provisioning, now: datetime
) -> tuple[ProjectFile, ...]:
    """What belongs into the project's folder; what is there and still good is left as it is.

    Raises Refused for certificate files that are missing, no certificate and key, over, or for other names.
    """
    match wanted.tls:
        case NoTls():
            return ()
        case CertificateFiles() as given:
            pair = _given(machine, given, wanted, now)
            return pair_files(pair)
        case LocalCa():
            return _of_authority(machine, folder, name, wanted, now)
        case Acme() as acme:
            pair = read_pair(machine, folder) or local_ca.make_stand_in(wanted.domains, now)
            return (*_trusted_by_certbot(machine, acme), *pair_files(pair))


def pair_files(pair: Pair) -> tuple[ProjectFile, ...]:
    """What nginx reads."""
    return (secret_file(TLS_CERTIFICATE, pair.certificate), secret_file(TLS_KEY, pair.key.get_secret_value()))


def _trusted_by_certbot(machine: HostAdapter, acme: Acme) -> tuple[ProjectFile, ...]:
    if acme.ca_certificate is None:
        return ()
    text = machine.call("read_text", path=acme.ca_certificate)
    if text is None:
        raise _unfit(machine, f"{acme.ca_certificate} is not there")
    try:
        local_ca.facts_of(text)
    except ValueError as error:
        raise _unfit(machine, f"{acme.ca_certificate} is no certificate in PEM ({error})") from None
    return (ProjectFile(path=ACME_AUTHORITY, content=SecretStr(text), mode=0o644),)


def _given(machine: HostAdapter, given: CertificateFiles, wanted: Provisioning, now: datetime) -> Pair:
    places = (given.certificate, given.private_key_file)
    certificate, key = (machine.call("read_text", path=path) for path in places)
    if certificate is None or key is None:
        missing = [path for path, text in zip(places, (certificate, key), strict=True) if text is None]
        raise _unfit(machine, f"{' and '.join(missing)} is not there")
    pair = Pair(certificate=certificate, key=SecretStr(key))
    try:
        if not local_ca.belongs_to(pair.certificate, pair.key):
            raise _unfit(machine, f"{given.private_key_file} is not the key of {given.certificate}")
        facts = local_ca.facts_of(certificate)
    except local_ca.LockedKey:
        raise _locked(machine, given.private_key_file) from None
    except ValueError as error:
        raise _unfit(machine, f"{' and '.join(places)} are no certificate and key in PEM ({error})") from None
    if facts.ends_at <= now:
        raise _unfit(machine, f"{given.certificate} ended {(now - facts.ends_at).days} days ago")
    if lacking := _lacking(wanted, facts):
        raise _unfit(machine, f"{given.certificate} is not for {', '.join(lacking)}")
    return pair


def _lacking(wanted: Provisioning, facts: CertificateFacts) -> list[str]:
    """Those domains for which a certificate is not."""
    return [domain for domain in wanted.domains if not _covered(domain, facts.names)]


def _covered(domain: str, names: frozenset[str]) -> bool:
    return domain in names or f"*.{domain.partition('.')[2]}" in names


def _unfit(machine: HostAdapter, problem: str) -> Refused:
    return Refused(
        f"The certificate does not fit: on {machine.name} {problem}. No other was put in place. "
        "Next step: put the right files there, or correct `provision.tls` in the environment file."
    )


def _locked(machine: HostAdapter, path: str) -> Refused:
    return Refused(
        f"The certificate does not fit: on {machine.name} the private key {path} is encrypted, and nobody is there "
        "when nginx starts who could type its passphrase. No other was put in place. Next step: write it without one, "
        f"`(umask 077; openssl pkey -in {path} -out {path}.plain)`, which makes a file of mode 0600, and name that in "
        "`provision.tls.private_key_file`."
    )


def _of_authority(
    machine: HostAdapter, folder: str, name: str, wanted: Provisioning, now: datetime
) -> tuple[ProjectFile, ...]:
    authority = _read(machine, folder, AUTHORITY, AUTHORITY_KEY)
    if authority is None or local_ca.facts_of(authority.certificate).ends_at - now < _RENEWED_BEFORE:
        authority = local_ca.make_authority(name, now)
    pair = read_pair(machine, folder)
    if pair is None or not _is_good(pair, authority, wanted, now):
        try:
            pair = local_ca.make_certificate(authority, wanted.domains, now)
        except ValueError as error:
            raise _unfit(machine, f"{folder}/{AUTHORITY_KEY} signs nothing: {error}") from None
    return (
        secret_file(AUTHORITY, authority.certificate),
        secret_file(AUTHORITY_KEY, authority.key.get_secret_value(), mode=_OWN_MODE),
        *pair_files(pair),
    )


def read_acme_record(machine: HostAdapter, folder: str) -> AcmeRecord | None:
    """From which ACME directory a project's certificate came. None also for a text that somebody edited."""
    text = machine.call("read_text", path=f"{folder}/{ACME_RECORD}")
    try:
        return AcmeRecord.model_validate_json(text) if text else None
    except ValidationError:
        return None


def read_pair(machine: HostAdapter, folder: str) -> Pair | None:
    """The certificate and its key that are in place in a project's folder."""
    return _read(machine, folder, TLS_CERTIFICATE, TLS_KEY)


def _read(machine: HostAdapter, folder: str, certificate: str, key: str) -> Pair | None:
    """A certificate and its key, if both are there and belong together: a text that somebody edited is none."""
    texts = [machine.call("read_text", path=f"{folder}/{path}") for path in (certificate, key)]
    return None if None in texts else complete_pair(texts[0], texts[1])


def complete_pair(certificate: str, key: str) -> Pair | None:
    """A certificate and its key, if they are that."""
    pair = Pair(certificate=certificate, key=SecretStr(key))
    try:
        return pair if local_ca.belongs_to(pair.certificate, pair.key) else None
    except ValueError:
        return None


def _is_good(pair: Pair, authority: Pair, wanted: Provisioning, now: datetime) -> bool:
    signed = local_ca.is_signed_by(pair.certificate, authority.certificate)
    return signed and not why_new(local_ca.facts_of(pair.certificate), wanted.domains, now)


def secret_file(path: str, text: str, *, mode: int = SECRET_MODE) -> ProjectFile:
    """A file of the project that is shown to nobody."""
    return ProjectFile(path=path, content=SecretStr(text), mode=mode, secret=True)
