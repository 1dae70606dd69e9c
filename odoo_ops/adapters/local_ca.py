"""Certificates: what they say, and those of an authority of an environment's own; by `cryptography` (Paramiko's)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import SecretStr

from odoo_ops.model.base import Value
from odoo_ops.model.certificates import CertificateFacts

_AUTHORITY_DAYS, _CERTIFICATE_DAYS = 3650, 397  # browsers refuse server certificates of more than 398 days
_STAND_IN_DAYS, _STAND_IN_FOR = 7, "stand-in for a certificate"
_CLOCKS_DIFFER = timedelta(hours=1)


class LockedKey(ValueError):
    """A private key that opens with a passphrase only."""


class Pair(Value):
    """A certificate (PEM, with the chain behind it) and its private key (PEM)."""

    certificate: str
    key: SecretStr


def facts_of(certificate: str | bytes) -> CertificateFacts:
    """What the first certificate of a PEM text says, or one in DER. Raises ValueError for anything else."""
    if isinstance(certificate, str):
        found = x509.load_pem_x509_certificate(certificate.encode())
    else:
        found = x509.load_der_x509_certificate(certificate)
    fields = (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    issuer = [str(name.value) for field in fields for name in found.issuer.get_attributes_for_oid(field)]
    return CertificateFacts(
        names=frozenset(_names(found)),
        issuer=" ".join(issuer) or found.issuer.rfc4514_string(),
        starts_at=found.not_valid_before_utc,
        ends_at=found.not_valid_after_utc,
        fingerprint=found.fingerprint(hashes.SHA256()).hex(),
    )


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from error
    return set(found.value.get_values_for_type(x509.DNSName))


def belongs_to(certificate: str, key: SecretStr) -> bool:
    """Whether a private key is that of a certificate.

    Raises ValueError for texts that are neither, or of a kind that is not supported, LockedKey for a key with a
    passphrase.
    """
    private = _private_key(key)
    plain = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        public = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    return private.public_key().public_bytes(*plain) == public.public_bytes(*plain)


def _private_key(key: SecretStr) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(key.get_secret_value().encode(), password=None)
    except TypeError as error:  # how cryptography says that a passphrase is needed
        raise LockedKey(str(error)) from error
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error


def is_signed_by(certificate: str, authority: str) -> bool:
    """Whether the first certificate of a PEM text is that authority's. Raises ValueError for other texts."""
    signed, by = (x509.load_pem_x509_certificate(text.encode()) for text in (certificate, authority))
    try:
        signed.verify_directly_issued_by(by)
    except (InvalidSignature, ValueError, TypeError):  # TypeError: a key of a kind that signs nothing
        return False
    return True


def _authority_of(name: str) -> str:
    return f"odoo-ops authority of {name}"


def make_authority(name: str, now: datetime) -> Pair:
    """A new authority, for ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_named(_authority_of(name)), _named(_authority_of(name)), now, _AUTHORITY_DAYS)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def make_stand_in(domains: Sequence[str], now: datetime) -> Pair:
    """A certificate for a week that nobody trusts: with it a server can start, and get a real one."""
    authority = make_authority(_STAND_IN_FOR, now)
    return make_certificate(authority, domains, now, days=_STAND_IN_DAYS)


def is_stand_in(facts: CertificateFacts) -> bool:
    """Whether a certificate is such a one."""
    return facts.issuer == _authority_of(_STAND_IN_FOR)


def make_certificate(authority: Pair, domains: Sequence[str], now: datetime, *, days: int = _CERTIFICATE_DAYS) -> Pair:
    """A new certificate of an authority for host names, by default for thirteen months.

    Raises ValueError for an authority whose key is not of the kind that `make_authority` makes.
    """
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    signer = _private_key(authority.key)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is not an elliptic curve's")  # noqa: TRY004 - of a file, not of a caller
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_named(domains[0]), issuer.subject, now, days)
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in domains]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    made = _pair(builder.sign(signer, hashes.SHA256()), key)
    return made.model_copy(update={"certificate": made.certificate + authority.certificate})


def _builder(subject: x509.Name, issuer: x509.Name, now: datetime, days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=days))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(
        certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(), key=SecretStr(private.decode())
    )
