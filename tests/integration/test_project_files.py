"""Every file that `provision` makes is read by the program that it is for."""

import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from provisioned import FACTS, NEW_DATABASE, ODOO_PASSWORD, STAGES, described, files_of, write
from real_processes import wait_until

from deployments.engines.cluster import PostgresCluster
from deployments.engines.docker import DockerEngine, compose_variables
from deployments.engines.inventory import Engines
from deployments.engines.ports import free_port
from deployments.engines.process import run
from deployments.engines.server_account import account_of
from odoo_ops.commands.provision import parse_services
from odoo_ops.errors import CommandFailed
from odoo_ops.model.environment import Environment
from odoo_ops.project_files import project_files

Require = Callable[[str, Path | None, str], Path]


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.docker
class TestCompose:
    """`docker compose config` needs no engine."""

    @pytest.fixture
    def resolved(self, engines: Engines, require: Require, tmp_path: Path) -> Callable[..., dict[str, Any]]:
        docker = require("Docker with Compose", engines.docker, "python -m deployments.engines install docker")
        settings = compose_variables(engines.folder)

        def resolve(stage: str, *, start_interval: bool = False) -> dict[str, Any]:
            folder = write(files_of(stage, start_interval=start_interval).values(), tmp_path)
            words = ["compose", "--profile=*", "config", "--format=json"]
            printed = run([docker, *words], working_directory=folder, environment={**os.environ, **settings})
            found: dict[str, Any] = json.loads(printed)
            return found

        return resolve

    def test_accepts_the_project(self, resolved: Callable[..., dict[str, Any]], stage: str) -> None:
        project = resolved(stage)
        assert project["name"] == f"erp-{stage}"
        expected = {"db", "odoo", "odoo-cron", "nginx", "toolbox", "toolbox-restore", "odoo-drill", "toolbox-drill"}
        expected |= {"odoo-gate", "odoo-release"} | ({"mail"} if stage == "development" else set())
        assert set(project["services"]) == expected
        networks = {service.name: service.networks for service in parse_services(json.dumps(project))}
        assert networks["odoo-gate"] == ()
        assert networks["db"] == (f"erp-{stage}_inside",)

    def test_reads_how_often_docker_looks_at_a_service(self, resolved: Callable[..., dict[str, Any]]) -> None:
        services = resolved("staging", start_interval=True)["services"]
        looks = [
            {key: value for key, value in services[name]["healthcheck"].items() if key != "test"}
            for name in ("odoo", "db")
        ]
        assert looks == [
            {"interval": "30s", "timeout": "10s", "retries": 3, "start_period": "2m0s", "start_interval": "2s"},
            {"interval": "5s", "timeout": "5s", "retries": 12, "start_period": "1m0s"},
        ]

    def test_reads_folders_and_ports_as_they_are_meant(self, resolved: Callable[..., dict[str, Any]]) -> None:
        services = resolved("production")["services"]
        addons = [volume for volume in services["odoo"]["volumes"] if volume["source"] == "/srv/erp/oca addons"]
        assert [(volume["target"], volume["read_only"]) for volume in addons] == [("/srv/erp/oca addons", True)]
        assert not any((volume.get("bind") or {}).get("create_host_path") for volume in addons)
        published = [(port["host_ip"], port["published"], port["target"]) for port in services["nginx"]["ports"]]
        assert published == [("0.0.0.0", "80", 8080), ("0.0.0.0", "443", 8443)]  # noqa: S104


@pytest.mark.docker
@pytest.mark.parametrize("pool", ["session", "transaction"])
def test_pgbouncer_reads_its_files(
    pool: str, docker: DockerEngine, image: Callable[[str], str], tmp_path: Path
) -> None:
    tag = image("pgbouncer")
    data = described(
        "staging", pgbouncer={"pool": pool}, images={**described("staging")["provision"]["images"], "pgbouncer": tag}
    )
    data["database"]["name"] = "Erp_2.x-y"
    files = project_files(Environment.model_validate(data), FACTS)
    folder = write((file for file in files if "pgbouncer" in file.path), tmp_path)
    mounts = [
        f"--volume={folder}/{source}:/etc/{name}:ro"
        for source, name in (("config/pgbouncer", "pgbouncer-odoo"), ("secrets/pgbouncer", "pgbouncer-users"))
    ]
    script = (
        "pgbouncer /etc/pgbouncer-odoo/pgbouncer.ini 2>&1 & "
        "until pg_isready --quiet --host=127.0.0.1 --port=6432; do kill -0 $! || exit 1; sleep 0.1; done; "
        "kill -QUIT $!; wait"
    )
    said = docker.run("run", "--rm", "--network=none", "--user=65534", *mounts, "--entrypoint=sh", tag, "-c", script)
    assert "process up" in said
    assert [line for line in said.splitlines() if " WARNING " in line or " ERROR " in line] == []


@pytest.fixture(scope="module")
def cluster(postgres_programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:  # noqa: ARG001
    """A cluster of these tests alone: they make roles and databases of fixed names."""
    made = PostgresCluster(tmp_path_factory.mktemp("provisioned"), fast=True)
    made.start()
    yield made
    made.stop()


def ask(cluster: PostgresCluster, question: str, **connection: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(cluster.conninfo, **connection) as opened:
        return opened.execute(question.encode()).fetchall()


@pytest.mark.postgres
class TestPostgresqlConf:
    def asked(self, cluster: PostgresCluster, conf: str, setting: str) -> str:
        file, account = cluster.data / "rendered.conf", account_of(cluster.data)
        file.write_text(conf)
        account.own(file)
        words = [cluster.programs / "postgres", "-C", setting, "-D", cluster.data, f"--config-file={file}"]
        return run([*account.prefix(cluster.data), *words], working_directory=Path("/")).strip()

    def test_postgres_reads_every_setting(self, cluster: PostgresCluster, stage: str) -> None:
        conf = files_of(stage)["config/postgres/postgresql.conf"].content.get_secret_value()
        settings = _settings_in(conf)
        assert f"{self.asked(cluster, conf, 'max_connections')}" == settings["max_connections"]
        shared_buffers = int(self.asked(cluster, conf, "shared_buffers")) * 8192
        assert f"{shared_buffers // 2**20}MB" == settings["shared_buffers"]
        with pytest.raises(CommandFailed, match="shared_bufferz"):
            self.asked(cluster, conf.replace("shared_buffers", "shared_bufferz"), "work_mem")

    def test_postgres_reads_options_of_the_environment_file(self, cluster: PostgresCluster) -> None:
        options = {"statement_timeout": "15min", "jit": True, "log_line_prefix": r"it's \p "}
        conf = files_of("production", postgres_options=options)["config/postgres/postgresql.conf"]
        read = {name: self.asked(cluster, conf.content.get_secret_value(), name) for name in options}
        assert read == {"statement_timeout": "900000", "jit": "on", "log_line_prefix": r"it's \p"}

    def test_every_setting_is_one_of_postgresql(self, cluster: PostgresCluster) -> None:
        settings = _settings_in(files_of("production")["config/postgres/postgresql.conf"].content.get_secret_value())
        known = {name for (name,) in ask(cluster, "SELECT name FROM pg_settings")}
        assert len(settings) > 20
        assert settings.keys() <= known


def _settings_in(conf: str) -> dict[str, str]:
    """The settings of a postgresql.conf by name, as they are written there."""
    found = re.findall(r"^(\w+) = (.+?)(?:\s+#.*)?$", conf, re.MULTILINE)
    return {name: value.strip("'") for name, value in found}


@pytest.fixture(scope="module")
def first_started(cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> PostgresCluster:
    """The cluster after the script that the image runs when it is new."""
    files, folder = files_of("production"), tmp_path_factory.mktemp("first-start")
    secret = write([files["secrets/odoo_password"]], folder) / "secrets/odoo_password"
    script = files["config/postgres-first-start/odoo.sql"].content.get_secret_value()
    assert "/run/secrets/odoo_password" in script
    (folder / "odoo.sql").write_text(script.replace("/run/secrets/odoo_password", str(secret)))
    words = ["psql", "--set=ON_ERROR_STOP=1", "--no-psqlrc", f"--file={folder / 'odoo.sql'}", cluster.conninfo]
    run(words)
    for statement in NEW_DATABASE:
        database = "postgres" if statement == NEW_DATABASE[0] else "erp"
        with psycopg.connect(cluster.conninfo, dbname=database, autocommit=True) as connection:
            connection.execute(statement)
    return cluster


@pytest.mark.postgres
def test_first_start_makes_a_role_that_may_make_nothing(first_started: PostgresCluster) -> None:
    assert ask(first_started, "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = 'odoo'") == [
        (False, False, False)
    ]
    assert ask(first_started, "SELECT extname FROM pg_extension WHERE extname = 'pg_stat_statements'") == [
        ("pg_stat_statements",)
    ]


_PRINT_WHAT_OPENS = """
import sys
from odoo.tools import config
config.parse_config(["--config", sys.argv[1]], setup_logging=False)
print([word for word in ("", "admin", "a master password") if config.verify_admin_password(word)])
"""


@pytest.mark.odoo
def test_no_password_opens_the_database_manager_but_one_that_is_given(odoo19: Path, tmp_path: Path) -> None:
    """As Odoo itself judges: an empty `admin_passwd` is neither an empty password nor Odoo's default; a hash is one."""
    rendered = files_of("production", addons=[])["config/odoo/odoo.conf"].content.get_secret_value()
    engine, conf = odoo19.resolve().parents[1], tmp_path / "odoo.conf"
    variables = {**os.environ, "PYTHONPATH": str(engine / "debian/usr/lib/python3/dist-packages")}

    def what_opens(text: str) -> str:
        conf.write_text(text)
        words = [engine / "venv/bin/python", "-c", _PRINT_WHAT_OPENS, conf]
        return run(words, environment=variables).strip()

    assert what_opens(rendered) == "[]"
    with_hash = files_of("production", addons=[], master_password="a master password")["secrets/odoo/odoo.conf"]
    assert what_opens(with_hash.content.get_secret_value()) == "['a master password']"
    assert what_opens(rendered.replace("admin_passwd =\n", "")) == "['admin']"


@pytest.mark.odoo
def test_odoo_reads_options_of_the_environment_file(odoo19: Path, tmp_path: Path) -> None:
    options = {"server_wide_modules": "base,web,rpc", "unaccent": True, "limit_time_real": 1800}
    rendered = files_of("production", addons=[], odoo_options=options)["config/odoo/odoo.conf"]
    engine, conf = odoo19.resolve().parents[1], tmp_path / "odoo.conf"
    conf.write_text(rendered.content.get_secret_value())
    variables = {**os.environ, "PYTHONPATH": str(engine / "debian/usr/lib/python3/dist-packages")}
    script = (
        "import sys; from odoo.tools import config; config.parse_config(['--config', sys.argv[1]], setup_logging=False)"
        "; print([config[name] for name in sys.argv[2:]])"
    )
    said = run([engine / "venv/bin/python", "-c", script, conf, *options], environment=variables).strip()
    assert said == "[['base', 'web', 'rpc'], True, 1800]"


@pytest.mark.odoo
@pytest.mark.postgres
class TestOdoo:
    """A real Odoo with the rendered odoo.conf; only addresses and folders are the test's."""

    @pytest.fixture(scope="class")
    def data_dir(self, odoo19: Path, first_started: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Odoo's data; its database has the module `base`."""
        folder = tmp_path_factory.mktemp("odoo")
        conf, _ = self.placed("production", first_started, folder)
        self.started(odoo19, conf, "--init=base", "--stop-after-init")
        return folder

    def placed(self, stage: str, cluster: PostgresCluster, folder: Path) -> tuple[Path, int]:
        """A stage's odoo.conf as the test's Odoo can use it, and its HTTP port."""
        conf = files_of(stage, addons=[])["config/odoo/odoo.conf"].content.get_secret_value()
        http_port = free_port()
        for old, new in (
            ("db_host = db", "db_host = 127.0.0.1"),
            ("db_port = 5432", f"db_port = {cluster.port}"),
            ("data_dir = /var/lib/odoo", f"data_dir = {folder}"),
            ("http_interface = 0.0.0.0", "http_interface = 127.0.0.1"),
            ("http_port = 8069", f"http_port = {http_port}"),
            ("gevent_port = 8072", f"gevent_port = {free_port()}"),
        ):
            assert f"{old}\n" in conf
            conf = conf.replace(f"{old}\n", f"{new}\n")
        path = folder / f"{stage}.conf"
        path.write_text(conf)
        return path, http_port

    def started(self, odoo19: Path, conf: Path, *words: str) -> str:
        """What an Odoo says until it ends."""
        variables = {**os.environ, "ODOO_RC": str(conf), "PGPASSWORD": ODOO_PASSWORD}
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.run([odoo19, *words], env=variables, check=True, text=True, **output).stdout

    @contextmanager
    def running(self, odoo19: Path, conf: Path, words: Sequence[str], log: Path) -> Iterator[int]:
        variables = {**os.environ, "ODOO_RC": str(conf), "PGPASSWORD": ODOO_PASSWORD}
        with log.open("w") as output:
            process = subprocess.Popen([odoo19, *words], env=variables, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait()

    def words(self, stage: str, service: str) -> list[str]:
        """The arguments of a service of the project."""
        project = yaml.safe_load(files_of(stage)["compose.yaml"].content.get_secret_value())
        assert project["services"][service]["environment"] == {"ODOO_RC": "/etc/odoo/odoo.conf"}
        program, *words = project["services"][service]["command"]
        assert program == "odoo"
        return words

    def test_reads_its_configuration_without_a_complaint(
        self, odoo19: Path, first_started: PostgresCluster, data_dir: Path, stage: str
    ) -> None:
        conf, _ = self.placed(stage, first_started, data_dir)
        said = self.started(odoo19, conf, *self.words(stage, "odoo"), "--stop-after-init")
        assert "unknown option" not in said
        complaints = [line for line in said.splitlines() if " WARNING " in line or " ERROR " in line]
        # the official image has it; without, `--dev=all` does not see changes by itself
        assert [line for line in complaints if "'inotify' module not installed" not in line] == []

    def test_scheduled_actions_run_beside_the_workers_that_answer(
        self, odoo19: Path, first_started: PostgresCluster, data_dir: Path, tmp_path: Path
    ) -> None:
        conf, http_port = self.placed("production", first_started, data_dir)
        web, cron = tmp_path / "web.log", tmp_path / "cron.log"

        def children(pid: int) -> list[str]:
            return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

        with (
            self.running(odoo19, conf, self.words("production", "odoo"), web) as web_pid,
            self.running(odoo19, conf, self.words("production", "odoo-cron"), cron) as cron_pid,
        ):
            wait_until(lambda: len(children(cron_pid)) == 2, cron.read_text, 60)
            wait_until(lambda: len(children(web_pid)) == 8, web.read_text, 60)  # 7 workers and the one for websockets
            wait_until(lambda: cron.read_text().count("Worker WorkerCron") == 2, cron.read_text, 60)
            with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/web/login", timeout=60) as answer:
                assert b'name="login"' in answer.read()
        assert "WorkerCron" not in web.read_text()
        assert "WorkerHTTP" not in cron.read_text()
