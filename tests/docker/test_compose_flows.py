"""Flows on an Odoo in a Docker Compose project: the documented example, with real images."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_compose import RealProject
from real_processes import run_flow, wait_until
from real_sshd import RealSshd

from blocks import OdooEnvironment
from flows.backup import backup
from flows.drill import drill
from flows.export_zip import export_zip
from flows.import_zip import import_zip
from flows.restore import restore
from odoo_ops.errors import PreconditionFailed, Refused
from odoo_ops.model.report import DrillReport, RestoreReport
from odoo_ops.model.zips import ExportReport, ImportReport

pytestmark = [pytest.mark.docker, pytest.mark.restic, pytest.mark.odoo]

Report = RestoreReport | DrillReport | ExportReport | ImportReport
SERVING = ["db", "odoo"]


def _add_partner(project: RealProject, name: str) -> None:
    columns, values = "name, complete_name, active, type", f"'{name}', '{name}', true, 'contact'"
    project.sql(f"INSERT INTO res_partner ({columns}) VALUES ({values});")


def _partners(project: RealProject) -> list[str]:
    return project.sql("SELECT id, name, active FROM res_partner ORDER BY id;").splitlines()


def _failed(report: Report) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in report.checks if check.outcome == "failed"]


def _lose_all(project: RealProject) -> None:
    project.sql("DROP DATABASE erp WITH (FORCE);", "postgres")
    project.in_data("rm -r /var/lib/odoo/filestore/erp")


def test_everything_comes_back_and_is_drilled_when_odoo_runs_in_a_project(project: RealProject) -> None:
    _add_partner(project, "before the backup")
    partners, files = _partners(project), project.files()
    assert files
    assert backup(project.production).damaged_total == 0
    assert project.running() == SERVING
    _lose_all(project)
    report = restore(project.production, confirm_production=project.production)
    assert _failed(report) == []
    assert report.checks[-1].outcome == "passed", "Odoo was started again and answers"
    assert _partners(project) == partners
    assert files.items() <= project.files().items()
    assert project.running() == SERVING
    drilled = drill(project.production, project.drill)
    assert _failed(drilled) == []
    assert drilled.verified
    assert project.running() == SERVING
    assert project.sql("SELECT datname FROM pg_database WHERE datname LIKE 'odoo_ops_scratch%';") == ""


def test_zip_goes_out_of_one_environment_and_into_another_of_the_project(project: RealProject) -> None:
    partners = _partners(project)
    backup(project.production)
    path = f"/var/backups/odoo/{project.name}.zip"
    assert _failed(export_zip(project.production, path)) == []
    assert _failed(import_zip(project.drill, path)) == []
    assert project.sql("SELECT id, name, active FROM res_partner ORDER BY id;", "erp-drill").splitlines() == partners
    assert project.running() == SERVING


def test_container_of_a_backup_cannot_write_where_odoo_does(project: RealProject) -> None:
    runtime = OdooEnvironment.open(project.production)
    with pytest.raises(PreconditionFailed, match="Read-only file system"):
        runtime.host.call("make_directory", path=f"{runtime.environment.data_dir}/mine")
    with runtime.writable.agents_kept():
        runtime.writable.call("make_directory", path=f"{runtime.environment.data_dir}/mine")
        assert runtime.writable.call("remove_tree", path=f"{runtime.environment.data_dir}/mine")
    assert project.running() == SERVING


def test_container_ends_with_a_backup_that_is_killed_and_the_next_one_passes(
    project: RealProject, tmp_path: Path
) -> None:
    with project.session() as (stdin, _psql):
        stdin.write("CREATE TABLE held (id int) PARTITION BY RANGE (id); ALTER TABLE held OWNER TO odoo;\n")
        stdin.write("BEGIN; LOCK TABLE ONLY held IN ACCESS EXCLUSIVE MODE;\n")
        stdin.flush()
        run = run_flow("backup", project.production, log=tmp_path / "backup.log")
        waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump' AND wait_event_type = 'Lock';"
        run.wait_until(lambda: project.sql(waits).strip() == "1", "pg_dump waits")
        assert project.running() == [*SERVING, "toolbox"]
        run.kill()
        wait_until(lambda: project.running() == SERVING, lambda: f"still there: {project.running()}", 60)
    project.sql("DROP TABLE held;")
    project.free_limit()
    assert backup(project.production).damaged_total == 0
    assert project.running() == SERVING


@pytest.fixture
def sshd(project: RealProject, sshd_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSshd]:
    """A machine that is reached by SSH, on which the same Docker runs."""
    folder, variables = tmp_path_factory.mktemp("sshd"), project.engine.variables
    with RealSshd.run(sshd_program, folder, variables) as running:
        project.register({"connection": running.connection(), "python": sys.executable})
        yield running
        project.register()


@pytest.mark.sshd
def test_everything_comes_back_when_the_project_is_on_a_machine_by_ssh(project: RealProject, sshd: RealSshd) -> None:
    partners = _partners(project)
    backup(project.production)
    sshd.cut_connections()
    _lose_all(project)
    assert _failed(restore(project.production, confirm_production=project.production)) == []
    assert _partners(project) == partners
    assert project.running() == SERVING


def test_no_copy_is_booted_in_a_container_with_a_way_out(project: RealProject) -> None:
    block = OdooEnvironment.load(project.drill)
    open_runtime = block.settings.runtime.model_copy(update={"odoo_services": ("odoo",)})
    _save(project.drill, block, open_runtime)
    try:
        with pytest.raises(Refused, match=r"has a way out \(.*_default\).*None was booted. Next step: "):
            drill(project.production, project.drill)
    finally:
        project.register()
    assert project.running() == SERVING


def _save(name: str, block: OdooEnvironment, runtime: object) -> None:
    settings = block.settings.model_copy(update={"runtime": runtime})
    OdooEnvironment(settings=settings, host=block.host, repository=block.repository).save(name, overwrite=True)


@pytest.mark.parametrize(
    ("change", "variables", "message"),
    [
        ({"toolbox": "tools"}, {}, "the project has no service 'tools'"),
        pytest.param(
            {"folder": "/srv/no-project-here"},
            {},
            "/srv/no-project-here holds no compose file",
            marks=pytest.mark.long,
        ),
        pytest.param({}, {"DOCKER_HOST": "unix:///run/no-docker.sock"}, "Docker does not run", marks=pytest.mark.long),
        pytest.param(
            {}, {"DOCKER_CONFIG": "/var/empty"}, "Compose plugin is missing or too old", marks=pytest.mark.long
        ),
    ],
)
def test_flow_says_what_is_wrong_with_docker_and_changes_nothing(
    project: RealProject,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
    variables: dict[str, str],
    message: str,
) -> None:
    block = OdooEnvironment.load(project.production)
    _save(project.production, block, block.settings.runtime.model_copy(update=change))
    with monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with pytest.raises(PreconditionFailed, match=f"{message}. Next step: "):
            backup(project.production)
    project.register()
    assert project.running() == SERVING


@pytest.mark.long
def test_restore_stops_before_the_swap_when_a_service_of_odoo_is_misspelt(project: RealProject) -> None:
    partners = _partners(project)
    backup(project.production)
    block = OdooEnvironment.load(project.production)
    _save(project.production, block, block.settings.runtime.model_copy(update={"odoo_services": ("odoo", "crons")}))
    try:
        with pytest.raises(PreconditionFailed, match="the project has no service 'crons'"):
            restore(project.production, confirm_production=project.production)
    finally:
        project.register()
    assert _partners(project) == partners
    assert project.running() == SERVING
