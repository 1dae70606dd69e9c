"""A real Odoo that serves people, and addons on a real git server that are released to it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from addons_repository import SHELF, AddonsServer, put_on_record
from psycopg import sql
from real_sshd import RealSshd
from served_odoo import serve

from blocks import OdooEnvironment
from flows.release import release
from flows.restart import restart
from odoo_ops.errors import PermanentError, VerificationFailed
from odoo_ops.model.addons import ReleasePolicy
from odoo_ops.model.checks import failures
from odoo_ops.model.release_reports import ReleaseReport

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any


@dataclass
class Shop:
    """An Odoo that serves people, and a repository of addons on a git server, from which it can be released."""

    site: Site
    addons: AddonsServer
    link: Path

    def page(self, path: str = "/shelf") -> str:
        return httpx.get(f"{self.site.settings.odoo.url}{path}", timeout=60, trust_env=False).text

    def release(self, *, dry_run: bool = False, refs: dict[str, str] | None = None) -> ReleaseReport:
        """Each check must pass: a release with a failed one ends as `ReleasedUnwell`, which raises nothing."""
        report = release(self.site.name, dry_run=dry_run, refs=refs)
        assert failures(list(report.checks)) == []
        return report

    def opens(self) -> None:
        """Release what is on the server, install `shelf` by hand, and serve people by it; nothing is kept."""
        put_on_record(self.site.name)
        self.release()
        self.installs("shelf")
        restart(self.site.name)
        self.drop_kept()

    def takes_from(self, other: AddonsServer, link: Path) -> None:
        """Name a second repository of addons from the next start on; nothing of it is released yet."""
        config, policy = self.site.folder / "odoo.conf", self.site.settings.release
        config.write_text(config.read_text().replace(f"= {self.link}\n", f"= {self.link},{link}\n"))
        addons = (*policy.addons, other.repository(link))
        self.site.register(release=policy.model_copy(update={"addons": addons}))

    def runs_actions(self) -> None:
        """Let Odoo run scheduled actions from its next start on."""
        config = self.site.folder / "odoo.conf"
        config.write_text(config.read_text().replace("max_cron_threads = 0", "max_cron_threads = 1"))

    def sql(self, statement: str, database: str | None = None) -> list[tuple[Any, ...]]:
        with self.site.admin(database or self.site.settings.database.name) as connection:
            found = connection.execute(statement)
            return found.fetchall() if found.description else []

    def installs(self, module: str) -> None:
        """As an operator does by hand; then click-odoo-update puts on record which files are installed."""
        self.initialises(module)
        self._click_odoo_update()

    def initialises(self, modules: str) -> None:
        """Without putting anything on record."""
        self._odoo(*self.site.settings.odoo.command, f"--init={modules}", "--stop-after-init", "--no-http")

    def modules_by_click_odoo_update(self) -> list[str]:
        """Those that click-odoo-update itself would update."""
        return self._click_odoo_update("--list-only").split()

    def _click_odoo_update(self, *options: str) -> str:
        # as its console script does, whose first line names the folder in which the engine was made
        code = "from click_odoo_contrib.update import main; main()"
        return self._odoo(str(self._engine / "venv/bin/python"), "-c", code, *options)

    def updates_all(self, database: str) -> None:
        """As a script does it, in another database."""
        self._odoo(
            *self.site.settings.odoo.command, "--update=all", "--stop-after-init", "--no-http", database=database
        )

    def _odoo(self, *words: str, database: str = "") -> str:
        config = self.site.folder / "by-hand.conf"
        lines = (self.site.folder / "odoo.conf").read_text().splitlines(keepends=True)
        config.write_text("".join(line for line in lines if not line.startswith("pidfile")))  # it is the server's
        done = subprocess.run(
            [*words, f"--config={config}", f"--database={database or self.database}"],
            env={**os.environ, "PYTHONPATH": str(self._engine / "debian/usr/lib/python3/dist-packages"), "TZ": "UTC"},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    @property
    def _engine(self) -> Path:
        return Path(self.site.settings.odoo.command[0]).resolve().parents[1]

    def drop_kept(self) -> None:
        """Drop what releases kept, so that a test sees what is made anew."""
        with self.site.admin() as connection:
            for name in self.site.made_databases():
                words = sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name))
                connection.execute(words)
                connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))

    @property
    def repository(self) -> str:
        """What a forge would call it."""
        return self.addons.repository(self.link).full_name

    @property
    def database(self) -> str:
        return self.site.settings.database.name

    def process(self) -> str:
        """Number of the Odoo that serves people."""
        return (self.site.folder / "odoo.pid").read_text()

    def leftovers(self) -> list[str]:
        """What a run left, but for the sessions of the Odoo that serves people."""
        return [line for line in self.site.leftovers() if not line.startswith("session odoo-")]

    def fails(self, files: dict[str, str], match: str, error: type[PermanentError] = VerificationFailed) -> None:
        """A release of these files must fail, and leave everything as it was."""
        content, page, leads = self.site.content(), self.page(), self.link.readlink()
        self.addons.push(files)
        with pytest.raises(error, match=match):
            self.release()
        assert self.page() == page
        assert self.link.readlink() == leads
        assert self.site.content() == content
        assert self.leftovers() == []
        assert self.site.made_databases() == []

    @classmethod
    @contextmanager
    def run(cls, site: Site, sshd: RealSshd, folder: Path) -> Iterator["Shop"]:
        """Started, with the first edition of the module `shelf` on the server; it is not released yet."""
        addons = AddonsServer.make(sshd, folder)
        addons.push(SHELF)
        with cls.served(site, addons, folder / "host" / "ours") as shop:
            yield shop

    @classmethod
    @contextmanager
    def served(cls, site: Site, addons: AddonsServer, link: Path) -> Iterator["Shop"]:
        """Started, with nothing released of a repository of addons."""
        if os.environ.get("ODOO_BIN"):
            pytest.skip("beside the Odoo that ODOO_BIN names there may be no click-odoo-contrib")
        serve(site, link)
        policy = ReleasePolicy(
            addons=(addons.repository(link),), downtime_budget_seconds=600, smoke_paths=("/web/login",)
        )
        site.register(release=policy)
        try:
            yield cls(site, addons, link)
        finally:
            OdooEnvironment.open(site.name).odoo.stop()
