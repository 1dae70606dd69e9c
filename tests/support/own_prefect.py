"""A Prefect server of a test's own, to be killed and started again on the same port and the same data."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prefect.settings import PREFECT_API_URL, temporary_settings
from real_processes import wait_until
from real_sshd import free_port

_LEASES = "prefect.server.concurrency.lease_storage.filesystem"  # as docs/start.md asks for


class PrefectServer:
    """`prefect server start` with a SQLite of its own, or on another database by its URL."""

    def __init__(self, folder: Path, database: str = "") -> None:
        self.folder, self._port = folder, free_port()
        self._database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database} if database else {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api"

    def start(self) -> None:
        """Start it and wait until it answers."""
        argv = [sys.executable, "-m", "prefect", "server", "start", "--host=127.0.0.1", f"--port={self._port}"]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*argv, "--no-ui"],
                env={
                    **os.environ,
                    "PREFECT_HOME": str(self.folder),
                    "PREFECT_API_URL": self.url,
                    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": _LEASES,
                    **self._database,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self.answers, (self.folder / "server.log").read_text, 120)

    def answers(self) -> bool:
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/health", timeout=2).close()
            return True
        return False

    def kill(self) -> None:
        """SIGKILL for it and all that it started."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @classmethod
    @contextmanager
    def run(cls, folder: Path, database: str = "") -> Iterator["PrefectServer"]:
        """Started, and what is done in the block is done with it; ended at its end."""
        server = cls(folder, database)
        try:
            server.start()
            with temporary_settings({PREFECT_API_URL: server.url}):
                yield server
        finally:
            server.kill()
