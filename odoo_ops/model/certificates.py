"""What is known of a certificate, and what was done about it."""

from datetime import datetime

from odoo_ops.model.base import Value
from odoo_ops.model.checks import Check


class CertificateFacts(Value):
    """What a certificate says of itself.

    Attributes:
        names: host names for which it is.
        issuer: who signed it, in words.
        fingerprint: its SHA-256, which tells it from every other.
    """

    names: frozenset[str]
    issuer: str
    starts_at: datetime
    ends_at: datetime
    fingerprint: str


class AcmeRecord(Value):
    """What is noted beside a certificate that came from an ACME directory: which one it is, and from which."""

    directory: str
    fingerprint: str


class ShownCertificate(Value):
    """What nginx shows to who asks for a domain.

    Attributes:
        facts: None where it showed none.
        in_place: whether it is the one in the project's folder.
        said: why there is none, in words.
    """

    domain: str
    facts: CertificateFacts | None = None
    in_place: bool = False
    said: str = ""

    def days_left(self, now: datetime) -> int | None:
        """Whole days until it ends; None where there is none."""
        return (self.facts.ends_at - now).days if self.facts else None


class CertificatesReport(Value):
    """One run of `renew_certificates`.

    Attributes:
        at: when nginx was asked, by the worker's clock.
        why: why a certificate was to be renewed or taken over; empty: there was no reason.
        renewed: whether it was.
    """

    environment: str
    seconds: float
    at: datetime
    why: str
    renewed: bool
    certificates: tuple[ShownCertificate, ...]
    checks: tuple[Check, ...]

    @property
    def headline(self) -> str:
        """The report in a few words."""
        if not self.why:
            return "nothing is due"
        return "renewed" if self.renewed else f"NOT renewed, though {self.why}"
