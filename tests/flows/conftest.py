"""A Prefect server for the session, and an environment on a real PostgreSQL for each test.

The small database is a stand-in for an Odoo one: it has the tables that operations read, and no Odoo could
boot on it. Databases of a real Odoo 18 are used where they are at hand (see test_real_databases).
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from limits import free_limits, make_limits
from own_prefect import PrefectServer
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr
from real_processes import MarkedProcess, run_flow
from toolbox_site import SERVER, PostgresContainer, Toolboxes, postgres_container

from blocks import BackupRepository, OdooEnvironment, OdooHost
from deployments.engines.cluster import PostgresCluster
from deployments.engines.docker import DockerEngine
from deployments.engines.folder import make_once
from deployments.engines.process import run
from odoo_ops.adapters.cluster import drop_database
from odoo_ops.model.environment import DatabaseSettings, Environment, OdooSettings
from odoo_ops.model.host import Host
from odoo_ops.model.repository import FolderLocation, Repository

ROLE_PASSWORD = "role-password"
_ODOO_OF_IMAGES = Path("/usr/bin/odoo")

SCHEMA = """
CREATE TABLE ir_attachment (id serial PRIMARY KEY, name text, store_fname text, checksum text, file_size int,
                            res_model text, res_id int, res_field text);
CREATE TABLE ir_module_module (id serial PRIMARY KEY, name text, state text, latest_version text);
CREATE TABLE ir_config_parameter (key text PRIMARY KEY, value text);
CREATE TABLE res_users (id serial PRIMARY KEY, login text, active bool);
CREATE TABLE res_groups_users_rel (gid int, uid int);
CREATE TABLE res_partner (id serial PRIMARY KEY, name text);
CREATE INDEX res_partner_name_search ON res_partner USING gin (unaccent(name) gin_trgm_ops);
INSERT INTO ir_module_module (name, state, latest_version) VALUES ('base', 'installed', '19.0.1.3');
INSERT INTO ir_config_parameter VALUES ('database.uuid', '5f1f4e0a-0000-4000-8000-000000000001');
INSERT INTO res_users (login, active) VALUES ('admin', true), ('demo', false);
INSERT INTO res_groups_users_rel VALUES (1, 1), (2, 1), (1, 2);
INSERT INTO res_partner (name) SELECT 'Partner ' || n FROM generate_series(1, 500) n;
"""


@dataclass
class Site:
    """One environment made for a test."""

    name: str
    settings: Environment
    cluster: PostgresCluster | PostgresContainer
    folder: Path

    def admin(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.cluster.port,
            user="postgres",
            password=self.cluster.superuser_password,
            dbname=database,
            autocommit=True,
        )

    def connect(self) -> psycopg.Connection:
        return self.admin(self.settings.database.name)

    @property
    def conninfo(self) -> str:
        return make_conninfo(
            host="127.0.0.1",
            port=self.cluster.port,
            user="postgres",
            password=self.cluster.superuser_password,
            dbname=self.settings.database.name,
        )

    @property
    def filestore(self) -> Path:
        return Path(self.settings.filestore)

    def create_role(self) -> None:
        role = sql.Identifier(self.settings.database.user)
        with self.admin() as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(ROLE_PASSWORD)))

    def create_database(self) -> None:
        name = sql.Identifier(self.settings.database.name)
        with self.admin() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C'").format(
                    name, sql.Identifier(self.settings.database.user)
                )
            )
        with self.connect() as connection:
            connection.execute("CREATE EXTENSION pg_trgm; CREATE EXTENSION unaccent")
            connection.execute("ALTER FUNCTION unaccent(text) IMMUTABLE")

    def fill(self) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.settings.database.user)))
            connection.execute(SCHEMA)
        for number in range(20):
            self.attach(f"attachment {number}".encode())

    def attach(self, content: bytes) -> Path:
        """As Odoo does: the file first, then the row."""
        digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        file = self.filestore / digest[:2] / digest
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        with self.connect() as connection:
            connection.execute(
                "INSERT INTO ir_attachment (name, store_fname, checksum, file_size, res_model, res_id)"
                " VALUES (%s, %s, %s, %s, 'res.partner', 1)",
                ["file", f"{digest[:2]}/{digest}", digest, len(content)],
            )
        return file

    def lose_all(self) -> None:
        with self.admin() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.settings.database.name))
            )
        shutil.rmtree(self.filestore)

    def content(self) -> dict[str, str]:
        """Digest of every row of every table, and of every file outside the collector's marks."""
        found = {}
        with self.connect() as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in tables:
                query = sql.SQL("SELECT coalesce(md5(string_agg(md5(t::text), '' ORDER BY t::text)), '') FROM {} t")
                ((digest,),) = connection.execute(query.format(sql.Identifier(table))).fetchall()
                found[f"table {table}"] = digest
        for file in self.filestore.rglob("*"):
            relative = file.relative_to(self.filestore)
            if file.is_file() and relative.parts[0] != "checklist":
                found[f"file {relative}"] = hashlib.sha256(file.read_bytes()).hexdigest()
        return found

    def exists(self) -> bool:
        with self.admin() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.settings.database.name])
            return found.fetchone() is not None

    def seen_by_odoo(self) -> list[str]:
        """Databases on which an Odoo of this role would run scheduled actions (`odoo.service.db.list_dbs`)."""
        with self.admin() as connection:
            rows = connection.execute(
                "SELECT datname FROM pg_database WHERE datdba = (SELECT oid FROM pg_roles WHERE rolname = %s)"
                " AND NOT datistemplate AND datallowconn ORDER BY 1",
                [self.settings.database.user],
            ).fetchall()
        return [name for (name,) in rows]

    def parameters(self) -> dict[str, str]:
        with self.connect() as connection:
            return dict(connection.execute("SELECT key, value FROM ir_config_parameter").fetchall())

    def made_databases(self) -> list[str]:
        with self.admin() as connection:
            rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'odoo\\_ops\\_%'").fetchall()
        return sorted(name for (name,) in rows)

    def register_host(self, **changes: object) -> None:
        """Save the environment's host with changed settings."""
        host = OdooHost.load(f"{self.name}-host")
        OdooHost(settings=host.settings.model_copy(update=changes)).save(f"{self.name}-host", overwrite=True)

    def has_session(self, condition: str) -> bool:
        """Whether PostgreSQL has a session that fits a condition on pg_stat_activity."""
        with self.admin() as connection:
            return connection.execute(f"SELECT 1 FROM pg_stat_activity WHERE {condition}").fetchone() is not None

    @contextmanager
    def pg_dump_held(self) -> Iterator[Callable[[], bool]]:
        """Lock a table that only pg_dump opens. Gives a function that says whether pg_dump waits for it."""
        with self.connect() as connection:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.settings.database.user)))
            connection.execute("CREATE TABLE IF NOT EXISTS held (id int) PARTITION BY RANGE (id)")
            connection.autocommit = False
            connection.execute("LOCK TABLE ONLY held IN ACCESS EXCLUSIVE MODE")
            yield lambda: self.has_session("application_name = 'pg_dump' AND wait_event_type = 'Lock'")
            connection.close()  # by a test that dropped the database it was ended already

    def leftovers(self) -> list[str]:
        """What a run that has ended must not leave: spools, an Odoo's on a copy, journals, scratch, sessions, locks."""
        settings = self.settings
        folders = (settings.spool, settings.restore_spool, settings.copy_dir)
        journals = (settings.swap_journal, settings.export_journal, settings.release_journal, settings.restart_mark)
        found = [path for path in (*folders, *journals) if Path(path).exists()]
        found += [str(path) for path in self.filestore.parent.glob("odoo_ops_scratch*")]
        found += [name for name in self.made_databases() if "scratch" in name]
        found += [str(path) for path in (self.folder / "repository").glob("locks/*")]
        with self.admin() as connection:
            found += [
                f"session {name} in {database}"
                for name, database in connection.execute(
                    "SELECT application_name, datname FROM pg_stat_activity WHERE usename = %s OR datname LIKE"
                    " 'odoo\\_ops\\_scratch%%'",
                    [self.settings.database.user],
                )
            ]
        lock_file = Path(self.settings.state_dir, "lock")
        if lock_file.exists():  # else none was ever taken
            with lock_file.open() as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    found.append("the lock")
        return found

    def free_limit(self) -> None:
        free_limits(self.name)

    def register(self, **changes: object) -> None:
        """Save the environment's blocks, with changed settings."""
        self.settings = self.settings.model_copy(update=changes)
        host = OdooHost.load(f"{self.name}-host")
        repository = BackupRepository.load(f"{self.name}-repository")
        OdooEnvironment(settings=self.settings, host=host, repository=repository).save(self.name, overwrite=True)


SiteMaker = Callable[..., Site]


@pytest.fixture
def runtime(request: pytest.FixtureRequest) -> str:
    """How the environments that a test makes are reached: `native`, or what is given as the fixture's parameter."""
    return str(getattr(request, "param", "native"))


@pytest.fixture(scope="session")
def postgres_in_docker(
    docker: DockerEngine, image: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresContainer]:
    with postgres_container(docker, image("postgres"), tmp_path_factory.mktemp("postgres_in_docker")) as server:
        yield server


@pytest.fixture
def toolboxes(
    docker: DockerEngine,
    image: Callable[[str], str],
    postgres_in_docker: PostgresContainer,
    monkeypatch: pytest.MonkeyPatch,
) -> Toolboxes:
    """What environments on Docker Compose are made of. Flows find Docker."""
    for name, value in docker.variables.items():
        monkeypatch.setenv(name, value)
    return Toolboxes(docker, image("toolbox"), image("odoo"), postgres_in_docker)


@pytest.fixture
def make_site(
    prefect_server: None,  # noqa: ARG001 - the server must run
    runtime: str,
    restic: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,  # what only the other runtime needs is not started
) -> Iterator[SiteMaker]:
    """Makes registered environments without a database; all share one repository, as on one host."""
    toolboxes: Toolboxes | None = request.getfixturevalue("toolboxes") if runtime == "compose" else None
    cluster = toolboxes.cluster if toolboxes else request.getfixturevalue("postgres_cluster")
    with ExitStack() as made:

        def make(database: str | None = None, *, odoo: Path = _ODOO_OF_IMAGES, role: str | None = None) -> Site:
            site = made.enter_context(_made_site(cluster, restic, tmp_path, database, odoo=odoo, role=role))
            if toolboxes:
                project = made.enter_context(toolboxes.project(site.name, tmp_path, site.settings.data_dir))
                site.register(runtime=project, database=site.settings.database.model_copy(update={"server": SERVER}))
            return site

        yield make


@contextmanager
def _made_site(
    cluster: PostgresCluster | PostgresContainer,
    restic: Path,
    folder: Path,
    database: str | None = None,
    *,
    odoo: Path = _ODOO_OF_IMAGES,
    role: str | None = None,
) -> Iterator[Site]:
    """A registered environment, without a database."""
    name = f"site-{uuid4().hex[:8]}"
    settings = Environment(
        name=name,
        stage="testing",
        odoo=OdooSettings(version="19.0", command=(str(odoo),)),
        database=DatabaseSettings(
            name=database or name,
            server="127.0.0.1",
            port=cluster.port,
            user=role or f"role_{name}",
            password=SecretStr(ROLE_PASSWORD),
            admin_user="postgres",
            admin_password=SecretStr(cluster.superuser_password),
        ),
        data_dir=str(folder / name / "data"),
        state_dir=str(folder / name / "state"),
    )
    site = Site(name=name, settings=settings, cluster=cluster, folder=folder)
    Path(settings.data_dir, "filestore").mkdir(parents=True)
    if role is None:
        site.create_role()
    make_limits(name)
    OdooHost(settings=Host(name="here", restic=str(restic))).save(f"{name}-host")
    repository = Repository(
        name="main", location=FolderLocation(path=str(folder / "repository")), password=SecretStr("repository-password")
    )
    BackupRepository(settings=repository).save(f"{name}-repository")
    site.register()
    yield site
    with site.admin() as connection:
        for made in [site.settings.database.name, *site.made_databases()]:
            drop_database(connection, made)


@pytest.fixture
def empty_site(make_site: SiteMaker, request: pytest.FixtureRequest) -> Site:
    """An environment with a new empty database; its name can be given as the fixture's parameter."""
    site = make_site(getattr(request, "param", None))
    site.create_database()
    site.filestore.mkdir()
    return site


@pytest.fixture
def site(empty_site: Site) -> Site:
    """An environment with a small database and twenty attachments."""
    empty_site.fill()
    return empty_site


@pytest.fixture
def start(site: Site) -> Iterator[Callable[..., MarkedProcess]]:
    """Starts flows in processes of their own; whatever is left of them at the end is ended."""
    started: list[MarkedProcess] = []

    def run(name: str, *parameters: str) -> MarkedProcess:
        started.append(run_flow(name, site.name, *parameters, log=site.folder / f"{name}-{len(started)}.log"))
        return started[-1]

    yield run
    for process in started:
        process.close()


@dataclass
class PristineOdoo:
    """A database that a real Odoo 19 made, to be copied."""

    program: Path
    database: str
    role: str
    filestore: Path


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that all workers of this run see."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def pristine_odoo(odoo19: Path, postgres_cluster: PostgresCluster, shared_folder: Path) -> PristineOdoo:
    """`-i base` by a real Odoo, once."""
    return _installed(odoo19, postgres_cluster, shared_folder / "pristine_odoo", "--init=base")


@pytest.fixture(scope="session")
def pristine_odoo_in_docker(
    pristine_odoo: PristineOdoo, postgres_cluster: PostgresCluster, postgres_in_docker: PostgresContainer
) -> PristineOdoo:
    """The same in the PostgreSQL of environments on Docker Compose, for the Odoo of an image."""
    kept = pristine_odoo.filestore.parents[1]
    _create_role(postgres_in_docker, pristine_odoo.role)
    _restore(postgres_in_docker, postgres_cluster.programs, kept)
    return replace(pristine_odoo, program=_ODOO_OF_IMAGES)


@pytest.fixture(scope="session")
def pristine_shop(odoo19: Path, postgres_cluster: PostgresCluster, shared_folder: Path) -> PristineOdoo:
    """The same with books (a chart of accounts is loaded) and a valued stock; that takes a minute or two."""
    modules = ("--init=account,stock_account", "--skip-auto-install")
    return _installed(odoo19, postgres_cluster, shared_folder / "pristine_shop", *modules)


@pytest.fixture(scope="session")
def pristine_mailer(odoo19: Path, postgres_cluster: PostgresCluster, shared_folder: Path) -> PristineOdoo:
    """The same as the first, with a queue of mails."""
    modules = ("--init=mail", "--skip-auto-install")
    return _installed(odoo19, postgres_cluster, shared_folder / "pristine_mailer", *modules)


def _installed(program: Path, cluster: PostgresCluster, kept: Path, *modules: str) -> PristineOdoo:
    """A database of a real Odoo: the first worker has Odoo make it, and all take it from that one's dump."""
    name = kept.name
    _create_role(cluster, name)
    variables = _variables(cluster, name)

    def make(folder: Path) -> None:
        first = f"{name}_first"
        _prepare(cluster, first, owner=name)
        options = ("--stop-after-init", "--no-http", f"--database={first}", f"--data-dir={folder}")
        run([program, *modules, *options], working_directory=Path("/"), environment=variables)
        run(
            [cluster.programs / "pg_dump", "--format=custom", f"--file={folder / 'dump'}", first], environment=variables
        )

    make_once(kept, " ".join(modules), make)
    _restore(cluster, cluster.programs, kept)
    return PristineOdoo(program, name, name, filestore=kept / "filestore" / f"{name}_first")


def _create_role(server: PostgresCluster | PostgresContainer, name: str) -> None:
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN CREATEDB PASSWORD '{ROLE_PASSWORD}'")


def _variables(server: PostgresCluster | PostgresContainer, role: str) -> dict[str, str]:
    """By these PostgreSQL's programs and Odoo find a server."""
    place = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port)}
    return {**os.environ, **place, "PGUSER": role, "PGPASSWORD": ROLE_PASSWORD}


def _restore(server: PostgresCluster | PostgresContainer, programs: Path, kept: Path) -> None:
    """Bring a kept database to a server that has its role, by this machine's programs."""
    name = kept.name
    _prepare(server, name, owner=name)
    options = ("--no-owner", "--no-comments", "--exit-on-error", f"--dbname={name}")
    run([programs / "pg_restore", *options, kept / "dump"], environment=_variables(server, name))


def _prepare(cluster: PostgresCluster | PostgresContainer, name: str, owner: str) -> None:
    """A new database, with the extensions that the product asks for."""
    with psycopg.connect(cluster.conninfo, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C'")
    with psycopg.connect(make_conninfo(cluster.conninfo, dbname=name), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_trgm; CREATE EXTENSION unaccent")
        connection.execute("ALTER FUNCTION unaccent(text) IMMUTABLE")


@pytest.fixture
def odoo_site(make_site: SiteMaker, runtime: str, request: pytest.FixtureRequest) -> Site:
    """An environment with a database of a real Odoo 19, which can boot on it."""
    fixture = "pristine_odoo_in_docker" if runtime == "compose" else "pristine_odoo"
    return _copied(make_site, request.getfixturevalue(fixture))


@pytest.fixture
def other_odoo_site(make_site: SiteMaker, pristine_odoo: PristineOdoo, tmp_path: Path) -> Site:
    """The same once more, served from a folder of its own."""
    site = _copied(make_site, pristine_odoo)
    site.folder = tmp_path / "other"
    site.folder.mkdir()
    return site


@pytest.fixture
def shop_site(make_site: SiteMaker, pristine_shop: PristineOdoo) -> Site:
    """The same with books and a stock, both empty."""
    return _copied(make_site, pristine_shop)


@pytest.fixture
def mail_site(make_site: SiteMaker, pristine_mailer: PristineOdoo) -> Site:
    """The same with a queue of mails, which is empty."""
    return _copied(make_site, pristine_mailer)


def _copied(make_site: SiteMaker, pristine: PristineOdoo) -> Site:
    site = make_site(odoo=pristine.program, role=pristine.role)
    with site.admin() as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                *map(sql.Identifier, (site.settings.database.name, pristine.role, pristine.database))
            )
        )
    with site.connect() as connection:  # it may be long since that was made, and nothing is late in a new one
        connection.execute("UPDATE ir_cron SET nextcall = now() AT TIME ZONE 'UTC'")
        connection.execute("UPDATE ir_cron_trigger SET call_at = now() AT TIME ZONE 'UTC'")
    shutil.copytree(pristine.filestore, site.filestore)
    return site


@pytest.fixture
def drill_site(make_site: SiteMaker, runtime: str, request: pytest.FixtureRequest) -> Site:
    """An environment for trials: role and data_dir of its own, no database."""
    return make_site(odoo=_ODOO_OF_IMAGES if runtime == "compose" else request.getfixturevalue("odoo19"))


@pytest.fixture
def site_on_own_cluster(
    prefect_server: None,  # noqa: ARG001 - the server must run
    postgres_programs: Path,  # noqa: ARG001 - the cluster finds them itself; this skips where there are none
    restic: Path,
    tmp_path: Path,
) -> Iterator[Site]:
    """The same on a PostgreSQL of its own, for tests that stop it."""
    cluster = PostgresCluster(tmp_path / "postgres", fast=True)
    cluster.start()
    try:
        with _made_site(cluster, restic, tmp_path) as site:
            site.create_database()
            site.fill()
            yield site
            cluster.start()
    finally:
        cluster.stop()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[PrefectServer]:
    """A Prefect server of the test's own: whatever follows in the test is done with it."""
    folder = tmp_path / "prefect"
    folder.mkdir()
    with PrefectServer.run(folder) as server:
        yield server


@pytest.fixture
def site_on_own_server(
    own_server: PrefectServer,  # noqa: ARG001 - the site is registered there
    postgres_cluster: PostgresCluster,
    restic: Path,
    tmp_path: Path,
) -> Iterator[Site]:
    """`site`, for tests that kill the Prefect server."""
    with _made_site(postgres_cluster, restic, tmp_path) as site:
        site.create_database()
        site.fill()
        yield site
