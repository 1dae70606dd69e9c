"""`provision` on a real Docker engine: from nothing to an Odoo that answers, and back to it after a drift."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from artifacts import read_all_artifacts
from compose_project import ComposeProject
from deployed_flow import DeployedFlow
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from provisioned_site import ADMIN, MASTER, RUNNING, SECRETS, Provisioned, provisioned, secret_of
from real_processes import run_flow, wait_until
from real_sshd import RealSshd
from used_site import SMALL, see_it_used_and_converge

from blocks import OdooEnvironment
from deployments.engines.docker import DockerEngine
from deployments.registration import register
from flows.backup import backup
from flows.drill import drill
from flows.health import health
from flows.provision import provision
from flows.restart import restart
from flows.restore import restore
from odoo_ops.commands.image_releases import STATIC_COPIES
from odoo_ops.commands.provision import print_data_version, print_odoo_version
from odoo_ops.errors import CommandFailed, PreconditionFailed, Refused, VerificationFailed
from odoo_ops.model.plan import ProvisionReport
from odoo_ops.policy.project_fences import refuse_other_series
from tasks.locks import project_locked

pytestmark = [pytest.mark.docker, pytest.mark.odoo, pytest.mark.restic]

HOST = "erp-staging.example.com"
_ANOTHER = "services: {another: {image: example}}"
_NGINX_CONF = "config/nginx/nginx.conf"


@pytest.fixture(scope="module")
def site(
    docker: DockerEngine,
    image: Callable[[str], str],
    prefect_server: None,  # noqa: ARG001 - the server must run
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Provisioned]:
    """A staging that `provision` made from nothing. Each test leaves it as its file says."""
    wanted = {**SMALL, "master_password": {"from_env": MASTER}}
    with provisioned(docker, image, tmp_path_factory.mktemp("provisioned"), domain=HOST, wanted=wanted) as made:
        yield made


def test_login_page_comes_by_tls_and_a_second_run_plans_nothing(site: Provisioned) -> None:
    assert site.running() == RUNNING
    answer = site.login_page()
    assert answer.status_code == 200
    assert 'name="login"' in answer.text
    assert site.logs_in("admin", secret_of(ADMIN))
    assert not site.logs_in("admin", "admin")
    prepared = "SELECT extname, extowner::regrole FROM pg_extension WHERE extname IN ('pg_trgm', 'unaccent') ORDER BY 1"
    assert site.sql(prepared, "erp").split() == ["pg_trgm|postgres", "unaccent|postgres"]
    assert site.sql("SELECT provolatile FROM pg_proc WHERE oid = 'unaccent(text)'::regprocedure", "erp") == "i"
    before = site.containers()
    report = site.provision()
    assert report.plan.empty, report.plan
    assert {check.outcome for check in report.checks} == {"passed", "not measured"}, report.checks
    assert site.containers() == before


@pytest.mark.in_turn
def test_run_that_plans_nothing_fails_where_a_layer_does_unless_odoo_is_stopped_on_purpose(site: Provisioned) -> None:
    wait = "UPDATE ir_module_module SET state = '{}' WHERE name = 'base'"
    site.sql(wait.format("to upgrade"), "erp")
    try:
        assert site.provision(dry_run=True).checks == ()
        with pytest.raises(VerificationFailed, match="nothing was changed, but 1 of .*\n.*module base waits"):
            site.provision()
        with project_locked(site.name, "release"):
            report = site.provision()
        assert str(report.at_work).startswith("release (")
        page = Artifact.get(f"provision-{site.name}")
        assert page is not None
        assert "At work: release (" in str(page.data)
    finally:
        site.sql(wait.format("installed"), "erp")


def test_nginx_speaks_http_2_and_finds_nothing_deprecated(site: Provisioned) -> None:
    words = ["openssl", "s_client", "-alpn", "h2", "-connect", f"127.0.0.1:{site.https_port}", "-servername", HOST]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert b"ALPN protocol: h2" in done.stdout
    assert "deprecated" not in site.project.compose("logs", "nginx")


def _why(report: ProvisionReport) -> dict[str, str]:
    return {change.service: f"{change.action}: {change.why}" for change in report.plan.services}


def test_docker_of_another_time_makes_all_but_postgresql_anew(
    site: Provisioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in says that it is on the other side of Docker 25, which can look at services rarely."""
    major = int(site.project.engine.run("version", "--format={{.Server.Version}}").split(".")[0])
    program, other = tmp_path / "docker", "24.0.9" if major >= 25 else "25.0.0"
    program.write_text(
        f'#!/bin/sh\ncase "$1" in version) echo {other};; *) exec {shutil.which("docker")} "$@";; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    why = "recreate: its description or a file that it reads at its start differs"
    assert _why(site.provision(dry_run=True)) == dict.fromkeys(("odoo", "odoo-cron", "nginx"), why)


def test_staging_is_used_and_converges_again(site: Provisioned) -> None:
    see_it_used_and_converge(site)


def _static_copies(site: Provisioned) -> str:
    """nginx's own."""
    return site.project.exec("nginx", "find", STATIC_COPIES, "-type", "f")


def test_drift_is_named_by_a_dry_run_and_mended_by_the_next_one(site: Provisioned) -> None:
    before = site.containers()
    with site.browser() as browser:
        assert browser.get("/web/static/img/favicon.ico").status_code == 200
    assert _static_copies(site)
    conf = site.project.folder / "config/nginx/nginx.conf"
    conf.write_text(conf.read_text() + "# edited by hand\n")
    site.project.compose("stop", "--timeout=5", "odoo-cron", "db")
    engine = site.project.engine
    engine.run("network", "connect", "bridge", before["odoo"])
    engine.run("update", "--memory=256m", "--memory-swap=512m", "--restart=no", before["nginx"])
    engine.run("update", "--pids-limit=100", "--cpus=0.5", before["nginx"])
    found = site.provision(dry_run=True)
    assert [(file.path, file.change) for file in found.plan.files] == [("config/nginx/nginx.conf", "changed")]
    assert "-(a line that is not shown)" in found.plan.files[0].diff
    assert _why(found) == {
        "db": "start: its container is exited",
        "odoo": "recreate: it is in the network bridge, too",
        "odoo-cron": "start: its container is exited",
        "nginx": "recreate: its memory is limited to 256 MiB instead of 128 MiB and its processes are limited to 100 "
        "instead of 2048 and its processors are limited to 0.5 instead of nothing and its restart policy is no instead "
        "of unless-stopped",
    }
    assert not found.applied
    assert provision(site.name, dry_run=True, return_state=True).name == "Drift"
    assert site.running() == ["nginx", "odoo"]
    with project_locked(site.name, "provision"):  # as long as PostgreSQL is brought up, no other lock tells it
        assert str(health(site.name).at_work).startswith("provision (")
    assert site.provision().applied
    assert site.provision(dry_run=True).plan.empty
    assert _static_copies(site) == "", "they may be of another Odoo"
    assert (site.containers()["db"], site.containers()["odoo-cron"]) == (before["db"], before["odoo-cron"])
    assert site.running() == RUNNING


@pytest.mark.in_turn
def test_postgresql_that_was_changed_past_compose_is_mended_while_it_runs(site: Provisioned) -> None:
    before, engine, db = site.started_at("db"), site.project.engine, site.project.container("db")
    engine.run("update", "--memory=200m", "--memory-swap=400m", "--restart=no", db)
    engine.run("update", "--pids-limit=1000", "--cpus=0.5", db)
    engine.run("network", "connect", "bridge", db)
    (why,) = _why(site.provision(dry_run=True)).values()
    assert re.fullmatch(
        r"update: it is in the network bridge, too and its memory is limited to 200 MiB instead of \d+ MiB and its "
        r"processes are limited to 1000 instead of 16384 and its processors are limited to 0\.5 instead of nothing and "
        r"its restart policy is no instead of unless-stopped; that is changed while it runs",
        why,
    )
    assert site.provision().applied
    assert site.provision(dry_run=True).plan.empty
    engine.run("network", "disconnect", f"{site.project.name}_inside", db)
    assert "not in the network" in _why(site.provision(dry_run=True))["db"]
    assert site.provision().applied
    assert site.provision(dry_run=True).plan.empty
    site.project.start(*RUNNING)
    assert site.started_at("db") == before
    assert site.login_page().status_code == 200


def test_another_name_of_the_same_image_makes_no_postgresql_anew(site: Provisioned) -> None:
    before, tag = {service: site.started_at(service) for service in RUNNING}, f"odoo-ops-test/{site.name}:postgres"
    site.project.engine.run("tag", site.images["postgres"], tag)
    site.register(images={**site.images, "postgres": tag})
    try:
        assert site.provision(dry_run=True).plan.empty
        site.project.start(*RUNNING)
    finally:
        site.register()
        site.project.engine.run("rmi", tag)
    assert {service: site.started_at(service) for service in RUNNING} == before


@pytest.mark.long
def test_lost_container_and_an_edited_odoo_conf_come_back_without_touching_postgres(site: Provisioned) -> None:
    before, started = site.containers(), site.started_at("db")
    (site.project.folder / "config/odoo/odoo.conf").write_text("[options]\n")
    site.project.engine.run("rm", "--force", before["nginx"])
    report = site.provision()
    assert _why(report)["nginx"].startswith("create")
    assert site.provision(dry_run=True).plan.empty
    assert (site.containers()["db"], site.started_at("db")) == (before["db"], started)
    assert site.login_page().status_code == 200


@pytest.mark.long
def test_what_compose_would_leave_as_it_is_comes_back_too(site: Provisioned) -> None:
    """A container that was paused, one too many of a service, and a mounted folder that was removed."""
    before = site.containers()
    site.project.engine.run("pause", before["odoo"])
    site.project.compose("up", "--detach", "--no-recreate", "--scale=odoo-cron=2", "odoo-cron")
    shutil.rmtree(site.project.folder / "config/nginx")
    report = site.provision()
    assert _why(report) == {
        "odoo": "recreate: its container is paused",
        "odoo-cron": "recreate: it has 2 containers instead of one",
        "nginx": "restart: its folder config/nginx/ was lost",
    }
    assert site.login_page().status_code == 200
    assert site.provision(dry_run=True).plan.empty
    assert site.containers()["db"] == before["db"]


@pytest.mark.in_turn
def test_settings_of_postgres_that_were_edited_are_taken_back_by_a_reload(site: Provisioned) -> None:
    before, former = {service: site.started_at(service) for service in RUNNING}, site.sql("SHOW work_mem")
    conf = site.project.folder / "config/postgres/postgresql.conf"
    conf.write_text(conf.read_text() + "work_mem = 77kB\n")
    site.sql("SELECT pg_reload_conf()")
    wait_until(lambda: site.sql("SHOW work_mem") == "77kB", "PostgreSQL reads its file")
    report = site.provision()
    assert [file.path for file in report.plan.files] == ["config/postgres/postgresql.conf"]
    assert _why(report) == {"db": "reload: config/postgres/postgresql.conf changed"}
    wait_until(lambda: site.sql("SHOW work_mem") == former, "PostgreSQL reads its file")
    assert {service: site.started_at(service) for service in RUNNING} == before


@pytest.mark.long
def test_restart_of_postgres_is_asked_for_and_waited_for_while_odoo_is_stopped(
    site: Provisioned, tmp_path: Path
) -> None:
    before = {service: site.started_at(service) for service in RUNNING}
    site.sql("ALTER SYSTEM SET max_connections = 99")
    try:
        assert site.provision(dry_run=True).plan.waiting == ("max_connections",)
        with _watched(site, tmp_path / "events") as told:
            report = restart(site.name, database=True)
            wait_until(lambda: "start odoo-cron" in told(), lambda: str(told()))
        in_order = ["stop odoo", "start db", "start odoo", "health_status: healthy odoo", "start odoo-cron"]
        assert told()[: len(in_order)] == in_order
        assert [check for check in report.checks if check.outcome == "failed"] == []
        assert site.sql("SHOW max_connections") == "99"
        assert {name for name in RUNNING if site.started_at(name) == before[name]} == {"nginx"}
    finally:
        site.sql("ALTER SYSTEM RESET max_connections")
        restart(site.name, database=True)
    assert site.provision(dry_run=True).plan.waiting == ()


@contextmanager
def _watched(site: Provisioned, file: Path) -> Iterator[Callable[[], list[str]]]:
    """What Docker tells of the project's services while the block runs, from the stop of Odoo on.

    Asked afterwards it knows the last 256 events of the whole engine, which others fill.
    """
    shown = '--format={{.Action}} {{index .Actor.Attributes "com.docker.compose.service"}}'
    chosen = (
        f"--filter=label=com.docker.compose.project={site.name}",
        "--filter=label=com.docker.compose.oneoff=False",
        f"--since={time.time():.3f}",
    )
    expected = {"stop odoo", "start db", "start odoo", "health_status: healthy odoo", "start odoo-cron"}

    def told() -> list[str]:
        lines = [line for line in file.read_text().splitlines() if line in expected]
        return lines[lines.index("stop odoo") :] if "stop odoo" in lines else []

    command = ["docker", "events", *chosen, shown]
    environment = {**os.environ, **site.project.engine.variables}
    with file.open("w") as output, subprocess.Popen(command, env=environment, stdout=output) as events:
        try:
            yield told
        finally:
            events.terminate()


@pytest.mark.long
def test_database_that_was_lost_comes_back_from_its_backup_and_is_not_made_anew(site: Provisioned) -> None:
    assert backup(site.name).damaged_total == 0
    site.sql("DROP DATABASE erp WITH (FORCE)")
    found = site.provision(dry_run=True)
    assert (found.plan.lost_database, found.plan.new_database) == (True, False)
    with pytest.raises(PreconditionFailed, match=r"was there before and is lost.*Next step: run `restore`"):
        site.provision()
    assert restore(site.name).checks
    assert site.provision(dry_run=True).plan.empty
    assert site.logs_in("admin", secret_of(ADMIN))


def test_backup_is_drilled_in_the_same_project_by_a_role_that_the_drill_makes(site: Provisioned) -> None:
    before = site.containers()
    assert backup(site.name).damaged_total == 0
    assert site.project.run("toolbox", "ls", "/var/cache/restic"), "restic found no place for its cache"
    assert site.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'erp-drill'") == "0"
    report = drill(site.name, site.drill)
    assert report.verified, report.checks
    assert site.sql("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = 'erp-drill'") == "f|f"
    assert site.containers() == before
    assert site.running() == RUNNING


def test_drill_leaves_the_password_of_a_role_that_is_there(site: Provisioned) -> None:
    site.sql("""DO $$ BEGIN CREATE ROLE "erp-drill" LOGIN; EXCEPTION WHEN duplicate_object THEN END $$""")
    site.sql("""ALTER ROLE "erp-drill" PASSWORD 'of-another-odoo'""")
    with pytest.raises(PreconditionFailed, match='password authentication failed for user "erp-drill"'):
        drill(site.name, site.drill)


@pytest.mark.in_turn
def test_lost_volumes_are_refused_and_come_back_from_a_backup_when_their_loss_is_accepted(site: Provisioned) -> None:
    assert backup(site.name).damaged_total == 0
    lost = [f"{site.project.name}_{volume}" for volume in ("database", "data")]
    site.project.compose("down")
    site.project.engine.run("volume", "rm", *lost)
    with pytest.raises(Refused, match=f"missing on .*: {' and '.join(lost)} .*Nothing was changed.*loss_accepted"):
        site.provision()
    assert site.project.compose("ps", "--all", "--quiet") == ""
    with pytest.raises(PreconditionFailed, match=r"in database and data is lost, as was accepted.*run `restore`"):
        provision(site.name, loss_accepted=True)
    assert site.running() == ["db"]
    with pytest.raises(Refused, match=rf"missing on .*: {lost[1]} \("):
        site.provision()
    assert restore(site.name).checks
    assert site.provision().applied
    assert site.provision(dry_run=True).plan.empty
    data = b"written by Odoo"
    with site.browser() as browser:
        assert browser.logs_in("admin", secret_of(ADMIN))
        assert browser.fetch(browser.attach(data)) == data


def test_project_that_was_made_by_hand_is_left_alone(site: Provisioned) -> None:
    record = site.project.folder / ".odoo-ops.json"
    noted = record.read_text()
    record.unlink()
    try:
        with pytest.raises(Refused, match=r"was not made by `provision`: it has a container of .*Nothing was changed"):
            site.provision()
    finally:
        record.write_text(noted)
    assert site.provision(dry_run=True).plan.empty


@pytest.mark.parametrize(
    ("name", "text"), [("compose.override.yaml", _ANOTHER), (".env", "COMPOSE_FILE=compose.yaml:another.yaml\n")]
)
def test_file_that_compose_would_follow_unseen_is_refused(site: Provisioned, name: str, text: str) -> None:
    before, folder = site.containers(), site.project.folder
    added = [folder / name, folder / "another.yaml"]
    for path, content in zip(added, (text, _ANOTHER), strict=True):
        path.write_text(content)
    try:
        assert "another" in site.project.compose("config", "--services").split(), "Compose follows it"
        with pytest.raises(Refused, match=rf"{folder} holds {re.escape(name)}.*Nothing was changed. Next step: "):
            site.provision(dry_run=True)
    finally:
        for path in added:
            path.unlink()
    assert site.provision(dry_run=True).plan.empty
    assert site.containers() == before


@pytest.mark.in_turn
def test_secrets_that_others_may_see_are_closed_again(site: Provisioned) -> None:
    folder = site.project.folder / "secrets"
    folder.chmod(0o755)
    assert [file.path for file in site.provision().plan.files] == ["secrets/"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_other_database_in_the_same_folder_is_refused(site: Provisioned) -> None:
    before = site.containers()
    site.register(database="another")
    try:
        with pytest.raises(Refused, match=r"database was 'erp' and is 'another' now.*Nothing was changed"):
            site.provision()
    finally:
        site.register()
    assert site.containers() == before


def test_another_environment_in_the_same_folder_is_refused(site: Provisioned, tmp_path: Path) -> None:
    """Described on another machine: one file with both is refused already."""
    before, another = site.containers(), f"{site.name}-another"
    file = yaml.safe_load(site.described.read_text())
    file["environments"] = {another: file["environments"][site.name]}
    (tmp_path / "another.yaml").write_text(yaml.safe_dump(file))
    register(tmp_path)
    with pytest.raises(Refused, match=f"environment was '{site.name}' and is '{another}' now.*Nothing was changed"):
        provision(another)
    assert site.containers() == before


def _refuses_image(site: Provisioned, folder: Path, service: str, made: str, why: str) -> None:
    """A stand-in that is `made` of a service's image is refused: there is no second image of any."""
    before, other = site.containers(), f"odoo-ops-test:other-{service}"
    (folder / "Dockerfile").write_text(f"FROM {site.images[service]}\n{made}\n")
    site.project.engine.run("build", f"--tag={other}", str(folder))
    site.register(images={**site.images, service: other})
    try:
        with pytest.raises(Refused, match=rf"{why.format(other=other)}.*Nothing was changed"):
            site.provision()
    finally:
        site.register()
        site.project.engine.run("rmi", other)
    assert site.containers() == before


def _says(program: str, words: str) -> str:
    """What makes a program of an image say so."""
    return f"""USER root\nRUN printf '#!/bin/sh\\necho "{words}"\\n' >{program} && chmod 755 {program}"""


def test_image_whose_odoo_could_not_write_to_the_filestore_is_refused(site: Provisioned, tmp_path: Path) -> None:
    other_user = "USER root\nRUN usermod --uid 4321 odoo\nUSER odoo"
    _refuses_image(site, tmp_path, "odoo", other_user, r"Odoo's data belongs to \d+:\d+, and Odoo in {other} is 4321:")


def test_image_of_another_postgresql_is_refused_where_data_is(site: Provisioned, tmp_path: Path) -> None:
    other_major = _says("/usr/local/bin/postgres", "postgres (PostgreSQL) 99.1")
    _refuses_image(site, tmp_path, "postgres", other_major, r"made by PostgreSQL \d+, and {other} is PostgreSQL 99,")


def test_toolbox_for_an_older_postgresql_is_refused(site: Provisioned, tmp_path: Path) -> None:
    older = _says("$(command -v pg_dump)", "pg_dump (PostgreSQL) 16.1")
    why = "{other} holds the programs of PostgreSQL 16, and .* is PostgreSQL 17"
    _refuses_image(site, tmp_path, "toolbox", older, why)


def test_image_of_a_postgresql_that_keeps_its_data_elsewhere_is_refused(site: Provisioned, tmp_path: Path) -> None:
    why = "{other} keeps its data in a folder for each major version"
    _refuses_image(site, tmp_path, "postgres", "VOLUME /var/lib/postgresql", why)


def test_database_of_another_series_of_odoo_is_refused(site: Provisioned) -> None:
    """One that says so: of none is there a second image here."""
    before = site.containers()
    version = site.sql("SELECT latest_version FROM ir_module_module WHERE name = 'base'", "erp")
    site.sql("UPDATE ir_module_module SET latest_version = '18.0.1.3' WHERE name = 'base'", "erp")
    try:
        with pytest.raises(Refused, match=r"The database is one of Odoo 18\.0, .* names Odoo 19\.0"):
            site.provision()
    finally:
        site.sql(f"UPDATE ir_module_module SET latest_version = '{version}' WHERE name = 'base'", "erp")
    assert site.containers() == before


def test_image_of_another_series_of_odoo_is_refused(site: Provisioned, tmp_path: Path) -> None:
    """The image itself is asked as it comes."""
    said = site.project.engine.run(*print_odoo_version(site.images["odoo"], ["odoo"], "odoo-ops-test-version").argv[1:])
    refuse_other_series(named="19.0", image="odoo", printed=said, database="")
    assert "19.0" in said
    other_series = f"{_says('/usr/bin/odoo', 'Odoo Server 18.0-20260101')}\nUSER odoo"
    _refuses_image(site, tmp_path, "odoo", other_series, r"{other} is Odoo 18\.0, .* names Odoo 19\.0")


@pytest.mark.in_turn
@pytest.mark.parametrize("gone", [("rm", "--stop", "--force"), ("stop",)])
def test_filestore_in_which_odoo_could_not_write_is_refused(site: Provisioned, gone: tuple[str, ...]) -> None:
    """As one is that root brought back by hand; whether Odoo is made or only started."""
    before = site.containers()
    filestore = "/var/lib/odoo/filestore/erp"
    site.project.run("toolbox-restore", "chown", "0:0", filestore)
    site.project.compose(*gone, "odoo-cron")
    try:
        with pytest.raises(Refused, match=r"Odoo's data belongs to 0:0, and Odoo in .*Nothing was changed"):
            site.provision()
    finally:
        site.project.run("toolbox-restore", "chown", "--reference=/var/lib/odoo", filestore)
        site.provision()
    assert site.containers()["odoo"] == before["odoo"]


@pytest.mark.in_turn
def test_container_of_another_image_is_named_and_mended(site: Provisioned, tmp_path: Path) -> None:
    engine, tag = site.project.engine, f"odoo-ops-test/{site.name}:nginx"
    engine.run("tag", site.images["nginx"], tag)
    site.register(images={**site.images, "nginx": tag})
    try:
        site.provision()
        (tmp_path / "Dockerfile").write_text(f"FROM {site.images['nginx']}\nLABEL edition=second\n")
        engine.run("build", f"--tag={tag}", str(tmp_path))
        assert _why(site.provision(dry_run=True)) == {"nginx": f"recreate: it does not run the image {tag}"}
        site.provision()
        running = engine.run("inspect", "--format={{.Image}}", site.project.container("nginx"))
        assert running == engine.run("image", "inspect", "--format={{.Id}}", tag)
    finally:
        site.register()
        site.provision()
        engine.run("rmi", tag)


def test_version_of_the_data_is_read_by_an_image_of_another_user(site: Provisioned, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {site.images['postgres']}\nUSER 4321\n")
    site.project.engine.run("build", "--tag=odoo-ops-test:other-user", str(tmp_path))
    command = print_data_version("odoo-ops-test:other-user", f"{site.project.name}_database")
    try:
        major = site.sql("SHOW server_version_num")[:-4]
        assert site.project.engine.run(*command.argv[1:]).strip() == major
    finally:
        site.project.engine.run("rmi", "odoo-ops-test:other-user")


def test_image_that_cannot_be_had_is_named_before_anything_changes(site: Provisioned) -> None:
    before = site.containers()
    site.register(images={**site.images, "odoo": "127.0.0.1:1/odoo:19.0"})
    try:
        with pytest.raises(CommandFailed, match=r"(?s)docker pull .*127.0.0.1:1/odoo:19.0.*Next step: see that"):
            site.provision()
    finally:
        site.register()
    assert site.containers() == before
    assert site.provision(dry_run=True).plan.empty


def test_misspelt_folder_of_addons_is_refused_and_not_made(site: Provisioned, tmp_path: Path) -> None:
    misspelt = tmp_path / "adons"
    site.register(addons=[str(misspelt)])
    try:
        with pytest.raises(Refused, match=rf"no folder is at {misspelt} .*Nothing was changed"):
            site.provision()
    finally:
        site.register()
    assert not misspelt.exists()


@pytest.mark.long
def test_another_password_reaches_postgres_and_odoo(site: Provisioned, monkeypatch: pytest.MonkeyPatch) -> None:
    before = site.containers()
    with monkeypatch.context() as patch:
        patch.setenv("TEST_ODOO_PASSWORD", "another")
        patch.setenv("TEST_POSTGRES_PASSWORD", "one more")
        site.register()
        report = site.provision()
        secret_files = [("secrets/odoo_password", ""), ("secrets/postgres_password", "")]
        assert [(file.path, file.diff) for file in report.plan.files] == secret_files
        restarted = "restart: secrets/odoo_password changed"
        assert _why(report) == {"odoo": restarted, "odoo-cron": restarted}
        assert site.login_page().status_code == 200
    site.register()
    assert site.provision().applied
    assert site.containers() == before


def test_other_projects_that_may_take_the_rest_of_the_memory_are_told(
    site: Provisioned, docker: DockerEngine, tmp_path: Path
) -> None:
    service = {"image": site.images["nginx"], "entrypoint": ["sleep", "600"], "mem_limit": "1000g"}
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump({"services": {"greedy": service}}))
    with ComposeProject.made(docker, tmp_path) as neighbour:
        neighbour.compose("up", "--detach")
        plan = site.provision(dry_run=True).plan
    assert re.search(r"Containers of other projects .* may take 1\.1 TB of memory", plan.crowded)
    assert plan.empty, "it is no drift"
    assert plan.machine is not None
    assert neighbour.name in plan.machine.neighbours
    assert site.name not in plan.machine.neighbours
    assert any(port.endswith(f":{site.https_port}") for port in plan.machine.ports)


@pytest.mark.in_turn
def test_passwords_that_were_changed_in_postgresql_are_named_and_given_back(site: Provisioned) -> None:
    """As a volume that was brought back from a copy has them: nobody can log in."""
    before = site.containers()
    for role in ("postgres", OdooEnvironment.open(site.name).environment.database.user):
        site.sql(f"ALTER ROLE \"{role}\" PASSWORD 'of a former time'")
        assert "PostgreSQL cannot be asked" in site.provision(dry_run=True).plan.summary
        assert site.provision().applied
    assert site.login_page().status_code == 200
    assert site.containers() == before
    assert site.provision(dry_run=True).plan.empty


@pytest.mark.in_turn
def test_run_that_is_killed_when_it_has_written_is_finished_by_the_next_one(site: Provisioned, tmp_path: Path) -> None:
    conf = site.project.folder / "config/nginx/nginx.conf"
    former = conf.read_text()
    site.register(body_limit_bytes=2**20)
    try:
        run = run_flow("provision", site.name, log=tmp_path / "provision.log")
        run.wait_until(lambda: conf.read_text() != former, "nginx's file is written")
        run.kill()
        site.free_limit()
        assert {file.path: file.change for file in site.provision().plan.files}[_NGINX_CONF] == "unfinished"
        with site.browser() as browser:
            assert browser.post("/web/login", content=bytes(2**20 + 1)).status_code == 413
        assert site.provision(dry_run=True).plan.empty
    finally:
        site.register()
        site.provision()


@pytest.mark.sshd
@pytest.mark.long
def test_drift_is_mended_on_a_machine_by_ssh(
    site: Provisioned, sshd_program: Path, tmp_path: Path, docker: DockerEngine
) -> None:
    with RealSshd.run(sshd_program, tmp_path, docker.variables) as running:
        site.register(host={"connection": running.connection(), "python": sys.executable})
        try:
            assert site.provision(dry_run=True).plan.empty
            (site.project.folder / "config/nginx/nginx.conf").write_text("events {}\n")
            assert _why(site.provision()) == {"nginx": "reload: config/nginx/nginx.conf changed"}
            assert site.login_page().status_code == 200
        finally:
            site.register()


def test_secrets_are_in_their_folder_and_nowhere_else(site: Provisioned) -> None:
    site.provision(dry_run=True)
    canaries = {secret_of(name) for name in (*SECRETS.values(), ADMIN, MASTER)}
    in_files = {file: canary for file in _files(site.project.folder) for canary in canaries if canary in _text(file)}
    assert {str(file.relative_to(site.project.folder)) for file in in_files} == {
        "secrets/odoo_password",
        "secrets/postgres_password",
    }
    assert (site.project.folder / "secrets").stat().st_mode & 0o777 == 0o700
    hashed = "admin_passwd = $pbkdf2-sha512$"
    assert hashed in site.project.exec("odoo", "cat", "/etc/odoo/odoo.conf")
    canaries.add(hashed)
    assert [
        str(file.relative_to(site.project.folder)) for file in _files(site.project.folder) if hashed in _text(file)
    ] == ["secrets/odoo/odoo.conf"]
    with get_client(sync_client=True) as client:
        told = [str(artifact.data) for artifact in read_all_artifacts(client)]
    told += [site.project.engine.run("inspect", container) for container in site.containers().values()]
    told += [site.project.compose("top"), site.project.compose("logs")]
    assert not [canary for canary in canaries for text in told if canary in text]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _text(file: Path) -> str:
    return file.read_bytes().decode(errors="replace")


@pytest.mark.in_turn
def test_plan_for_production_waits_for_its_approval(site: Provisioned, tmp_path: Path) -> None:
    """The last one here: it leaves the site as production."""
    before = site.containers()
    ids = {
        name: site.project.engine.run("image", "inspect", "--format={{.Id}}", tag) for name, tag in site.images.items()
    }
    production = {"images": {name: image.strip() for name, image in ids.items()}, "tls": {"kind": "none"}}
    site.register(stage="production", addons=[], cors_origins=[], **production)
    with DeployedFlow.of(provision, tmp_path) as deployed:
        run = deployed.run(environment=site.name)
        plan = deployed.asked(run)
        assert f"Plan `{plan}`; nothing was changed" in deployed.page_of(run)
        assert site.containers() == before
        site.register(stage="production", addons=[], cors_origins=[], body_limit_bytes=2**20, **production)
        state = deployed.approve(run, plan)
        assert state.is_failed()
        assert f"no longer the plan {plan}" in str(state.message)
        assert site.containers() == before
        run = deployed.run(environment=site.name)
        state = deployed.approve(run, deployed.asked(run))
        assert state.is_completed(), state.message
    assert site.provision(dry_run=True).plan.empty
    assert "production" in (site.project.folder / "compose.yaml").read_text()
