"""Real servers that hold backups, on loopback: S3 (moto's), restic's rest-server, and SFTP by OpenSSH."""

import base64
import hashlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import boto3
from real_processes import wait_until
from real_sshd import RealSshd, free_port

from odoo_ops.model.repository import RestLocation, S3Keys, S3Location, SftpLocation

_REST_PASSWORD = "rest-password"
_EVERYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


@contextmanager
def _served(argv: list[str], port: int, log: Path, environment: dict[str, str] | None = None) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: _answers(port), log.read_text, 60)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with suppress(OSError):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
        except urllib.error.HTTPError:
            return True
        return True
    return False


@dataclass(frozen=True)
class S3Server:
    """moto's server: it speaks S3 and asks for keys. It cannot show how a real one behaves under load."""

    port: int
    keys: S3Keys
    bucket: str

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def location(self, **changes: object) -> S3Location:
        fields = {"endpoint": self.endpoint, "bucket": self.bucket, "prefix": "odoo", "region": "us-east-1"}
        return S3Location.model_validate(fields | changes)

    @classmethod
    @contextmanager
    def run(cls, folder: Path) -> Iterator["S3Server"]:
        port = free_port()
        argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with _served(argv, port, folder / "s3.log"):
            users = client(port, "iam")
            users.create_user(UserName="backup")
            users.put_user_policy(UserName="backup", PolicyName="all", PolicyDocument=_EVERYTHING)
            made = users.create_access_key(UserName="backup")["AccessKey"]
            keys = S3Keys(access_key_id=made["AccessKeyId"], secret_access_key=made["SecretAccessKey"])
            client(port, "s3", keys).create_bucket(Bucket="backups")
            ask = urllib.request.Request(
                f"http://127.0.0.1:{port}/moto-api/reset-auth",
                data=b"0",
                headers={"Content-Type": "application/octet-stream"},
            )
            urllib.request.urlopen(ask).close()  # noqa: S310 - from now on it looks at keys
            yield cls(port, keys, "backups")


@dataclass(frozen=True)
class RestServer:
    """restic's own rest-server."""

    port: int
    folder: Path
    password: str

    def location(self) -> RestLocation:
        url = f"http://127.0.0.1:{self.port}/odoo"
        return RestLocation.model_validate({"url": url, "user": "backup", "password": self.password})

    @classmethod
    @contextmanager
    def run(
        cls, program: Path, folder: Path, password: str = _REST_PASSWORD, *, append_only: bool = True
    ) -> Iterator["RestServer"]:
        port = free_port()
        server = cls(port, folder / "rest", password)
        server.folder.mkdir()
        digest = base64.b64encode(hashlib.sha1(server.password.encode(), usedforsecurity=False).digest()).decode()
        (server.folder / ".htpasswd").write_text(f"backup:{{SHA}}{digest}\n")
        argv = [str(program), "--path", str(server.folder), "--listen", f"127.0.0.1:{port}"]
        argv += ["--append-only"] if append_only else []
        with _served(argv, port, folder / "rest.log"):
            yield server


def sftp_location(sshd: RealSshd, folder: Path) -> SftpLocation:
    """A folder by a running SSH server."""
    connection = sshd.connection()
    return SftpLocation(
        address=connection.address,
        port=connection.port,
        user=connection.user,
        path=str(folder),
        private_key=connection.private_key,
        known_hosts=connection.known_hosts,
    )


def client(port: int, service: str, keys: S3Keys | None = None):  # noqa: ANN201 - boto3 makes its classes at run time
    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id=keys.access_key_id if keys else "none",
        aws_secret_access_key=keys.secret_access_key.get_secret_value() if keys else "none",
    )
