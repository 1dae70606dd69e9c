"""A real PostgreSQL cluster in a folder."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import LiteralString
from unittest.mock import MagicMock

import psycopg
import pytest
from provisioned import described
from pydantic import SecretStr

from deployments.engines.cluster import PostgresCluster
from deployments.engines.postmaster import record_file, recorded_postmaster
from odoo_ops.adapters.cluster import ensure_role
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import CommandFailed, PreconditionFailed
from odoo_ops.model.environment import Environment
from odoo_ops.model.host import Host
from odoo_ops.model.plan import ProvisionPlan
from tasks import projects

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("postgres_programs")]

MakeCluster = Callable[[Path], PostgresCluster]


@pytest.fixture
def make_cluster() -> Iterator[MakeCluster]:
    made: list[PostgresCluster] = []

    def make(folder: Path) -> PostgresCluster:
        made.append(PostgresCluster(folder, fast=True))
        made[-1].start()
        return made[-1]

    yield make
    for cluster in made:
        cluster.stop()


def ask(cluster: PostgresCluster, question: LiteralString) -> str:
    with psycopg.connect(cluster.conninfo) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return str(row[0])


def kill(cluster: PostgresCluster) -> None:
    postmaster = recorded_postmaster(cluster.data)
    assert postmaster is not None
    os.kill(postmaster.pid, signal.SIGKILL)
    while postmaster.serves():
        time.sleep(0.01)


def test_cluster_answers_when_its_path_has_a_space_and_is_long(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster(tmp_path / "a b" / ("x" * 120))
    assert cluster.is_running()
    assert ask(cluster, "show data_checksums") == "on"
    assert ask(cluster, "show server_encoding") == "UTF8"


def test_second_start_leaves_the_server_alone_when_it_runs(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster(tmp_path)
    before = recorded_postmaster(cluster.data)
    PostgresCluster(tmp_path, fast=True).start()
    assert recorded_postmaster(cluster.data) == before


def test_stop_and_start_keep_port_password_and_data(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster(tmp_path)
    with psycopg.connect(cluster.conninfo) as connection:
        connection.execute("create table kept as select 7 as seven")
    before = cluster.conninfo
    cluster.stop()
    cluster.stop()
    assert not cluster.is_running()
    cluster.start()
    assert cluster.conninfo == before
    assert ask(cluster, "select seven from kept") == "7"


def test_start_recovers_when_the_server_was_killed(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster(tmp_path)
    kill(cluster)
    assert not cluster.is_running()
    cluster.start()
    assert ask(cluster, "select 1") == "1"


def test_start_waits_when_a_session_of_the_killed_server_still_works(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster(tmp_path)
    with psycopg.connect(cluster.conninfo) as busy:
        busy.pgconn.send_query(b"select count(*) from generate_series(1, 10000000)")
        time.sleep(0.3)
        kill(cluster)
        cluster.start()
        busy.close()
    assert ask(cluster, "select 1") == "1"


def test_start_is_not_misled_when_the_recorded_number_is_another_programs(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    cluster = make_cluster(tmp_path)
    cluster.stop()
    record_file(cluster.data).write_text(f"{os.getpid()}\n{cluster.data}\n0\n{cluster.port}\n\n")
    assert not cluster.is_running()
    cluster.start()
    assert ask(cluster, "select 1") == "1"


def test_cluster_is_made_anew_when_its_making_was_interrupted(make_cluster: MakeCluster, tmp_path: Path) -> None:
    (tmp_path / "data.partial").mkdir()
    (tmp_path / "data.partial" / "half").touch()
    assert make_cluster(tmp_path).is_running()


def test_server_refuses_who_does_not_know_the_password(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster(tmp_path)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(cluster.conninfo, password="guess")
    assert (tmp_path / "superuser-password").stat().st_mode & 0o777 == 0o600


def test_start_says_what_to_do_when_the_port_is_taken(make_cluster: MakeCluster, tmp_path: Path) -> None:
    taken = make_cluster(tmp_path / "first").port
    with pytest.raises(CommandFailed, match=r"(?s)could not bind.*Next step: .*remove .*port"):
        PostgresCluster(tmp_path / "second", taken, fast=True).start()


def test_start_refuses_another_port_when_the_server_runs(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster(tmp_path)
    with pytest.raises(PreconditionFailed, match="stop it"):
        PostgresCluster(tmp_path, cluster.port + 1, fast=True).start()


def test_writes_reach_the_disk_unless_the_cluster_is_for_tests(tmp_path: Path) -> None:
    cluster = PostgresCluster(tmp_path)
    cluster.start()
    assert ask(cluster, "show fsync") == "on"
    cluster.stop()
    fast = PostgresCluster(tmp_path, fast=True)
    fast.start()
    assert ask(fast, "show fsync") == "off"
    fast.stop()


@pytest.mark.usefixtures("as_root")  # who runs the server as another account
def test_cluster_runs_when_its_account_may_not_enter_the_folder_above(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    cluster = make_cluster(closed / "cluster")
    assert cluster.data.stat().st_uid != 0
    assert ask(cluster, "select 1") == "1"


def test_password_asks_for_a_start_when_there_is_no_cluster_yet(tmp_path: Path) -> None:
    cluster = PostgresCluster(tmp_path / "none")
    assert not cluster.is_running()
    cluster.stop()
    with pytest.raises(PreconditionFailed, match="start the cluster"):
        _ = cluster.superuser_password


def test_role_may_make_databases_in_development_alone_when_the_stage_changes(
    postgres_cluster: PostgresCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a provisioned project: what was allowed in a former stage goes with it. Each run may come twice."""
    environment = Environment.model_validate(described("development"))
    server = environment.database.model_copy(
        update={
            "server": "127.0.0.1",
            "port": postgres_cluster.port,
            "user": "of_many_stages",
            "admin_password": SecretStr(postgres_cluster.superuser_password),
        }
    )
    runtime = MagicMock(host=HostAdapter(Host(name="here")))
    monkeypatch.setattr(projects.OdooEnvironment, "open", lambda _: runtime)
    rights = "select rolcanlogin, rolcreatedb from pg_roles where rolname = 'of_many_stages'"
    for stage in ("development", "development", "staging", "staging", "testing", "development", "production"):
        runtime.environment = environment.model_copy(update={"stage": stage, "database": server})
        projects.prepare_cluster.fn("erp", ProvisionPlan(environment="erp"))
        with psycopg.connect(postgres_cluster.conninfo) as connection:
            assert connection.execute(rights).fetchall() == [(True, stage == "development")]


def test_role_that_is_there_keeps_what_it_may_where_nobody_says_otherwise(postgres_cluster: PostgresCluster) -> None:
    with psycopg.connect(postgres_cluster.conninfo, autocommit=True) as connection:
        connection.execute("create role of_a_developer createdb")
        ensure_role(connection, "of_a_developer", SecretStr("canary"))
        rights = "select rolcanlogin, rolcreatedb from pg_roles where rolname = 'of_a_developer'"
        assert connection.execute(rights).fetchall() == [(True, True)]


@pytest.mark.odoo
def test_odoo_installs_base_with_a_role_that_is_no_superuser(
    odoo19: Path, postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    with psycopg.connect(postgres_cluster.conninfo, autocommit=True) as connection:
        connection.execute("create role odoo_base login createdb password 'canary'")
    server = ["--db_host=127.0.0.1", f"--db_port={postgres_cluster.port}", "--db_user=odoo_base"]
    work = ["--database=base", "--init=base", "--stop-after-init", "--no-http", f"--data-dir={tmp_path}"]
    done = subprocess.run(
        [odoo19, *server, *work],
        cwd="/",
        env={**os.environ, "PGPASSWORD": "canary"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    with psycopg.connect(postgres_cluster.conninfo, dbname="base") as connection:
        states = connection.execute("select state from ir_module_module where name = 'html_editor'").fetchall()
    assert states == [("installed",)]
