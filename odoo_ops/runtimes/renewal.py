"""The certificate that nginx of a provisioned project shows: what is there, and how it is renewed."""

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from odoo_ops.adapters import local_ca
from odoo_ops.adapters.shown_certificates import read_shown
from odoo_ops.errors import PreconditionFailed, TransientError
from odoo_ops.model.certificates import ShownCertificate
from odoo_ops.model.provision import Acme, CertificateFiles, ProjectFile
from odoo_ops.model.sockets import TcpAddress
from odoo_ops.policy.certificates import why_new
from odoo_ops.policy.project_fences import refuse_other_project
from odoo_ops.project_files import ACME_AUTHORITY
from odoo_ops.runtimes.certbot import Certbot
from odoo_ops.runtimes.certificates import certificate_files, read_pair
from odoo_ops.runtimes.placed_files import has_unfinished_certificate, put_certificate, write_file
from odoo_ops.runtimes.project import Project

_LOOK_SECONDS = 0.2


def why_certbot(project: Project, now: datetime) -> str:
    """Why certbot must bring another certificate, in words; "": it need not, or it is not certbot's to bring."""
    acme = project.wanted.tls
    return Certbot(project, acme).why_new(now) if isinstance(acme, Acme) else ""


@dataclass(frozen=True)
class Renewal:
    """The certificate of a project that is to have one.

    Raises PreconditionFailed for a project that is not there yet, Refused for another one than the environment file
    describes.
    """

    project: Project

    def __post_init__(self) -> None:
        record = self.project.read_record()
        refuse_other_project(record, self.project.identity, self.project.runtime.folder, ())
        if record is None:
            raise PreconditionFailed(
                f"{self.project.settings.name} is not provisioned yet. Nothing was changed. Next step: run "
                "`provision`, which gets its certificate, too."
            )

    def why(self, now: datetime) -> str:
        """Why something is to be done, in words; "": nothing is."""
        reason = why_certbot(self.project, now) or self._why_other_files(now)
        if not reason and any(shown.facts and not shown.in_place for shown in self.read_shown()):
            return "nginx does not show the one in the project's folder"
        if not reason and has_unfinished_certificate(self.project):
            return "an earlier run did not come to its end"
        return reason

    def renew(self, now: datetime, show: Callable[[str], None]) -> None:
        """Put another certificate in place if one is needed, and let nginx take the one that is there.

        Raises what `Certbot.bring` and `certificate_files` raise: nothing was changed then; PreconditionFailed when
        nginx cannot be told.
        """
        acme = self.project.wanted.tls
        if not isinstance(acme, Acme):
            put_certificate(self.project, self._changed(now))
            return
        for file in self._changed(now):
            if file.path == ACME_AUTHORITY:  # certbot reads it, and may not trust the directory by the former one
                write_file(self.project, file)
        files = Certbot(self.project, acme).bring(now, show) if why_certbot(self.project, now) else ()
        put_certificate(self.project, files)

    def read_shown(self) -> tuple[ShownCertificate, ...]:
        """What nginx shows for each domain."""
        project = self.project
        pair = read_pair(project.machine, project.runtime.folder)
        in_place = local_ca.facts_of(pair.certificate).fingerprint if pair else ""
        return tuple(self._read_one(domain, in_place) for domain in project.wanted.domains)

    def wait_until_shown(self, seconds: float) -> tuple[ShownCertificate, ...]:
        """The same, but for a while nginx may still show the former one: after a reload its old processes go on."""
        deadline, found = time.monotonic() + seconds, self.read_shown()
        while not all(shown.in_place for shown in found) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            found = self.read_shown()
        return found

    def _read_one(self, domain: str, in_place: str) -> ShownCertificate:
        bind = ipaddress.ip_address(self.project.wanted.bind)
        loopback = "::1" if bind.version == 6 else "127.0.0.1"  # noqa: PLR2004 - IP's version
        server = TcpAddress(host=loopback if bind.is_unspecified else str(bind), port=self.project.wanted.https_port)
        try:
            facts = read_shown(self.project.machine, server, domain)
        except TransientError as error:
            return ShownCertificate(domain=domain, said=str(error))
        return ShownCertificate(domain=domain, facts=facts, in_place=facts.fingerprint == in_place)

    def _why_other_files(self, now: datetime) -> str:
        tls = self.project.wanted.tls
        if isinstance(tls, Acme) or not self._changed(now):
            return ""
        if isinstance(tls, CertificateFiles):
            return f"{tls.certificate} is another one"
        pair = read_pair(self.project.machine, self.project.runtime.folder)
        facts = local_ca.facts_of(pair.certificate) if pair else None
        return why_new(facts, self.project.wanted.domains, now) or "the one in place is not of the project's authority"

    def _changed(self, now: datetime) -> tuple[ProjectFile, ...]:
        """Files of a certificate that are to be in the project's folder, and are not."""
        project, folder = self.project, self.project.runtime.folder
        wanted = certificate_files(project.machine, folder, project.settings.name, project.wanted, now)
        return tuple(
            file
            for file in wanted
            if project.machine.call("read_text", path=f"{folder}/{file.path}") != file.content.get_secret_value()
        )
