"""A real SSH server of a test's own on this machine."""

import contextlib
import getpass
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from real_processes import wait_until

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.model.host import Host, SshConnection


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


def public_part(path: Path) -> str:
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        return connection.recv(4) == b"SSH-"
    return False


@dataclass(frozen=True)
class RealSshd:
    """A running server, and what a worker needs to reach it. What it runs carries `mark` in its environment."""

    folder: Path
    port: int
    known_hosts: str
    private_key: str
    mark: str

    def connection(self, **changes: object) -> SshConnection:
        fields: dict[str, object] = {
            "address": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "private_key": self.private_key,
            "known_hosts": self.known_hosts,
            "connect_timeout_seconds": 10,
        }
        return SshConnection.model_validate(fields | changes)

    def adapter(self, **changes: object) -> HostAdapter:
        return HostAdapter(Host(name="far", connection=self.connection(**changes), python=sys.executable))

    @classmethod
    @contextlib.contextmanager
    def run(
        cls, program: Path, folder: Path, variables: Mapping[str, str] | None = None, before: Sequence[str] = ()
    ) -> Iterator["RealSshd"]:
        """A server in a folder; `variables` are set for all that it runs, `before` stands before its command."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(parents=True, exist_ok=True)
        host_key, user_key, port = make_key(folder / "host"), make_key(folder / "user"), free_port()
        for kind in ("rsa", "ecdsa"):
            make_key(folder / kind, kind)
        keys = [public_part(folder / name) for name in ("user", "rsa", "ecdsa")]
        mark = f"TEST_SSHD_OF_ODOO_OPS={port}"
        set_too = [f"{name}={value}" for name, value in (variables or {}).items()]
        (folder / "authorized_keys").write_text("\n".join(keys) + "\n")
        (folder / "config").write_text(
            f"ListenAddress 127.0.0.1\nHostKey {host_key}\nAuthorizedKeysFile {folder}/authorized_keys\n"
            f"PidFile {folder}/pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxSessions 3\nPrintMotd no\n"
            f"SetEnv {' '.join([mark, *set_too])}\nSubsystem sftp internal-sftp\n"
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*before, program, "-D", "-e", "-f", folder / "config", "-p", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(lambda: _answers(port), (folder / "log").read_text)
            yield cls(folder, port, f"[127.0.0.1]:{port} {public_part(host_key)}\n", user_key.read_text(), mark)
        finally:
            process.terminate()
            process.wait(10)

    def cut_connections(self) -> None:
        """End the server's side of every open connection, as a network that goes away does; the server stays."""
        parents = {}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, StopIteration):
                status = process.joinpath("status").read_text().splitlines()
                if process.joinpath("cmdline").read_bytes().startswith(b"sshd:"):
                    parents[process.name] = next(line.split()[1] for line in status if line.startswith("PPid:"))
        server = (self.folder / "pid").read_text().strip()
        for process, parent in parents.items():
            if server in (parent, parents.get(parent)):  # that of a connection has one of its user beside it
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), 9)
