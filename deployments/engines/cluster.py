"""A private PostgreSQL cluster in a folder: made once, started and stopped as one likes.

The folder holds `data/` (with `server.log` in it), `superuser-password` and `port`. The server listens on
127.0.0.1 alone, has no Unix socket (whose path may be too long in a deep folder) and wants a password from
everybody. Root may use it too: see `server_account`.
"""

import os
import secrets
import shlex
import shutil
import time
from pathlib import Path

from psycopg.conninfo import make_conninfo

from deployments.engines.folder import alone
from deployments.engines.ports import free_port
from deployments.engines.postgres_programs import require_programs
from deployments.engines.postmaster import record_file, recorded_postmaster
from deployments.engines.process import run
from deployments.engines.server_account import ServerAccount, account_of, new_account
from odoo_ops.errors import CommandFailed, PreconditionFailed

_HOST = "127.0.0.1"
_ORPHANS = "pre-existing shared memory block"
_ORPHANS_SECONDS = 30
_RETRY_SECONDS = 0.5
_UNSAFE_AND_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresCluster:
    """One cluster.

    Args:
        directory: its folder; made by the first `start`.
        port: the port to listen on; None: the one used before, at first a free one.
        fast: for tests: what a power failure would destroy is not written through to the disk.
        programs: folder of PostgreSQL's programs; None: those of this machine.
    """

    def __init__(
        self, directory: Path, port: int | None = None, *, fast: bool = False, programs: Path | None = None
    ) -> None:
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.log = self.data / "server.log"
        self._wanted_port = port
        self._fast = fast
        self._programs = programs

    @property
    def port(self) -> int:
        """The port it listens on when it runs. Raises PreconditionFailed before the first start."""
        return int(self._recorded("port"))

    @property
    def superuser_password(self) -> str:
        """The password of the role `postgres`. Raises PreconditionFailed before the first start."""
        return self._recorded("superuser-password")

    @property
    def conninfo(self) -> str:
        """What libpq needs to connect as superuser, password included: not for logs."""
        return make_conninfo(
            host=_HOST, port=self.port, user="postgres", password=self.superuser_password, dbname="postgres"
        )

    @property
    def programs(self) -> Path:
        """The folder of the PostgreSQL programs of this cluster's version."""
        if self._programs:
            return self._programs
        version = self.data / "PG_VERSION"
        return require_programs(version.read_text().strip() if version.is_file() else None)

    def is_running(self) -> bool:
        """Whether the process that the cluster recorded is alive and serves this cluster."""
        postmaster = recorded_postmaster(self.data)
        return postmaster is not None and postmaster.serves()

    def start(self) -> None:
        """Make the cluster if need be and start it; nothing to do if it runs.

        Raises:
            PreconditionFailed: a program or an account is missing, or it runs on another port than wanted.
            CommandFailed: PostgreSQL said no, for instance because the port is taken.
        """
        with alone(self.directory / ".lock"):
            if not self.data.exists():
                self._create()
            if self.is_running():
                self._check_port()
                return
            self._settle_port()
            self._launch()

    def stop(self) -> None:
        """Stop the server, ending its sessions; nothing to do if it does not run.

        Raises:
            CommandFailed: it did not stop.
        """
        if self.is_running():
            self._control("stop", "-m", "fast")

    def _create(self) -> None:
        account, partial = new_account(), self.directory / "data.partial"
        password = self.directory / "superuser-password"
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(mode=0o700)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        account.own(partial)
        account.own(password)
        options = ["--username=postgres", f"--pwfile={password}", "--auth=scram-sha-256", "--data-checksums"]
        options += ["--encoding=UTF8", "--locale=C.UTF-8", *(["--no-sync"] if self._fast else [])]
        self._run_as(account, partial, "initdb", *options, "--pgdata", str(partial))
        partial.rename(self.data)

    def _launch(self) -> None:
        recorded = recorded_postmaster(self.data)
        if recorded and recorded.exists():  # after a reboot, another program has its number
            record_file(self.data).unlink()
        give_up = time.monotonic() + _ORPHANS_SECONDS
        while not self._started():
            if time.monotonic() > give_up:
                raise PreconditionFailed(
                    f"Sessions of the killed server in {self.data} still run after {_ORPHANS_SECONDS} s. "
                    "Next step: wait for their statements to end, then start again."
                )
            time.sleep(_RETRY_SECONDS)

    def _started(self) -> bool:
        """Start the server; False while sessions of a killed one live: they end with their statement."""
        options = shlex.join(self._server_options())
        try:
            self._control("start", "-l", str(self.log), "-o", options)
        except CommandFailed as error:
            said = "\n".join(self.log.read_text().splitlines()[-5:]) if self.log.is_file() else error.output
            if _ORPHANS in said:
                return False
            hint = f"read {self.log}; if another program has the port, remove {self.directory / 'port'}"
            raise CommandFailed(error.command, error.exit_status, said, where=error.where, hint=hint) from error
        return True

    def _server_options(self) -> list[str]:
        settings = {
            "listen_addresses": _HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            **(_UNSAFE_AND_FAST if self._fast else {}),
        }
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _control(self, action: str, *options: str) -> None:
        words = [action, "--pgdata", str(self.data), "--wait", "--timeout=300", "--silent", *options]
        self._run_as(account_of(self.data), self.data, "pg_ctl", *words)

    def _run_as(self, account: ServerAccount, folder: Path, program: str, *words: str) -> None:
        run(
            [*account.prefix(folder), self.programs / program, *words],
            working_directory=Path("/"),
            environment={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        )

    def _check_port(self) -> None:
        if self._wanted_port not in (None, self.port):
            raise PreconditionFailed(
                f"The cluster in {self.directory} runs on port {self.port}, not {self._wanted_port}. "
                "Next step: stop it, then start it with the port you want."
            )

    def _settle_port(self) -> None:
        file = self.directory / "port"
        if self._wanted_port is not None or not file.is_file():
            file.write_text(str(self._wanted_port or free_port()))

    def _recorded(self, name: str) -> str:
        file = self.directory / name
        if not file.is_file():
            raise PreconditionFailed(f"{file} is missing. Next step: start the cluster; that makes it.")
        return file.read_text()
