"""A real Odoo 19 behind a real nginx: each layer is broken on purpose, and `health` names it; then it is mended."""

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prefect.artifacts import Artifact
from real_nginx import RealNginx
from real_sshd import RealSshd
from served_odoo import serve

from blocks import OdooEnvironment
from flows.health import health
from odoo_ops.adapters.database import Connection
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.adapters.odoo_health import read_database_health
from odoo_ops.adapters.odoo_site import open_site
from odoo_ops.errors import VerificationFailed
from odoo_ops.model.health import DatabaseHealth, HealthFacts, HealthPolicy, NewestFiles
from odoo_ops.model.host import Host
from odoo_ops.policy import layers
from odoo_ops.runtimes.health import read_health

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_UTC = "now() AT TIME ZONE 'UTC'"
_MAIL = f"""
WITH message AS (INSERT INTO mail_message (message_type) VALUES ('email') RETURNING id)
INSERT INTO mail_mail (mail_message_id, state, create_date, write_date)
SELECT id, '{{state}}', {_UTC} - interval '3 hours', {_UTC} FROM message;
"""
# the columns of the module that are read; no archive has it for Odoo 19
_JOB = f"""
CREATE TABLE queue_job (state text, eta timestamp, date_created timestamp, date_started timestamp);
GRANT SELECT ON queue_job TO PUBLIC;
INSERT INTO queue_job (state, eta, date_created) VALUES
    ('pending', {_UTC} + interval '1 day', {_UTC} - interval '9 hours'),
    ('enqueued', NULL, {_UTC} - interval '2 hours'), ('done', NULL, {_UTC} - interval '8 hours');
"""


@dataclass
class Served:
    """An Odoo that runs behind an nginx."""

    site: Site
    nginx: RealNginx

    @contextmanager
    def sql(self, fault: str, remedy: str) -> Iterator[None]:
        with self.site.connect() as connection:
            connection.execute(fault)
            yield
            connection.execute(remedy)

    @contextmanager
    def filestore_lost(self) -> Iterator[None]:
        folder = Path(self.site.settings.filestore)
        lost = folder.rename(folder.with_suffix(".lost"))
        try:
            yield
        finally:
            shutil.copytree(lost, folder, dirs_exist_ok=True)  # Odoo has made new files meanwhile
            shutil.rmtree(lost)

    @contextmanager
    def table_locked(self) -> Iterator[None]:
        with self.site.connect() as connection, connection.transaction():
            connection.execute("LOCK TABLE mail_mail")
            yield

    @contextmanager
    def odoo_stopped(self) -> Iterator[None]:
        odoo = OdooEnvironment.open(self.site.name).odoo
        odoo.stop()
        yield
        odoo.start()
        with open_site(OdooEnvironment.open(self.site.name).host, self.site.settings.odoo.url) as site:
            site.wait_for_login_page(self.site.settings.database.name, 120, lambda: None)

    @contextmanager
    def odoo_hanging(self) -> Iterator[None]:
        pid = int((self.site.folder / "odoo.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        yield
        os.kill(pid, signal.SIGCONT)

    @contextmanager
    def nginx_as(
        self, *, lasts: timedelta = timedelta(days=90), websocket: bool = True, name: str = "localhost"
    ) -> Iterator[None]:
        self.nginx.set_up(lasts=lasts, websocket=websocket, name=name)
        yield
        self.nginx.set_up()

    @contextmanager
    def assets_lost(self) -> Iterator[None]:
        """What the login page is made of; the rest of the filestore is there."""
        bundles = "SELECT DISTINCT store_fname FROM ir_attachment WHERE url LIKE '/web/assets/%' AND store_fname <> ''"
        with self.site.connect() as connection:
            files = [self.site.filestore / name for (name,) in connection.execute(bundles)]
        for file in files:
            file.rename(file.with_suffix(".lost"))
        yield
        for file in files:
            file.with_suffix(".lost").rename(file)

    @contextmanager
    def described_as(self, **changes: object) -> Iterator[None]:
        former = {field: getattr(self.site.settings, field) for field in changes}
        self.site.register(**changes)
        yield
        self.site.register(**former)

    def authority_unknown(self) -> AbstractContextManager[None]:
        return self.described_as(odoo=self.site.settings.odoo.model_copy(update={"public_ca": None}))


Fault = Callable[[Served], AbstractContextManager[None]]
FAULTS: dict[str, tuple[Fault, str, str]] = {
    "a module waits": (
        lambda served: served.sql(
            "UPDATE ir_module_module SET state = 'to upgrade' WHERE name = 'mail'",
            "UPDATE ir_module_module SET state = 'installed' WHERE name = 'mail'",
        ),
        layers.MODULES,
        "module mail waits to be changed",
    ),
    "the filestore is lost": (
        Served.filestore_lost,
        layers.FILES,
        "/filestore/.+/[0-9a-f]{2}/[0-9a-f]{40} is lost",
    ),
    "a table is gone": (
        lambda served: served.sql("ALTER TABLE res_users RENAME TO lost", "ALTER TABLE lost RENAME TO res_users"),
        layers.LOGIN_PAGE,
        "status 500 on /web/login. Next step: read Odoo's log",
    ),
    "the registry cannot be looked up": (
        lambda served: served.sql(
            "ALTER TABLE orm_signaling_registry RENAME TO lost", "ALTER TABLE lost RENAME TO orm_signaling_registry"
        ),
        layers.REGISTRY,
        "has no registry of the database '.+': it has no such database there, or could not load it. Next step: ",
    ),
    "scripts and styles are lost": (Served.assets_lost, layers.ASSETS, "/web/assets/.+: status 500, "),
    "Odoo hangs": (Served.odoo_hanging, layers.REGISTRY, "has no registry of the database '.+': ReadTimeout"),
    "an action is late": (
        lambda served: served.sql(
            f"UPDATE ir_cron SET nextcall = {_UTC} - interval '2 hours' WHERE cron_name LIKE 'Mail: Email Queue%'",
            f"UPDATE ir_cron SET nextcall = {_UTC} + interval '1 day'",
        ),
        layers.CRONS,
        r"Mail: Email Queue Manager is 2 h 0 min late; none ever ran",
    ),
    "an action that was asked for is late": (
        lambda served: served.sql(
            f"INSERT INTO ir_cron_trigger (cron_id, call_at) SELECT min(id), {_UTC} - interval '1 hour' FROM ir_cron"
            " WHERE active",
            "DELETE FROM ir_cron_trigger",
        ),
        layers.CRONS,
        "is 1 h 0 min late",
    ),
    "an action fails": (
        lambda served: served.sql(
            "UPDATE ir_cron SET failure_count = 3 WHERE cron_name LIKE 'Base: Auto-vacuum%'",
            "UPDATE ir_cron SET failure_count = 0",
        ),
        layers.CRONS,
        "Base: Auto-vacuum internal data fails again and again",
    ),
    "a mail is stuck": (
        lambda served: served.sql(_MAIL.format(state="outgoing"), "DELETE FROM mail_mail"),
        layers.MAILS,
        "1 wait, the oldest for 3 h 0 min",
    ),
    "mails fail": (
        lambda served: served.sql(_MAIL.format(state="exception") * 6, "DELETE FROM mail_mail"),
        layers.MAILS,
        "6 failed in the last 24 hours",
    ),
    "a job waits": (
        lambda served: served.sql(_JOB, "DROP TABLE queue_job"),
        layers.JOBS,
        "2 wait, the oldest for 2 h 0 min",
    ),
    "too little of a disk is free": (
        lambda served: served.described_as(health=HealthPolicy(free_percent=99)),
        layers.DISKS,
        r"/.+: \d+ % free \(",
    ),
    "nginx passes no websocket on": (
        lambda served: served.nginx_as(websocket=False),
        layers.WEBSOCKET,
        "/websocket is not upgraded: status 400 instead of 101",
    ),
    "the certificate ends soon": (
        lambda served: served.nginx_as(lasts=timedelta(days=5, hours=1)),
        layers.CERTIFICATE,
        "5 days left, until ",
    ),
    "the certificate has ended": (
        lambda served: served.nginx_as(lasts=timedelta(hours=-1)),
        layers.CERTIFICATE,
        "is refused: certificate has expired. Next step: ",
    ),
    "the certificate is another's": (
        lambda served: served.nginx_as(name="example.com"),
        layers.CERTIFICATE,
        "is refused: Hostname mismatch, certificate is not valid for 'localhost'. Next step: ",
    ),
    "nobody knows who signed the certificate": (
        Served.authority_unknown,
        layers.CERTIFICATE,
        "is refused: unable to get local issuer certificate. Next step: ",
    ),
    "a table is another's": (
        lambda served: served.sql(
            "CREATE TABLE queue_job AS SELECT '' AS state, now() AS eta, now() AS date_created, now() AS date_started",
            "DROP TABLE queue_job",
        ),
        layers.POSTGRES,
        "cannot be read: .*permission denied for table queue_job.* Next step: see that pristine_mailer owns",
    ),
    "a table is locked": (Served.table_locked, layers.POSTGRES, "gave no answer within 10s: "),
    "Odoo is stopped": (Served.odoo_stopped, layers.SERVICES, "Odoo's service does not run"),
}


@pytest.fixture
def served(mail_site: Site, nginx_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Its scheduled actions are not due."""
    with mail_site.connect() as connection:
        connection.execute(f"UPDATE ir_cron SET nextcall = {_UTC} + interval '1 day'")
    serve(mail_site)
    runtime = OdooEnvironment.open(mail_site.name)
    try:
        nginx = RealNginx.before(mail_site.settings.odoo.url, nginx_program, tmp_path_factory.mktemp("nginx"))
        public = {"public_url": nginx.url, "public_ca": nginx.authority.pem}
        mail_site.register(odoo=mail_site.settings.odoo.model_copy(update=public))
        with open_site(runtime.host, mail_site.settings.odoo.url) as odoo:
            odoo.wait_for_login_page(mail_site.settings.database.name, 120, lambda: None)
        yield Served(mail_site, nginx)
    finally:
        runtime.odoo.stop()


def _well(name: str) -> None:
    """All layers pass but the one that is not there."""
    outcomes = {check.name: check.outcome for check in health(name).checks}
    missing = {layers.JOBS, layers.POOLER}
    assert outcomes == {layer: "not measured" if layer in missing else "passed" for layer in layers.LAYERS}


@pytest.mark.odoo
@pytest.mark.sshd
def test_health_names_the_layer_when_each_is_broken_in_turn(
    served: Served, sshd_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = served.site.name
    with served.nginx.running():
        _well(name)
        with RealSshd.run(sshd_program, tmp_path_factory.mktemp("sshd")) as sshd:
            served.site.register_host(connection=sshd.connection(), python=sys.executable)
            _well(name)
            served.site.register_host(connection=Host(name="here").connection)
    for fault, (broken, layer, found) in FAULTS.items():
        with broken(served), served.nginx.running(), pytest.raises(VerificationFailed) as raised:
            health(name)
        message = str(raised.value)
        assert f"the lowest layer that failed: {layer}. " in message, fault
        assert re.search(f"^  {re.escape(layer)}: .*{found}", message, re.MULTILINE), (fault, message)
        assert "Next step: " in message, fault
    assert "/websocket is not upgraded: status 502 instead of 101" in message, "nginx lets through what Odoo answers"
    with pytest.raises(VerificationFailed, match=f"{layers.WEBSOCKET}: Nobody answers at https://localhost:"):
        health(name)
    page = Artifact.get(f"health-{name}")
    assert page is not None
    assert f"The lowest layer that failed is **{layers.WEBSOCKET}**" in str(page.data)
    with served.nginx.running():
        _well(name)


@pytest.mark.odoo
def test_files_of_the_newest_attachments_are_missing_only_while_these_are_there(
    odoo_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked for in vain are the file of one that was lost, and of one that was deleted after its name was read."""
    with odoo_site.connect() as connection:
        connection.execute("ALTER TABLE ir_attachment ALTER type SET DEFAULT 'binary'")
    lost, deleted = odoo_site.attach(b"lost"), odoo_site.attach(b"deleted")
    lost.unlink()

    def read(connection: Connection, newest_files: int) -> DatabaseHealth:
        found = read_database_health(connection, newest_files)
        with odoo_site.connect() as other:
            other.execute("DELETE FROM ir_attachment WHERE store_fname LIKE %s", [f"%{deleted.name}"])
        deleted.unlink(missing_ok=True)
        return found

    monkeypatch.setattr("odoo_ops.runtimes.health.read_database_health", read)
    facts = read_health(OdooEnvironment.open(odoo_site.name), datetime.now(UTC))
    assert isinstance(facts, HealthFacts)
    assert isinstance(facts.files, NewestFiles)
    assert facts.files.missing == (str(lost),)


def test_health_blames_postgresql_alone_when_it_is_stopped(site_on_own_cluster: Site) -> None:
    site = site_on_own_cluster
    with pytest.raises(VerificationFailed, match=f"(?s)the lowest layer that failed: {layers.POSTGRES}.*holds no Odoo"):
        health(site.name)
    site.cluster.stop()
    with pytest.raises(VerificationFailed) as raised:
        health(site.name)
    failed = re.findall(r"^  (.*?): ", str(raised.value), re.MULTILINE)
    assert failed == [layers.POSTGRES, layers.REGISTRY], "no Odoo runs there"


def test_health_says_so_when_the_host_does_not_answer(site: Site, tmp_path: Path) -> None:
    site.register_host(python=str(tmp_path / "python3"))
    with pytest.raises(VerificationFailed, match=f"1 of {len(layers.LAYERS)} checks failed:\n  {layers.HOST}: "):
        health(site.name)


@pytest.mark.parametrize(("purpose", "alarm"), [("restore", False), ("backup", True)])
def test_health_is_no_alarm_only_while_a_run_is_at_work_that_stops_odoo(site: Site, purpose: str, alarm: bool) -> None:
    state, content = Path(site.settings.state_dir), site.content()
    state.mkdir()
    here = HostAdapter(Host(name="here"))
    with here.lock(f"{state}/lock", holder="flow run calm-owl", purpose=purpose, now=datetime.now(UTC)):
        if alarm:
            with pytest.raises(VerificationFailed):
                health(site.name)
        else:
            assert str(health(site.name).at_work).startswith("restore (flow run calm-owl, since 20")
    page = Artifact.get(f"health-{site.name}")
    assert page is not None
    assert (f"# {site.name}: NOT well" in str(page.data)) == alarm
    assert site.content() == content
