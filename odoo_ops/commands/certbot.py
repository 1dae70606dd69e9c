"""Commands of certbot, in a one-off container of its service."""

import hashlib
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from odoo_ops.commands.provision import run_once
from odoo_ops.model.command import Command
from odoo_ops.model.provision import Acme
from odoo_ops.model.runtimes import ComposeProject

SERVICE = "certbot"
# both are in volumes, where every image has a folder in which everybody may write: certbot is not root
CHALLENGES = "/var/tmp"  # noqa: S108
_STATE = "/tmp/acme"  # noqa: S108

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
_DIGEST_CHARACTERS = 8


def request_certificate(project: ComposeProject, acme: Acme, domains: Sequence[str]) -> Command:
    """Get a certificate for domains, with a new key, also where certbot would find that an earlier one will do."""
    options = (
        "--non-interactive",
        "--agree-tos",
        "--no-eff-email",
        f"--email={acme.email}",
        f"--server={acme.directory}",
        "--webroot",
        f"--webroot-path={CHALLENGES}",
        f"--cert-name={_kept_name(acme)}",
        "--renew-with-new-domains",
        "--force-renewal",
        "--no-directory-hooks",
        f"--config-dir={_STATE}",
        f"--work-dir={_STATE}/work",
        f"--logs-dir={_STATE}/logs",
        "--max-log-backups=10",
    )
    return run_once(project, SERVICE, "certonly", *options, *(f"--domain={domain}" for domain in domains))


def print_kept(project: ComposeProject, acme: Acme) -> Command:
    """Print what certbot got last from a directory: certificate, chain and private key (PEM), or nothing."""
    folder = f"{_STATE}/live/{_kept_name(acme)}"
    script = f"cd {folder} 2>/dev/null && cat fullchain.pem privkey.pem || true"
    return run_once(project, SERVICE, "-c", script, entrypoint="sh")


def parse_kept(output: str) -> tuple[str, str] | None:
    """Certificate with its chain, and private key; None where there is none."""
    blocks = [(block[1], f"{block[0]}\n") for block in _PEM.finditer(output)]
    certificate = "".join(text for kind, text in blocks if kind == "CERTIFICATE")
    key = "".join(text for kind, text in blocks if kind.endswith("PRIVATE KEY"))
    return (certificate, key) if certificate and key else None


def _kept_name(acme: Acme) -> str:
    """Under which certbot keeps what it got from a directory: what another one gave is no earlier version of it."""
    digest = hashlib.sha256(acme.directory.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{urlsplit(acme.directory).hostname}-{digest}"
