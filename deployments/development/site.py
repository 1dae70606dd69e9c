"""The whole of an Odoo for development, in one folder. Nothing is done twice: what is other is made anew.

venv/        its Python packages
postgres/    its PostgreSQL: a cluster of its own
data/        attachments and sessions
odoo.conf, odoo.log, bin/odoo, database-password
"""

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from psycopg import sql

from deployments.demo.databases import create_empty, ensure_role, superuser
from deployments.demo.site import write_private
from deployments.development.description import Development
from deployments.development.odoo_source import OdooSource, find_source
from deployments.development.server import OdooServer
from deployments.development.virtual_environment import ensure_environment, fit_python
from deployments.engines.cluster import PostgresCluster
from deployments.engines.folder import alone
from deployments.engines.ports import is_free
from deployments.engines.postgres_programs import require_programs
from odoo_ops.adapters.cluster import database_exists
from odoo_ops.errors import PreconditionFailed
from odoo_ops.render import render

# made first, it tells a folder that was made here
_LOCK = ".lock"
_ROLE = "odoo"


@dataclass(frozen=True)
class Site:
    """An Odoo for development.

    Attributes:
        wanted: what is described.
        show: is told, in words, what is done.
    """

    wanted: Development
    show: Callable[[str], None]

    @cached_property
    def server(self) -> OdooServer:
        """Its Odoo."""
        return OdooServer(self.wanted.folder, self.wanted.http_port)

    @cached_property
    def cluster(self) -> PostgresCluster:
        """Its PostgreSQL."""
        return PostgresCluster(self.wanted.folder / "postgres", self.wanted.database_port)

    def start(self) -> None:
        """Make what is missing, start what does not run, and wait until Odoo's login page answers.

        Raises:
            PreconditionFailed: something is not as it must be; nothing was changed.
            CommandFailed: a program said no: the installer of packages, PostgreSQL or Odoo.
            TransientError: Odoo does not answer.
        """
        source = find_source(self.wanted.odoo)
        version = fit_python(self.wanted.python, source)
        self._check()
        with alone(self.wanted.folder / _LOCK):
            files = (*source.requirements, *self.wanted.requirements)
            venv = self.wanted.folder / "venv"
            changed = ensure_environment(venv, self.wanted.python, version, files, self.show)
            self._start_postgres()
            changed = self.server.write(self._configuration(source), source.folder) or changed
            if changed and self.server.stop():
                self.show("Odoo was stopped: its packages or its configuration changed")
            self._ensure_database()
            if self.server.pid():
                self.server.wait([])
            else:
                self.show("Starting Odoo")
                self.server.start()

    def stop(self) -> None:
        """Stop Odoo, then its PostgreSQL. What does not run is none the worse for it."""
        if self.wanted.folder.is_dir():
            with alone(self.wanted.folder / _LOCK):
                self.server.stop()
                self.cluster.stop()

    def _check(self) -> None:
        """Raise PreconditionFailed, with all reasons at once, for what would fail later."""
        wanted = self.wanted
        require_programs()
        reasons = [f"{file} is no file (`requirements`)" for file in wanted.requirements if not file.is_file()]
        reasons += [f"{folder} is no folder (`addons`)" for folder in wanted.addons if not folder.is_dir()]
        if wanted.folder.is_dir() and any(wanted.folder.iterdir()) and not (wanted.folder / _LOCK).is_file():
            reasons.append(f"{wanted.folder} holds what was not made here (`folder`)")
        taken = {} if self.server.pid() else {"http_port": wanted.http_port}
        if wanted.database_port and not self.cluster.is_running():
            taken["database_port"] = wanted.database_port
        reasons += [
            f"something listens on port {taken[name]} already (`{name}`)" for name in taken if not is_free(taken[name])
        ]
        if reasons:
            raise PreconditionFailed(
                f"{'; '.join(reasons)}. Nothing was changed. Next step: correct the description, or mend that."
            )

    def _start_postgres(self) -> None:
        if not self.cluster.is_running():
            self.show("Starting PostgreSQL")
        self.cluster.start()
        with superuser(self.cluster) as connection:
            ensure_role(connection, _ROLE, self._password)

    @cached_property
    def _password(self) -> str:
        file = self.wanted.folder / "database-password"
        if not file.is_file():
            write_private(file, secrets.token_urlsafe(24))
        return file.read_text()

    def _configuration(self, source: OdooSource) -> str:
        return render(
            "odoo/development.conf",
            database_port=self.cluster.port,
            role=_ROLE,
            password=self._password,
            database=self.wanted.database,
            data_dir=self.wanted.folder / "data",
            addons=[str(folder) for folder in (*source.addons, *self.wanted.addons)],
            http_port=self.wanted.http_port,
            series=source.series,
            demo_data=self.wanted.demo_data,
        )

    def _keep_aside(self, filestore: Path) -> None:
        """The attachments of a database that somebody dropped, perhaps to load it again."""
        if filestore.is_dir():
            aside = filestore.with_name(f"{filestore.name}-{datetime.now(UTC):%Y%m%d%H%M%S}")
            filestore.rename(aside)
            self.show(f"The database is gone; its attachments are kept in {aside}")

    def _ensure_database(self) -> None:
        """Let Odoo fill a new database beside its place, and rename it into it when it is whole."""
        name = self.wanted.database
        scratch = f"{name}-unfinished"
        with superuser(self.cluster) as connection:
            if database_exists(connection, name):
                return
            self.show(f"Odoo fills the new database {name}; that takes a minute")
            filestores = self.wanted.folder / "data" / "filestore"
            shutil.rmtree(filestores / scratch, ignore_errors=True)
            self._keep_aside(filestores / name)
            create_empty(self.cluster, connection, scratch, _ROLE)
            words = (f"--database={scratch}", f"--init={','.join(self.wanted.modules)}", "--stop-after-init")
            self.server.run(*words, "--no-http", "--max-cron-threads=0")
            if (filestores / scratch).is_dir():
                (filestores / scratch).rename(filestores / name)
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(scratch), sql.Identifier(name)))
