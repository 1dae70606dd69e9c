"""The images keep the promises of the official ones that the Compose runtime relies on; all in real projects."""

import gzip
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from compose_project import ComposeProject
from docker_images import POSTGRES_VERSION
from real_processes import wait_until

from deployments.engines.docker import DockerEngine
from odoo_ops.errors import CommandFailed

pytestmark = pytest.mark.docker

Image = Callable[[str], str]

# Without POSTGRES_DB the image would make a database `odoo` beside the shop's, and of two Odoo serves neither unasked.
SHOP = """
services:
  db:
    image: {postgres}
    environment: {{POSTGRES_USER: odoo, POSTGRES_PASSWORD: its-password, POSTGRES_DB: postgres}}
    volumes: ["database:/var/lib/postgresql/data"]
    healthcheck: {{test: [CMD, pg_isready, --host=127.0.0.1], interval: 1s, retries: 60}}
  odoo:
    image: {odoo}
    depends_on: [db]
    environment: {{HOST: db, USER: odoo, PASSWORD: its-password}}
    volumes: ["files:/var/lib/odoo"]
    ports: ["127.0.0.1::8069"]
  nginx:
    image: {nginx}
    depends_on: [odoo]
    volumes: ["./nginx.conf:/etc/nginx/conf.d/default.conf:ro"]
    ports: ["127.0.0.1::80"]
  toolbox:
    image: {toolbox}
    depends_on: [db]
    environment: {{PGHOST: db, PGUSER: odoo, PGPASSWORD: its-password, RESTIC_REPOSITORY: /tmp/r, RESTIC_PASSWORD: r}}
    volumes: ["files:/var/lib/odoo"]
volumes: {{database: , files: }}
"""

NGINX = "server { listen 80; location / { proxy_pass http://odoo:8069; } }"

FIRST_START = """
services:
  db:
    image: {postgres}
    command: [-c, max_connections=42]
    environment:
      POSTGRES_USER: shop
      POSTGRES_PASSWORD_FILE: /run/secrets/password
      POSTGRES_INITDB_ARGS: --data-checksums
    volumes: ["./first:/docker-entrypoint-initdb.d:ro", "./password:/run/secrets/password:ro"]
    healthcheck: {{test: [CMD, pg_isready, --host=127.0.0.1], interval: 1s, retries: 60}}
"""


@pytest.fixture(scope="module")
def shop(docker: DockerEngine, image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeProject]:
    """A project whose database has Odoo's module `base`."""
    folder = tmp_path_factory.mktemp("shop")
    tags = {name: image(name) for name in ("postgres", "odoo", "nginx", "toolbox")}
    (folder / "compose.yaml").write_text(SHOP.format(**tags))
    (folder / "nginx.conf").write_text(NGINX)
    with ComposeProject.made(docker, folder) as project:
        project.start("db")
        project.run("odoo", "odoo", "--database=shop", "--init=base", "--stop-after-init")
        project.compose("up", "--detach")
        yield project


def page(url: str) -> str:
    """What a page says; nothing while nobody answers, or with an error."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - a test's own server
            return answer.read().decode()
    except OSError:
        return ""


def sees_login_page(url: str) -> bool:
    return 'name="login"' in page(f"{url}/web/login")


def test_login_page_answers_when_odoo_made_its_database(shop: ComposeProject) -> None:
    url = shop.url("odoo", 8069)
    wait_until(lambda: sees_login_page(url), lambda: shop.compose("logs", "odoo"), seconds=120)


def test_login_page_answers_through_nginx(shop: ComposeProject) -> None:
    url = shop.url("nginx", 80)
    wait_until(lambda: sees_login_page(url), lambda: shop.compose("logs", "odoo", "nginx"), seconds=120)


def test_odoo_runs_as_its_own_user_and_keeps_files_where_the_official_image_does(shop: ComposeProject) -> None:
    assert shop.exec("odoo", "id", "--user", "--name") == "odoo\n"
    owner, files = shop.exec("odoo", "stat", "--format=%U %n", "/var/lib/odoo/filestore/shop").split()
    assert (owner, files) == ("odoo", "/var/lib/odoo/filestore/shop")
    assert shop.exec("odoo", "sh", "-c", "ls -d /mnt/extra-addons && echo $ODOO_RC").split() == [
        "/mnt/extra-addons",
        "/etc/odoo/odoo.conf",
    ]


def test_subcommand_is_broken_by_the_entrypoint_unless_pg_variables_name_the_database(shop: ComposeProject) -> None:
    words = ("odoo", "db", "dump", "shop", "/tmp/shop.zip")  # noqa: S108 - in a container of its own
    with pytest.raises(CommandFailed, match="unrecognized arguments: --db_host") as caught:
        shop.run("odoo", *words)
    assert caught.value.exit_status == 2
    variables = {"PGHOST": "db", "PGPORT": "5432", "PGUSER": "odoo", "PGPASSWORD": "its-password"}
    shop.run("odoo", *words, variables=variables)


def test_toolbox_backs_up_the_database_and_the_filestore(shop: ComposeProject) -> None:
    server = shop.exec("toolbox", "psql", "--no-align", "--tuples-only", "--command=SHOW server_version", "postgres")
    client = shop.exec("toolbox", "pg_dump", "--version")
    assert client.strip() == f"pg_dump (PostgreSQL) {server.strip()}"
    assert server.startswith(f"{POSTGRES_VERSION}.")
    dump = "pg_dump --format=directory --compress=zstd --jobs=2 --file=/tmp/dump shop"
    shop.exec("toolbox", "sh", "-c", f"{dump} && pg_restore --file=/dev/null /tmp/dump")
    shop.exec("toolbox", "sh", "-c", "restic init && restic backup /tmp/dump /var/lib/odoo/filestore/shop")
    shop.exec("toolbox", "restic", "check", "--read-data")
    listed = shop.exec("toolbox", "restic", "ls", "latest")
    assert "/tmp/dump/toc.dat" in listed  # noqa: S108
    assert re.search(r"^/var/lib/odoo/filestore/shop/\w\w/\w{40}$", listed, re.MULTILINE)


def test_toolbox_runs_python(shop: ComposeProject) -> None:
    program = "import json, sys; print(json.dumps(sys.version_info >= (3, 10)))"
    assert shop.exec("toolbox", "python3", "-c", program) == "true\n"


def test_toolbox_ends_when_it_is_told_to(shop: ComposeProject) -> None:
    shop.compose("stop", "toolbox")
    status = shop.engine.run("inspect", "--format={{.State.ExitCode}}", shop.container("toolbox"))
    assert int(status) == 128 + 15
    shop.compose("start", "toolbox")


def test_toolbox_leaves_no_zombie_when_what_an_agent_started_outlives_it(shop: ComposeProject) -> None:
    shop.exec("toolbox", "sh", "-c", "sleep 0.2 & exit")
    states = "import glob; print([open(f).read().split()[2] for f in glob.glob('/proc/[0-9]*/stat')])"
    found: list[str] = []

    def settled() -> bool:
        found[:] = re.findall(r"'(\w)'", shop.exec("toolbox", "python3", "-c", states))
        return len(found) == 3  # tini, its sleep, and this one

    wait_until(settled, lambda: f"states: {found}")
    assert "Z" not in found


def test_nothing_is_left_when_a_project_is_removed(docker: DockerEngine, image: Image, tmp_path: Path) -> None:
    tags = {name: image(name) for name in ("postgres", "odoo", "nginx", "toolbox")}
    (tmp_path / "compose.yaml").write_text(SHOP.format(**tags))
    with ComposeProject.made(docker, tmp_path) as project:
        project.compose("create", "db", "odoo")
        volumes = project.volumes()
        assert len(volumes) == 3  # database, files, and the one of /mnt/extra-addons, which has no name
    assert volumes.isdisjoint(docker.run("volume", "ls", "--quiet").split())
    label = f"label=com.docker.compose.project={project.name}"
    for kind in (("ps", "--all"), ("network", "ls"), ("volume", "ls")):
        assert docker.run(*kind, "--quiet", "--filter", label) == ""


class TestPostgres:
    @pytest.fixture(scope="class")
    def db(
        self, docker: DockerEngine, image: Image, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[ComposeProject]:
        folder = tmp_path_factory.mktemp("db")
        first = folder / "first"
        first.mkdir()
        (first / "1.sql").write_text("CREATE TABLE visits (who text);")
        (first / "2.sh").write_text(
            'psql --username="$POSTGRES_USER" "$POSTGRES_DB" -c "INSERT INTO visits VALUES (\'sh\')"'
        )
        (first / "3.sql.gz").write_bytes(gzip.compress(b"INSERT INTO visits VALUES ('gz');"))
        (folder / "password").write_text("from-a-file\n")
        (folder / "compose.yaml").write_text(FIRST_START.format(postgres=image("postgres")))
        with ComposeProject.made(docker, folder) as project:
            project.start()
            yield project

    def ask(self, db: ComposeProject, question: str, password: str = "from-a-file") -> str:  # noqa: S107
        name = f"postgresql://shop:{password}@db/shop"  # by TCP: the socket asks for no password
        return db.exec("db", "psql", "--no-align", "--tuples-only", f"--command={question}", name).strip()

    def test_settings_come_from_files_arguments_and_the_command(self, db: ComposeProject) -> None:
        assert self.ask(db, "SHOW data_checksums") == "on"
        assert self.ask(db, "SHOW max_connections") == "42"
        assert self.ask(db, "SHOW data_directory") == "/var/lib/postgresql/data"
        assert self.ask(db, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == "t"

    def test_a_wrong_password_is_refused(self, db: ComposeProject) -> None:
        with pytest.raises(CommandFailed, match="password authentication failed"):
            self.ask(db, "SELECT 1", password="another")

    def test_server_runs_as_the_user_999(self, db: ComposeProject) -> None:
        assert db.exec("db", "stat", "--format=%u", "/proc/1") == "999\n"
        assert db.exec("db", "stat", "--format=%u", "/var/lib/postgresql/data") == "999\n"

    def test_first_scripts_run_once_when_the_server_starts_again(self, db: ComposeProject) -> None:
        db.compose("restart")
        db.start()
        assert self.ask(db, "SELECT string_agg(who, ' ' ORDER BY who) FROM visits") == "gz sh"

    def test_no_cluster_is_made_without_a_password(self, docker: DockerEngine, image: Image) -> None:
        with pytest.raises(CommandFailed, match="superuser password is not specified"):
            docker.run("run", "--rm", "--network=none", image("postgres"))

    def test_a_password_and_its_file_exclude_each_other(self, docker: DockerEngine, image: Image) -> None:
        both = ("--env=POSTGRES_PASSWORD=a", "--env=POSTGRES_PASSWORD_FILE=/etc/hostname")
        with pytest.raises(CommandFailed, match="are exclusive"):
            docker.run("run", "--rm", "--network=none", *both, image("postgres"))
