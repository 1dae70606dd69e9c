"""The project of a rendered staging runs: confined, healthy, served by nginx, and without a way out."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import httpx
import pytest
import yaml
from compose_project import ComposeProject
from provisioned import NEW_DATABASE, ODOO_PASSWORD, POSTGRES_PASSWORD, described, files_of, write
from real_processes import wait_until

from deployments.engines.docker import DockerEngine
from deployments.engines.ports import free_port
from deployments.engines.process import run
from deployments.registration import register
from flows.backup import backup
from flows.restore import restore
from odoo_ops.commands.compose import list_networks, list_ways_out, read_odoo_user
from odoo_ops.errors import CommandFailed
from odoo_ops.model.provision import ProjectFile

pytestmark = [pytest.mark.docker, pytest.mark.odoo, pytest.mark.restic]

HOST = "erp-staging.example.com"
SERVICES = ("db", "nginx", "odoo", "odoo-cron")
RELOAD = ("nginx", "-c", "/etc/nginx-odoo/nginx.conf", "-s", "reload")


def _secret(name: str) -> dict[str, str]:
    return {"from_env": f"ODOO_OPS_{name}_PASSWORD"}


@dataclass(frozen=True)
class Staging:
    """The running project."""

    project: ComposeProject
    images: Mapping[str, str]
    odoo_user: str
    http_port: int
    https_port: int

    def files(self, **change: object) -> Mapping[str, ProjectFile]:
        ports = {"bind": "127.0.0.1", "https_port": self.https_port, "http_port": self.http_port}
        return files_of("staging", odoo_user=self.odoo_user, images=self.images, **ports, **change)

    def replace(self, path: str, **change: object) -> None:
        """Put one file of another description in its place, as a careful writer does: by rename."""
        folder = self.project.folder / "new"
        write([self.files(**change)[path]], folder)
        (folder / path).rename(self.project.folder / path)
        shutil.rmtree(folder)

    def register(self) -> str:
        """Register the environment that the project was made from; its name."""
        project, name = self.project, self.project.name
        environment = described("staging", images=self.images, admin_password=_secret("ADMIN"))
        environment["runtime"] |= {"project": name, "folder": str(project.folder)}
        environment["database"] |= {"password": _secret("ODOO"), "admin_password": _secret("POSTGRES")}
        environment |= {"host": name, "repository": name}
        del environment["name"]
        location = {"kind": "folder", "path": "/var/backups/odoo/repository"}
        files = {
            "hosts": {name: {"connection": {"kind": "local"}}},
            "repositories": {name: {"location": location, "password": _secret("RESTIC")}},
            "environments": {name: environment},
        }
        (project.folder / "environments").mkdir()
        (project.folder / "environments" / "all.yaml").write_text(yaml.safe_dump(files))
        register(project.folder / "environments")
        return name

    def sql(self, question: str, database: str = "erp") -> str:
        words = ("psql", "--username=postgres", "--no-align", "--tuples-only", f"--dbname={database}")
        return self.project.exec("db", *words, f"--command={question}").strip()

    def publish_largest(self) -> tuple[str, str]:
        """Let everybody read the largest attachment. Its id and bytes."""
        chosen = "SELECT id, file_size FROM ir_attachment WHERE store_fname IS NOT NULL ORDER BY file_size DESC LIMIT 1"
        number, size = self.sql(chosen).split("|")
        self.sql(f"UPDATE ir_attachment SET public = true WHERE id = {number}")
        return number, size

    def get(self, path: str) -> httpx.Response:
        """Ask nginx for a page; its certificate is the one that was put in place."""
        with httpx.Client(verify=False, trust_env=False, timeout=60) as client:  # noqa: S501
            url = f"https://127.0.0.1:{self.https_port}{path}"
            return client.get(url, headers={"Host": HOST}, extensions={"sni_hostname": HOST})

    def owners(self, service: str) -> set[str]:
        """The processes in a service's container, each with the number of its user: `/proc/7 101`."""
        look = 'for found in /proc/[0-9]*; do stat -c "%n %u" "$found" 2>/dev/null; done; true'
        return set(self.project.exec(service, "sh", "-c", look).splitlines())

    def containers(self) -> dict[str, str]:
        return {service: self.project.container(service) for service in SERVICES}


@pytest.fixture(scope="module")
def staging(
    docker: DockerEngine, image: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Staging]:
    """A staging with Odoo's module `base` in a new database."""
    folder = tmp_path_factory.mktemp("staging")
    tags = {name: image(name) for name in ("odoo", "postgres", "nginx", "toolbox")}
    images = {name: docker.run("image", "inspect", "--format={{.Id}}", tag).strip() for name, tag in tags.items()}
    with ComposeProject.made(docker, folder) as project:
        odoo_user = docker.run(*read_odoo_user(images["odoo"]).argv[1:]).strip()
        made = Staging(project, images, odoo_user, free_port(), free_port())
        write(made.files().values(), folder)
        (folder / "secrets").chmod(0o700)
        certificate = folder / "secrets" / "tls"
        certificate.mkdir()
        names = ["-keyout", certificate / "key.pem", "-out", certificate / "certificate.pem", "-subj", f"/CN={HOST}"]
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", *names])
        (certificate / "key.pem").chmod(0o444)
        project.start("db")
        for line in NEW_DATABASE:
            made.sql(line, "postgres" if line == NEW_DATABASE[0] else "erp")
        project.run("odoo", "odoo", "--init=base", "--stop-after-init")
        project.start(*SERVICES)
        yield made


def test_login_page_comes_through_nginx_with_the_banner(staging: Staging) -> None:
    answer = staging.get("/web/login")
    assert answer.status_code == 200
    assert 'name="login"' in answer.text
    assert ">staging: erp-staging</div></body>" in answer.text


def test_nginx_sends_attachments_that_odoo_wrote(staging: Staging) -> None:
    number, size = staging.publish_largest()
    # as an imported zip leaves them
    staging.project.exec("odoo", "chmod", "--recursive", "u=rwX,go=", "/var/lib/odoo/filestore")
    answer = staging.get(f"/web/content/{number}?download=1")
    assert answer.status_code == 200
    assert len(answer.content) == int(size) > 0


def test_no_process_is_root_or_shows_the_password_or_writes_beside_its_volumes(staging: Staging) -> None:
    for service in SERVICES:
        assert staging.owners(service), service
        # one that begins is root's for a moment, such as a health check's
        lasting = staging.owners(service) & staging.owners(service)
        assert [owner for owner in lasting if owner.endswith(" 0")] == [], service
        words = staging.project.exec(service, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert words, service
        assert ODOO_PASSWORD not in words, service
        with pytest.raises(CommandFailed, match="Read-only file system"):
            staging.project.exec(service, "touch", "/mine")


@pytest.mark.parametrize(
    ("service", "capabilities"),
    [("toolbox", 0b10), ("toolbox-restore", 0b11011), ("toolbox-drill", 0b11011)],  # numbers of linux/capability.h
)
def test_toolbox_has_the_rights_it_needs_and_no_others(staging: Staging, service: str, capabilities: int) -> None:
    one_off = ("run", "--rm", "--no-TTY", "--no-deps", "--entrypoint=sh", service, "-c")
    script = "grep -E 'CapBnd|NoNewPrivs' /proc/self/status; touch /tmp/mine; touch /mine || echo refused"
    found = staging.project.compose(*one_off, script).split()
    assert found == ["CapBnd:", f"{capabilities:016x}", "NoNewPrivs:", "1", "refused"]


@pytest.mark.parametrize("service", ["toolbox-restore", "toolbox-drill"])
def test_toolbox_that_restores_gives_folders_of_odoo_their_setgid_bit(staging: Staging, service: str) -> None:
    one_off = ("run", "--rm", "--no-TTY", "--no-deps", "--entrypoint=sh", service, "-c")
    script = "mkdir /tmp/of-odoo; chown 101:101 /tmp/of-odoo; chmod 2775 /tmp/of-odoo; stat --format=%a /tmp/of-odoo"
    assert staging.project.compose(*one_off, script).strip() == "2775"


def test_only_nginx_is_in_a_network_that_leads_out(staging: Staging) -> None:
    engine = staging.project.engine
    for service, container in staging.containers().items():
        networks = engine.run(*list_networks(container).argv[1:]).split()
        assert networks, service
        ways_out = engine.run(*list_ways_out(networks).argv[1:]).split()
        assert ways_out == ([f"{staging.project.name}_outside"] if service == "nginx" else []), service


def test_scheduled_actions_run_in_their_own_service(staging: Staging) -> None:
    wait_until(lambda: "WorkerCron" in staging.project.compose("logs", "odoo-cron"), "cron workers start")
    assert "WorkerCron" not in staging.project.compose("logs", "odoo")


def test_role_of_odoo_may_neither_rule_nor_make_databases(staging: Staging) -> None:
    assert staging.sql("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = 'odoo'") == "f|f"


def test_new_settings_of_nginx_and_postgresql_are_seen_by_the_running_containers(staging: Staging) -> None:
    before = staging.containers()
    work_mem = staging.sql("SHOW work_mem")
    staging.replace("config/nginx/nginx.conf", body_limit_bytes=2**20)
    staging.replace("config/postgres/postgresql.conf", expected_users=1, memory_bytes=6 * 2**30)
    staging.project.exec("nginx", *RELOAD)
    staging.sql("SELECT pg_reload_conf()")
    assert "client_max_body_size 1048576;" in staging.project.exec("nginx", "cat", "/etc/nginx-odoo/nginx.conf")
    wait_until(lambda: staging.sql("SHOW work_mem") != work_mem, "PostgreSQL reads its settings anew")
    assert staging.sql("SELECT count(*) FROM pg_file_settings WHERE error LIKE '%syntax%'") == "0"
    assert staging.containers() == before


def test_new_odoo_conf_makes_odoo_alone_anew(staging: Staging) -> None:
    before = staging.containers()
    staging.project.start(*SERVICES)
    assert staging.containers() == before, "nothing changed, nothing happens"
    staging.replace("compose.yaml", demo_data=True)
    staging.replace("config/odoo/odoo.conf", demo_data=True)
    staging.project.start(*SERVICES)
    after = staging.containers()
    assert [service for service in SERVICES if after[service] != before[service]] == ["odoo", "odoo-cron"]
    wait_until(lambda: staging.get("/web/login").status_code == 200, "nginx finds the new container", 60)


@pytest.mark.long
@pytest.mark.usefixtures("prefect_server")
def test_lost_project_comes_back_from_its_backup(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "ODOO": ODOO_PASSWORD,
        "POSTGRES": POSTGRES_PASSWORD,
        "ADMIN": "admin-password",
        "RESTIC": "restic-password",
    }
    for name, value in staging.project.engine.variables.items():
        monkeypatch.setenv(name, value)
    for name, value in secrets.items():
        monkeypatch.setenv(f"ODOO_OPS_{name}_PASSWORD", value)
    environment, before = staging.register(), staging.containers()
    number, size = staging.publish_largest()
    assert backup(environment).damaged_total == 0
    staging.sql("DROP DATABASE erp WITH (FORCE)", "postgres")
    staging.project.exec("odoo", "rm", "-r", "/var/lib/odoo/filestore/erp")
    report = restore(environment)
    assert [check.detail for check in report.checks if check.outcome == "failed"] == []
    assert staging.containers() == before, "stopped and started, not made anew"
    wait_until(lambda: staging.get("/web/login").status_code == 200, "Odoo answers", 60)
    answer = staging.get(f"/web/content/{number}?download=1")
    assert (answer.status_code, str(len(answer.content))) == (200, size)


def test_odoo_on_a_copy_can_be_booted_in_a_container_of_odoo(staging: Staging) -> None:
    """What a drill does there: a configuration of its own in `/tmp`, and addons and limits of the project's."""
    program = "import os; os.mkdir('/tmp/odoo-ops-copy'); print(open('/etc/odoo/odoo.conf').read())"
    one_off = ("run", "--rm", "--no-TTY", "--no-deps", "--entrypoint=python3", "odoo", "-c", program)
    assert "limit_memory_hard = " in staging.project.compose(*one_off)
