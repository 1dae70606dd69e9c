"""Health and restart of an Odoo in a Docker Compose project, behind an nginx in the same project."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from real_compose import RealProject
from real_nginx import Authority, server_block
from real_processes import wait_until

from blocks import OdooEnvironment
from flows.health import health
from flows.restart import restart
from odoo_ops.adapters.odoo_site import open_site
from odoo_ops.errors import VerificationFailed
from odoo_ops.policy import layers
from odoo_ops.runtimes.disks import read_database_disk

pytestmark = [pytest.mark.docker, pytest.mark.odoo]

FOLDER = "/etc/nginx/conf.d"
WITHOUT_MODULE = {layers.MAILS, layers.JOBS}


@pytest.fixture
def behind_proxy(project: RealProject) -> Iterator[RealProject]:
    """With an nginx that has a certificate of an authority of its own. All is as before afterwards."""
    authority, folder = Authority(), project.folder / "nginx"
    folder.mkdir(exist_ok=True)
    authority.write(folder, "proxy", timedelta(days=90))
    _configure(project, websocket=True)
    project.compose("up", "--detach", "proxy")
    _register(project, authority)
    _settle_crons(project)
    yield project
    project.compose("rm", "--force", "--stop", "proxy")
    project.register()


def _configure(project: RealProject, *, websocket: bool) -> None:
    block = server_block("http://odoo:8069", "443", FOLDER, websocket=websocket)
    (project.folder / "nginx" / "default.conf").write_text(block)


def _register(project: RealProject, authority: Authority) -> None:
    block = OdooEnvironment.load(project.production)
    public = {"public_url": "https://proxy", "public_ca": authority.pem}
    settings = block.settings.model_copy(update={"odoo": block.settings.odoo.model_copy(update=public)})
    OdooEnvironment(settings=settings, host=block.host, repository=block.repository).save(
        project.production, overwrite=True
    )


def _settle_crons(project: RealProject) -> None:
    """Wait until Odoo's own scheduled actions have run: it looks at them every minute."""
    _wait_for_odoo(project)
    due = "SELECT count(*) FROM ir_cron WHERE active AND nextcall <= now() AT TIME ZONE 'UTC';"
    wait_until(lambda: project.sql(due).strip() == "0", "all scheduled actions have run", 180)


def _wait_for_odoo(project: RealProject) -> None:
    runtime = OdooEnvironment.open(project.production)
    with open_site(runtime.host, runtime.environment.odoo.url) as site:
        site.wait_for_login_page("erp", 180, lambda: None)


def _outcomes(project: RealProject) -> dict[str, str]:
    return {check.name: check.outcome for check in health(project.production).checks}


WELL = {layer: "not measured" if layer in {*WITHOUT_MODULE, layers.POOLER} else "passed" for layer in layers.LAYERS}


@contextmanager
def _stopped(project: RealProject, service: str) -> Iterator[None]:
    project.compose("stop", "--timeout=5", service)
    try:
        yield
    finally:
        project.compose("start", service)


def _blamed(project: RealProject) -> list[str]:
    """The layers that failed, the lowest first, with what was found."""
    with pytest.raises(VerificationFailed) as raised:
        health(project.production)
    return str(raised.value).split("\n  ")[1:]


@pytest.mark.long
def test_health_names_the_layer_when_each_is_broken_in_turn(behind_proxy: RealProject) -> None:
    project = behind_proxy
    assert _outcomes(project) == WELL
    _configure(project, websocket=False)
    project.exec("proxy", "nginx", "-s", "reload")
    not_upgraded = f"{layers.WEBSOCKET}: https://proxy/websocket is not upgraded: status 400 instead of 101."
    wait_until(lambda: _outcomes_or_blame(project) == [not_upgraded], "nginx has reloaded", 30)
    with _stopped(project, "proxy"):
        assert _blamed(project)[0].startswith(f"{layers.WEBSOCKET}: Nobody answers at https://proxy, as ")
    with _stopped(project, "db"):
        blamed = _blamed(project)
        # where that takes long, Odoo has ended meanwhile, and Docker has started it again: that is a layer below
        assert blamed[0].startswith((f"{layers.POSTGRES}: Cannot open database 'erp'", f"{layers.SERVICES}: odoo "))
        assert any(line.startswith(f"{layers.POSTGRES}: Cannot open database 'erp'") for line in blamed)
    with _stopped(project, "odoo"):  # started by hand, it counts as never started again by Docker
        assert _blamed(project)[0] == f"{layers.SERVICES}: odoo is exited with status 0"
    _wait_for_odoo(project)
    wait_until(lambda: project.running() == ["db", "odoo", "proxy"], lambda: f"still there: {project.running()}", 60)


def _outcomes_or_blame(project: RealProject) -> list[str]:
    try:
        health(project.production)
    except VerificationFailed as error:
        return str(error).split("\n  ")[1:]
    return []


def test_lost_folder_in_a_volume_that_holds_more_is_named_with_the_way_back(project: RealProject) -> None:
    folder = "/var/lib/odoo/filestore"
    project.in_data(f"mv {folder}/erp {folder}/lost")
    try:
        with pytest.raises(VerificationFailed) as raised:
            health(project.production)
    finally:  # Odoo may have made new files meanwhile
        project.in_data(
            f"mkdir --parents {folder}/erp && cp --archive {folder}/lost/. {folder}/erp/ && rm -r {folder}/lost"
        )
    assert re.search(rf"{layers.FILES}\. Next step: .*`restore`", str(raised.value))
    assert re.search(rf"^  {layers.FILES}: .*{folder}/erp/../[0-9a-f]{{40}} is lost", str(raised.value), re.MULTILINE)


def test_disk_of_postgresql_s_data_is_seen_in_its_container(project: RealProject) -> None:
    found = read_database_disk(OdooEnvironment.open(project.production))
    assert found
    device, disk = found
    assert disk.folder == project.sql("SHOW data_directory").strip()
    assert device == int(project.exec("db", "stat", "--format=%d", disk.folder))
    assert 0 < disk.free_bytes < disk.total_bytes


def test_restart_waits_for_odoo_and_leaves_postgresql_alone(behind_proxy: RealProject) -> None:
    project = behind_proxy
    before = {service: _started_at(project, service) for service in ("db", "odoo", "proxy")}
    report = restart(project.production)
    assert {check.name: check.outcome for check in report.checks[1:]} == WELL
    assert report.failed_before == ()
    after = {service: _started_at(project, service) for service in before}
    assert {service for service in before if before[service] != after[service]} == {"odoo"}


def _started_at(project: RealProject, service: str) -> str:
    return project.engine.run("inspect", "--format={{.State.StartedAt}}", project.container(service)).strip()
