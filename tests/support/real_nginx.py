"""A real nginx before an Odoo, with TLS, and certificates of an authority of the test's own."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from real_processes import wait_until
from real_sshd import free_port

_CONFIG = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    {server}
}}
"""
_WEBSOCKET = """
        location /websocket {{
            proxy_pass {odoo};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $http_host;
        }}
"""
_SERVER = """
    server {{
        listen {listen} ssl;
        ssl_certificate {folder}/chain.pem;
        ssl_certificate_key {folder}/key.pem;
        proxy_set_header Host $http_host;
        {websocket}
        location / {{ proxy_pass {odoo}; }}
    }}
"""


def server_block(odoo: str, listen: str, folder: str, *, websocket: bool = True) -> str:
    """A site of nginx before an Odoo; its certificate is in a folder. `websocket`: lets those through."""
    passed_on = _WEBSOCKET.format(odoo=odoo) if websocket else ""
    return _SERVER.format(odoo=odoo, listen=listen, folder=folder, websocket=passed_on)


class Authority:
    """Signs certificates for one name."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
        signed = self._signed(self._name, self._key, timedelta(days=400), x509.BasicConstraints(ca=True, path_length=0))
        self.pem = signed.public_bytes(serialization.Encoding.PEM).decode()

    def write(self, folder: Path, name: str, lasts: timedelta) -> None:
        """A certificate for a name, as `chain.pem` and `key.pem`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._signed(subject, key, lasts, x509.SubjectAlternativeName([x509.DNSName(name)]))
        pem = serialization.Encoding.PEM
        plain = (pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / "chain.pem").write_bytes(certificate.public_bytes(pem))
        (folder / "key.pem").write_bytes(key.private_bytes(*plain))

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lasts: timedelta, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=30)).not_valid_after(now + lasts)
        return builder.add_extension(extension, critical=False).sign(self._key, hashes.SHA256())


@dataclass
class RealNginx:
    """One that runs; `url` is where it answers."""

    program: Path
    folder: Path
    odoo: str
    port: int
    authority: Authority

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def set_up(self, *, lasts: timedelta = timedelta(days=90), websocket: bool = True, name: str = "localhost") -> None:
        """Write its certificate and configuration."""
        self.authority.write(self.folder, name, lasts)
        server = server_block(self.odoo, f"127.0.0.1:{self.port}", str(self.folder), websocket=websocket)
        user = "user root;" if os.geteuid() == 0 else ""  # its folder is the test's alone
        (self.folder / "nginx.conf").write_text(_CONFIG.format(server=server, user=user))

    @contextmanager
    def running(self) -> Iterator[None]:
        """It runs as long as the block lasts."""
        argv = [self.program, "-p", self.folder, "-c", "nginx.conf", "-e", "error.log"]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        try:
            wait_until(self._answers, (self.folder / "error.log").read_text, 20)
            yield
        finally:
            process.terminate()
            process.wait(20)

    @classmethod
    def before(cls, odoo: str, program: Path, folder: Path) -> "RealNginx":
        made = cls(program, folder, odoo, free_port(), Authority())
        made.set_up()
        return made

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False
