"""The certificate of an ACME directory: whether another one is needed, and how certbot brings it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from odoo_ops.adapters import local_ca
from odoo_ops.adapters.local_ca import Pair
from odoo_ops.commands import certbot
from odoo_ops.errors import CommandFailed, PreconditionFailed, VerificationFailed
from odoo_ops.model.certificates import AcmeRecord
from odoo_ops.model.provision import Acme, ProjectFile
from odoo_ops.policy.certificates import why_certbot_failed, why_new
from odoo_ops.runtimes.certificates import (
    ACME_RECORD,
    complete_pair,
    pair_files,
    read_acme_record,
    read_pair,
    secret_file,
)
from odoo_ops.runtimes.project import Project

_SECONDS = 900


@dataclass(frozen=True)
class Certbot:
    """Certbot in its container of a project that is provisioned."""

    project: Project
    acme: Acme

    def why_new(self, now: datetime) -> str:
        """Why another certificate is needed than the one in place, in words; "": it is not."""
        folder, wanted = self.project.runtime.folder, self.project.wanted
        pair = read_pair(self.project.machine, folder)
        if pair is None:
            return why_new(None, wanted.domains, now)
        facts = local_ca.facts_of(pair.certificate)
        if read_acme_record(self.project.machine, folder) != self._record(facts.fingerprint):
            return f"the one in place is not from {self.acme.directory}"
        return why_new(facts, wanted.domains, now)

    def bring(self, now: datetime, show: Callable[[str], None]) -> tuple[ProjectFile, ...]:
        """A certificate, as files of the project: what certbot keeps if that will do, else a new one.

        So a run that died before it put it in place has not asked in vain: authorities count requests.

        Args:
            now: decides whether what certbot keeps is due.
            show: is told what certbot says.

        Raises:
            PreconditionFailed: none could be had; says why, in certbot's words too. Nothing was changed.
            VerificationFailed: certbot says that it got one, and keeps none.
        """
        kept = self._read_kept()
        if kept is None or why_new(local_ca.facts_of(kept.certificate), self.project.wanted.domains, now):
            self._request(show)
            kept = self._read_kept()
        if kept is None:
            raise VerificationFailed(
                f"certbot got a certificate from {self.acme.directory}, and keeps none with its key. What nginx shows "
                f"stays. Next step: look into the volume {self.project.runtime.project}_acme."
            )
        record = self._record(local_ca.facts_of(kept.certificate).fingerprint)
        return (*pair_files(kept), secret_file(ACME_RECORD, record.model_dump_json()))

    def _record(self, fingerprint: str) -> AcmeRecord:
        return AcmeRecord(directory=self.acme.directory, fingerprint=fingerprint)

    def _read_kept(self) -> Pair | None:
        command = certbot.print_kept(self.project.runtime, self.acme)
        found = certbot.parse_kept(self.project.run(command, "Reading what certbot keeps"))
        if found is None:
            return None
        return complete_pair(found[0], found[1])

    def _request(self, show: Callable[[str], None]) -> None:
        said: list[str] = []

        def note(_stream: str, line: str) -> None:
            said.append(line)
            show(line)

        wanted, machine = self.project.wanted, self.project.machine
        command = certbot.request_certificate(self.project.runtime, self.acme, wanted.domains)
        try:
            machine.run(command, on_line=note, timeout_seconds=_SECONDS)
        except CommandFailed as error:
            message = why_certbot_failed(
                "\n".join(said),
                directory=self.acme.directory,
                domains=wanted.domains,
                host=machine.name,
                port=wanted.http_port,
                project=self.project.runtime.project,
            )
            raise PreconditionFailed(message) from error
