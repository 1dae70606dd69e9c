"""An Odoo in a compose project that somebody made by hand is adopted, and backed up by the file that came out."""

import json
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from compose_project import ComposeProject
from prefect.artifacts import Artifact
from real_processes import wait_until
from real_sshd import RealSshd
from typer.testing import CliRunner

from blocks import OdooHost
from deployments.cli import app
from deployments.engines.docker import DockerEngine
from deployments.registration import register
from flows.adopt import adopt
from flows.backup import backup
from odoo_ops.errors import CommandFailed, PreconditionFailed
from odoo_ops.model.host import Host

pytestmark = [pytest.mark.docker, pytest.mark.restic, pytest.mark.odoo]

CANARY = "canary-of-the-role"
COMPOSE = """\
services:
  db:
    image: {postgres}
    environment: {{POSTGRES_USER: odoo, POSTGRES_PASSWORD: {canary}, POSTGRES_DB: postgres}}
    command: [postgres, -c, fsync=off]
    volumes: ["pg:/var/lib/postgresql/data"]
    restart: unless-stopped
  web:
    image: {odoo}
    command: [odoo, --db-filter=^shop$]
    environment: {{HOST: db, USER: odoo, PASSWORD: {canary}}}
    volumes: ["web-data:/var/lib/odoo", "./config:/etc/odoo:ro", "./addons:/mnt/extra-addons:ro"]
    depends_on: [db]
volumes: {{pg: , web-data: }}
"""
CONF = """\
[options]
addons_path = /mnt/extra-addons
data_dir = /var/lib/odoo
admin_passwd = admin
db_user = odoo
db_password = canary-of-the-role
max_cron_threads = 0
"""


@dataclass(frozen=True)
class HandMade(ComposeProject):
    """A project with a running Odoo whose database is `shop`, and `other` a copy of it."""

    def psql(self, sql: str, database: str = "postgres") -> str:
        words = ("psql", "--username=odoo", f"--dbname={database}", "--tuples-only", "--no-align", "--command")
        return self.exec("db", *words, sql)

    def start_web(self) -> None:
        """Bring Odoo to what the compose file says, and wait until it has read its file and answers."""
        self.compose("up", "--detach", "web")
        ask = "from urllib.request import urlopen; urlopen('http://127.0.0.1:8069/web/health')"
        wait_until(lambda: _does(self, "web", "python3", "-c", ask), "Odoo answers", 120)

    def state(self) -> dict[str, object]:
        """All that an adoption might change."""
        ids = self.compose("ps", "--all", "--quiet").split()
        containers = json.loads(self.engine.run("inspect", *sorted(ids)))
        listed = self.exec("web", "find", "/var/lib/odoo", "/etc/odoo", "-printf", r"%p %s %T@ %m\n")
        dumps = [self.exec("db", "pg_dump", "--username=odoo", "--inserts", name) for name in ("shop", "other")]
        return {
            "containers": [(one["Id"], one["State"]["StartedAt"], one["RestartCount"]) for one in containers],
            "files": sorted(listed.splitlines()),
            "rows": [[line for line in dump.splitlines() if "restrict" not in line] for dump in dumps],
            "folder": sorted((str(path), path.stat().st_mtime_ns) for path in self.folder.rglob("*")),
            "volumes": self.engine.run("volume", "ls", "--quiet", f"--filter=name={self.name}"),
        }


@pytest.fixture(scope="module")
def made(
    docker: DockerEngine,
    image: Callable[[str], str],
    prefect_server: None,  # noqa: ARG001 - the server must run
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[HandMade]:
    folder = tmp_path_factory.mktemp("handmade")
    text = COMPOSE.format(postgres=image("postgres"), odoo=image("odoo"), canary=CANARY)
    (folder / "docker-compose.yml").write_text(text)
    for name in ("config", "addons"):
        (folder / name).mkdir()
    (folder / "config" / "odoo.conf").write_text(CONF)
    with pytest.MonkeyPatch.context() as patch, HandMade.made(docker, folder) as project:
        for name, value in docker.variables.items():
            patch.setenv(name, value)
        project.compose("up", "--detach", "db")
        psql = ("psql", "--host=127.0.0.1", "--username=odoo", "--dbname=postgres", "--command=SELECT 1")
        wait_until(lambda: _does(project, "db", *psql), "PostgreSQL answers", 60)
        project.run("web", "odoo", "--database=shop", "--init=base", "--stop-after-init", "--no-http")
        project.psql("CREATE DATABASE other TEMPLATE shop")
        project.start_web()
        OdooHost(settings=Host(name="here")).save(f"{project.name}-host", overwrite=True)
        yield project


def _does(project: HandMade, service: str, *words: str) -> bool:
    try:
        project.exec(service, *words)
    except CommandFailed:
        return False
    return True


def test_hand_made_project_is_adopted_unchanged_and_backed_up_by_the_file(
    made: HandMade,
    image: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    host, before = f"{made.name}-host", made.state()
    report = adopt(host, project=made.name)
    assert made.state() == before
    page = Artifact.get(f"adopt-{made.name}")
    assert page is not None
    assert report.file in str(page.data)
    assert CANARY not in report.model_dump_json() + str(page.data) + caplog.text
    seen = " ".join(hazard.what for hazard in report.hazards)
    for words in (
        "(`list_db`)",
        "(`admin_passwd`)",
        "odoo is a superuser",
        "The logs of web, db grow",
        "starts web again",
    ):
        assert words in seen
    assert "without a name" not in seen
    assert "Odoo serves" not in seen, "it has a filter"
    assert report.toolbox

    (made.folder / "compose.override.yaml").write_text(report.toolbox.replace("odoo-ops-toolbox:17", image("toolbox")))
    (tmp_path / "hosts.yaml").write_text(f"hosts:\n  {host}:\n")
    (tmp_path / "adopted.yaml").write_text(report.file)
    beginning = f"ODOO_OPS_{made.name.upper().replace('-', '_')}"
    for secret, value in (("ODOO", CANARY), ("RESTIC", "restic-password")):
        assert f"{beginning}_{secret}_PASSWORD" in report.file
        monkeypatch.setenv(f"{beginning}_{secret}_PASSWORD", value)
    checked = CliRunner().invoke(app, ["environments", "check", str(tmp_path)])
    assert checked.exit_code == 0, checked.output
    register(tmp_path)
    backed_up = backup(made.name)
    assert backed_up.damaged_total == 0
    assert backed_up.files > 0
    assert made.state()["containers"] == before["containers"]
    assert any((made.folder / "backups").iterdir())


def test_command_writes_a_file_that_passes_the_check_and_replaces_none(
    made: HandMade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "shop.yaml"
    words = [
        "environments",
        "adopt",
        "--project",
        made.name,
        "--database",
        "other",
        "--name",
        "shop",
        "--to",
        str(file),
    ]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "! Odoo's database manager is on" in done.output
    for secret in ("ODOO", "RESTIC"):
        monkeypatch.setenv(f"ODOO_OPS_SHOP_{secret}_PASSWORD", "long-enough")
    checked = CliRunner().invoke(app, ["environments", "check", str(tmp_path)])
    assert checked.exit_code == 0, checked.output
    written = file.read_text()
    assert CANARY not in written + done.output
    again = CliRunner().invoke(app, words)
    assert (again.exit_code, file.read_text()) == (2, written)
    assert "was not replaced. Next step: " in again.output


@pytest.mark.sshd
def test_project_on_a_machine_by_ssh_gives_the_same_file(
    made: HandMade, sshd_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    host = f"{made.name}-host"
    here = adopt(host, project=made.name)
    with RealSshd.run(sshd_program, tmp_path_factory.mktemp("sshd"), made.engine.variables) as sshd:
        far = Host(name="far", connection=sshd.connection(), python=sys.executable)
        OdooHost(settings=far).save(host, overwrite=True)
        try:
            assert adopt(host, project=made.name).file == here.file
        finally:
            OdooHost(settings=Host(name="here")).save(host, overwrite=True)


@pytest.mark.parametrize(
    ("wanted", "variables", "message"),
    [
        ({"project": "no-such-project"}, {}, "has no compose project 'no-such-project'. It has: .*{name}"),
        ({"database": "nowhere"}, {}, "There is no database 'nowhere' of Odoo's. Odoo's databases: other, shop"),
        ({}, {"DOCKER_HOST": "unix:///run/no-docker.sock"}, "Docker does not run"),
        ({}, {"DOCKER_CONFIG": "/var/empty"}, "Compose plugin is missing or too old"),
    ],
)
def test_adopt_says_what_is_wrong_and_the_next_step(
    made: HandMade,
    monkeypatch: pytest.MonkeyPatch,
    wanted: dict[str, str],
    variables: dict[str, str],
    message: str,
) -> None:
    with monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with pytest.raises(PreconditionFailed, match=message.format(name=made.name) + ".*Next step: "):
            adopt(**{"host": f"{made.name}-host", "project": made.name, **wanted})


def test_database_must_be_chosen_where_odoo_serves_several(made: HandMade) -> None:
    conf = made.folder / "docker-compose.yml"
    text = conf.read_text()
    conf.write_text(text.replace(", --db-filter=^shop$", ""))
    made.start_web()
    try:
        with pytest.raises(PreconditionFailed, match="is not known. Odoo's databases: other, shop. .*Next step: name"):
            adopt(f"{made.name}-host", project=made.name)
        report = adopt(f"{made.name}-host", project=made.name, database="shop")
        assert any(hazard.what.startswith("Odoo serves 2 databases (other, shop)") for hazard in report.hazards)
    finally:
        conf.write_text(text)
        made.start_web()


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("canary of a file that is none", 0o644, "/etc/odoo/odoo.conf on here is not a configuration file"),
        (CONF, 0o600, "/etc/odoo/odoo.conf cannot be read on here: .*Permission denied"),
    ],
)
def test_configuration_that_cannot_be_read_is_named_and_not_repeated(
    made: HandMade, text: str, mode: int, message: str
) -> None:
    conf = made.folder / "config" / "odoo.conf"
    conf.write_text(text)
    conf.chmod(mode)
    try:
        with pytest.raises(PreconditionFailed, match=f"{message}.*Next step: ") as caught:
            adopt(f"{made.name}-host", project=made.name)
    finally:
        conf.write_text(CONF)
        conf.chmod(0o644)
    assert "canary" not in str(caught.value)


def test_project_without_an_odoo_is_said_with_its_services(
    docker: DockerEngine, image: Callable[[str], str], made: HandMade, tmp_path: Path
) -> None:
    compose = {"services": {"shop": {"image": image("nginx"), "network_mode": "none", "command": ["sleep", "600"]}}}
    (tmp_path / "compose.yaml").write_text(json.dumps(compose))
    project = ComposeProject(docker, f"odoo-ops-test-{secrets.token_hex(4)}", tmp_path)
    project.compose("up", "--detach")
    try:
        with pytest.raises(PreconditionFailed, match="No Odoo was found in .*with a container: shop.*Next step: "):
            adopt(f"{made.name}-host", project=project.name)
    finally:
        project.remove()
