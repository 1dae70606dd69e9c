import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest
from described_containers import container
from provisioned import described
from pydantic import SecretStr

from odoo_ops.commands import provision
from odoo_ops.errors import PreconditionFailed, Refused
from odoo_ops.model.command import Command
from odoo_ops.model.environment import Environment
from odoo_ops.model.plan import (
    ClusterFacts,
    FileChange,
    PresentFile,
    ProjectRecord,
    ProvisionPlan,
    ServiceChange,
    WantedService,
)
from odoo_ops.model.provision import HostFacts, ProjectFile, Provisioning
from odoo_ops.model.runtimes import ComposeProject, Container
from odoo_ops.policy.docker_versions import has_start_interval, refuse_old_docker
from odoo_ops.policy.project_fences import (
    concerns_production,
    refuse_lost_volumes,
    refuse_other_data_folder,
    refuse_other_major,
    refuse_other_owner,
    refuse_other_project,
    refuse_other_series,
    refuse_unfit_machine,
    refuse_unfit_toolbox,
    refuse_what_compose_adds,
)
from odoo_ops.policy.project_plans import (
    described_project,
    file_changes,
    folder_changes,
    images_to_pull,
    may_be_anothers_work,
    provision_plan,
    service_changes,
)

RECORD = ProjectRecord(environment="shop", project="shop", database="erp", stage="staging")
HAD_ONE = RECORD.model_copy(update={"has_database": True})
SHOP = ComposeProject(project="shop", folder="/srv/shop")
PASSWORD = FileChange(path="secrets/odoo_password", change="changed", diff="")
NGINX = FileChange(path="config/nginx/nginx.conf", change="changed", diff="")


def file(path: str, text: str, *, secret: bool = False, mode: int = 0o644) -> ProjectFile:
    return ProjectFile(path=path, content=SecretStr(text), mode=mode, secret=secret)


def service(name: str, *, image_id: str | None = "sha256:1", config_hash: str | None = "a") -> WantedService:
    return WantedService(
        name=name,
        image=f"{name}:1",
        image_id=image_id,
        config_hash=config_hash,
        networks=("shop_inside",),
        memory_bytes=2**30,
        pids_limit=2048,
        nano_cpus=0,
        restart_policy="unless-stopped",
    )


def changes(*containers: Container, files: tuple[FileChange, ...] = ()) -> list[tuple[str, str]]:
    wanted = (service("nginx"), service("toolbox", config_hash=None))
    return [(change.service, change.action) for change in service_changes(wanted, containers, files)]


def test_files_are_written_where_they_differ_and_only_then() -> None:
    present = {
        "same": PresentFile(text="a\n", mode=0o644),
        "other": PresentFile(text="a = old\n", mode=0o644),
        "open": PresentFile(text="a\n", mode=0o666),
        "unfinished": PresentFile(text="a\n", mode=0o644),
    }
    wanted = [file("same", "a\n"), file("other", "a = new\n"), file("open", "a\n"), file("missing", "a\n")]
    wanted.append(file("unfinished", "a\n"))
    found = {change.path: change for change in file_changes(wanted, present, ["unfinished", "other"])}
    assert {path: change.change for path, change in found.items()} == {
        "other": "changed",
        "open": "mode",
        "missing": "new",
        "unfinished": "unfinished",
    }
    assert found["other"].diff.splitlines()[-2:] == ["-a = old", "+a = new"]


def test_content_of_a_secret_is_in_no_plan() -> None:
    present = {"secrets/key": PresentFile(text="former-secret", mode=0o444)}
    (change,) = file_changes([file("secrets/key", "new-secret", secret=True)], present, ())
    assert change == FileChange(path="secrets/key", change="changed", diff="")


@pytest.mark.parametrize(
    ("containers", "files", "expected"),
    [
        ((), (), [("nginx", "create")]),
        ((container(service="nginx"),), (), []),
        ((container(service="nginx"),), (NGINX,), [("nginx", "reload")]),
        ((container(service="nginx"),), (PASSWORD,), []),
        ((container(service="nginx", config_hash="b"),), (NGINX,), [("nginx", "recreate")]),
        ((container(service="nginx", image="sha256:2"),), (), [("nginx", "recreate")]),
        ((container(service="nginx", state="exited"),), (NGINX,), [("nginx", "start")]),
        ((container(service="nginx", health="unhealthy"),), (), [("nginx", "recreate")]),
        ((container(service="nginx", state="paused"),), (), [("nginx", "recreate")]),
        ((container(service="nginx", state="restarting"),), (), [("nginx", "recreate")]),
        ((container(service="nginx"), container(service="nginx")), (), [("nginx", "recreate")]),
        ((container(service="nginx", health="starting"),), (), []),
        ((container(service="nginx", health="unhealthy", state="exited"),), (), [("nginx", "start")]),
        ((container(service="nginx"), container(service="former")), (), [("former", "remove")]),
    ],
)
def test_services_change_only_for_a_reason(
    containers: tuple[Container, ...], files: tuple[FileChange, ...], expected: list[tuple[str, str]]
) -> None:
    assert changes(*containers, files=files) == expected


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"networks": {"bridge": {}, "shop_inside": {}}}, "it is in the network bridge, too"),
        ({"networks": {}}, "it is not in the network shop_inside"),
        ({"memory_bytes": 2**29}, "its memory is limited to 512 MiB instead of 1024 MiB"),
        ({"pids_limit": 100}, "its processes are limited to 100 instead of 2048"),
        ({"pids_limit": -1}, "its processes are limited to nothing instead of 2048"),
        ({"nano_cpus": 500_000_000}, "its processors are limited to 0.5 instead of nothing"),
        ({"restart_policy": "no"}, "its restart policy is no instead of unless-stopped"),
    ],
)
def test_container_that_was_changed_past_compose_is_made_anew(changed: dict[str, object], why: str) -> None:
    (change,) = service_changes([service("nginx")], [container(service="nginx", **changed)], [])
    assert (change.action, change.why) == ("recreate", why)


def test_postgresql_that_was_changed_past_compose_is_not_stopped_for_that() -> None:
    changed = {"networks": {"bridge": {}, "shop_inside": {}}, "memory_bytes": 2**29, "restart_policy": "no"}
    reload = FileChange(path="config/postgres/postgresql.conf", change="changed", diff="")
    wanted = [service("db"), service("odoo")]
    odoo = container(service="odoo")
    update, reloaded = service_changes(wanted, [container(service="db", **changed), odoo], [reload])
    assert (update.service, update.action, reloaded.action) == ("db", "update", "reload")
    assert update.why == (
        "it is in the network bridge, too and its memory is limited to 512 MiB instead of 1024 MiB and its restart "
        "policy is no instead of unless-stopped; that is changed while it runs"
    )
    for not_well in ({"config_hash": "b"}, {"state": "exited"}):
        found = service_changes(wanted, [container(service="db", **changed, **not_well), odoo], [])
        assert [change.action for change in found] == ["recreate", "restart"]
        assert "its memory is limited to 512 MiB" in found[0].why


@pytest.mark.parametrize("state", ["exited", "paused"])
def test_pgbouncer_is_restarted_when_postgresql_may_get_another_address(state: str) -> None:
    wanted, pooler = [service("db"), service("pgbouncer")], container(service="pgbouncer")
    pool = FileChange(path="config/pgbouncer/pgbouncer.ini", change="changed", diff="")
    for files in ([], [pool]):
        _, change = service_changes(wanted, [container(service="db", state=state), pooler], files)
        assert (change.service, change.action) == ("pgbouncer", "restart")
    (change,) = service_changes(wanted, [container(service="db"), pooler], [pool])
    assert change.action == "reload"
    assert service_changes(wanted, [container(service="db"), pooler], []) == ()


@pytest.mark.parametrize("unlimited", [{"memory_bytes": 0}, {"pids_limit": None}])
def test_limit_that_the_kernel_does_not_know_is_no_drift(unlimited: dict[str, object]) -> None:
    assert service_changes([service("nginx")], [container(service="nginx", **unlimited)], []) == ()


def test_processors_that_the_file_asks_for_are_no_drift() -> None:
    """Compose counts with less precision than Docker."""
    wanted = service("nginx").model_copy(update={"nano_cpus": 300_000_000})
    assert service_changes([wanted], [container(service="nginx", nano_cpus=300_000_012)], []) == ()
    (change,) = service_changes([wanted], [container(service="nginx")], [])
    assert change.why == "its processors are limited to nothing instead of 0.3"


def test_odoo_is_restarted_for_another_password() -> None:
    (change,) = service_changes([service("odoo")], [container(service="odoo")], [PASSWORD])
    assert (change.action, change.why) == ("restart", "secrets/odoo_password changed")


@pytest.mark.parametrize(
    ("record", "has_data", "has_database", "expected"),
    [
        (None, False, None, (True, False)),
        (RECORD, True, False, (True, False)),
        (RECORD, True, True, (False, False)),
        (RECORD, True, None, (False, False)),
        (HAD_ONE, True, False, (False, True)),
        (HAD_ONE, False, None, (False, True)),
        (HAD_ONE, True, True, (False, False)),
    ],
)
def test_database_is_made_only_where_there_never_was_one(
    record: ProjectRecord | None, has_database: bool | None, expected: tuple[bool, bool], *, has_data: bool
) -> None:
    plan = provision_plan(
        "shop",
        record,
        files=(),
        services=(),
        containers=(),
        lost_folders=(),
        has_data=has_data,
        cluster=ClusterFacts(has_database=has_database),
    )
    assert (plan.new_database, plan.lost_database) == expected


@pytest.mark.parametrize(
    ("names", "variables", "found"),
    [
        (["compose.yaml", "compose.override.yaml"], "", "/srv/erp holds compose.override.yaml: "),
        (["docker-compose.override.yml", "config"], "", "/srv/erp holds docker-compose.override.yml: "),
        ([".env"], "# ours\nCOMPOSE_FILE=a.yaml:b.yaml\n", "/srv/erp holds .env with COMPOSE_FILE: "),
        ([".env"], "export COMPOSE_PROFILES = x\nA=1", "/srv/erp holds .env with COMPOSE_PROFILES: "),
    ],
)
def test_what_compose_would_add_to_the_project_is_refused(names: list[str], variables: str, found: str) -> None:
    with pytest.raises(Refused, match=f"^{found}.*Nothing was changed. Next step: "):
        refuse_what_compose_adds("/srv/erp", names, variables)


def test_variables_of_others_and_the_release_s_file_are_no_matter_of_compose() -> None:
    names = ["compose.yaml", "compose.release.yaml", "config", "secrets"]
    refuse_what_compose_adds("/srv/erp", names, "# COMPOSE_FILE=a\nA_COMPOSE_FILE=b\nA=COMPOSE_FILE=c")


def test_lost_volumes_are_named_with_the_way_out_for_moved_and_for_lost_ones() -> None:
    refuse_lost_volumes("shop", (), "here")
    said = r"missing on here: shop_database and shop_data .*Nothing was changed.*renamed.*loss_accepted.*`restore`"
    with pytest.raises(Refused, match=said):
        refuse_lost_volumes("shop", ("database", "data"), "here")


def _plan(
    cluster: ClusterFacts | None = None, *, certificate: str = "", lost_volumes: tuple[str, ...] = ()
) -> ProvisionPlan:
    """That of a project which is as it should be but for this."""
    return provision_plan(
        "shop",
        HAD_ONE,
        files=(),
        services=(),
        containers=(),
        lost_folders=(),
        has_data=True,
        lost_volumes=lost_volumes,
        cluster=cluster or ClusterFacts(),
        certificate=certificate,
    )


@pytest.mark.parametrize(("lost", "lost_database"), [(("database",), True), (("data",), False)])
def test_accepted_loss_is_in_the_plan(lost: tuple[str, ...], *, lost_database: bool) -> None:
    plan = _plan(lost_volumes=lost)
    assert (plan.new_database, plan.lost_database, plan.empty) == (False, lost_database, False)
    assert f"accept the loss of the volume {lost[0]}" in plan.summary.lower()


def test_certificate_that_is_needed_is_a_reason_to_act() -> None:
    plan = _plan(ClusterFacts(has_database=True), certificate="there is none")
    assert (plan.empty, plan.summary) == (False, "Get a certificate.")


def test_postgresql_that_cannot_be_asked_is_no_sign_that_nothing_differs() -> None:
    plan = _plan(ClusterFacts(unasked="authentication failed"))
    assert not plan.empty
    assert plan.digest == plan.model_copy(update={"unasked": "authentication failed at another socket"}).digest
    assert plan.digest != plan.model_copy(update={"unasked": ""}).digest
    assert plan.summary == "PostgreSQL cannot be asked: give its roles their passwords."


def test_images_that_are_not_there_are_fetched_once_those_of_profiles_too() -> None:
    missing = [service("toolbox", image_id=None, config_hash=None), service("nginx"), service("toolbox", image_id=None)]
    assert images_to_pull(missing) == ("toolbox:1",)


@pytest.mark.parametrize(
    ("changed", "anothers"),
    [
        ({}, True),
        ({"services": (ServiceChange(service="odoo", action="recreate", why=""),), "unsettled": True}, True),
        ({"services": (ServiceChange(service="redis", action="remove", why=""),)}, False),
        ({"services": (ServiceChange(service="db", action="update", why=""),)}, False),
        ({"files": (FileChange(path="compose.yaml", change="changed", diff=""),)}, True),
        ({"files": (FileChange(path="compose.yaml", change="mode", diff=""),)}, False),
        ({"files": (FileChange(path="config/odoo/odoo.conf", change="unfinished", diff=""),)}, True),
        ({"files": (FileChange(path="config/odoo/odoo.conf", change="changed", diff=""),)}, False),
        ({"files": (FileChange(path="secrets/", change="mode", diff=""),)}, False),
        ({"lost_database": True}, False),
        ({"unasked": "no such role"}, False),
    ],
)
def test_run_that_stops_odoo_is_an_excuse_for_what_it_changes_alone(
    changed: dict[str, object], *, anothers: bool
) -> None:
    assert may_be_anothers_work(ProvisionPlan(environment="shop").model_copy(update=changed)) == anothers


def test_plan_of_nothing_is_empty_and_another_plan_has_another_digest() -> None:
    nothing = ProvisionPlan(environment="shop", waiting=("max_connections",))
    start = ProvisionPlan(
        environment="shop", services=(ServiceChange(service="db", action="start", why="it is exited"),)
    )
    assert (nothing.empty, nothing.summary) == (True, "Nothing differs.")
    assert (start.empty, start.summary) == (False, "Start db.")
    assert start.digest != nothing.digest


@pytest.mark.parametrize(
    ("data", "image", "fits"),
    [
        ("", "postgres (PostgreSQL) 18.1", True),
        ("17", "postgres (PostgreSQL) 17.6 (Debian 17.6-0+deb13u1)", True),
        ("17", "postgres (PostgreSQL) 18.1", False),
        ("17", "", False),
    ],
)
def test_data_of_another_major_version_is_refused(data: str, image: str, *, fits: bool) -> None:
    if fits:
        refuse_other_major(data, image, "postgres:x")
    else:
        with pytest.raises(Refused, match=r"made by PostgreSQL 17, and postgres:x is PostgreSQL .*Next step: "):
            refuse_other_major(data, image, "postgres:x")


@pytest.mark.parametrize(
    ("server", "toolbox", "found"),  # what is told of a toolbox that is refused
    [
        (17, "pg_dump (PostgreSQL) 17.2 (Debian 17.2-1.pgdg120+1)", None),
        (17, "pg_dump (PostgreSQL) 18.1", None),
        (15, "pg_dump (PostgreSQL) 16.9", None),
        (17, "pg_dump (PostgreSQL) 16.9", "16"),
        (17, "", "of an unknown version"),
        (16, "pg_dump (PostgreSQL) 17.2", "17"),  # it backs up, and restores nothing
    ],
)
def test_toolbox_that_cannot_back_up_and_restore_the_server_is_refused(
    server: int, toolbox: str, found: str | None
) -> None:
    printed, names = f"postgres (PostgreSQL) {server}.6 (Debian {server}.6-0+deb13u1)", ("postgres:x", "toolbox:x")
    refusal = f"toolbox:x holds the programs of PostgreSQL {found}, and postgres:x is PostgreSQL {server}: "
    with pytest.raises(Refused, match=f"{refusal}.*POSTGRES_VERSION={server}") if found else nullcontext():
        refuse_unfit_toolbox(server=printed, toolbox=toolbox, names=names)


def test_toolbox_tells_the_version_of_the_programs_that_flows_take(tmp_path: Path) -> None:
    """Those of the server's version, if it holds several, else those of PATH."""
    for folder in ("17", "others"):
        program = tmp_path / folder / "pg_dump"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho {folder} $1\n")
        program.chmod(0o755)
    for major, told in ((17, "17"), (16, "others")):
        argv = provision.print_toolbox_version("toolbox:x", [str(tmp_path / str(major))]).argv
        script = ("/bin/sh", *argv[argv.index("toolbox:x") + 1 :])
        path = {"PATH": str(tmp_path / "others")}
        done = subprocess.run(script, env=path, capture_output=True, text=True, check=True)
        assert done.stdout == f"{told} --version\n"


def test_image_of_postgresql_that_keeps_its_data_elsewhere_is_refused() -> None:
    """As the official images of 18 and later, whose data would be in a volume without a name."""
    for declared in ("null\n", '{"/var/lib/postgresql/data":{}}\n'):
        refuse_other_data_folder(provision.parse_declared_volumes(declared), "postgres:17")
    declared = provision.parse_declared_volumes('{"/var/lib/postgresql":{}}\n')
    with pytest.raises(Refused, match=r"postgres:18 keeps its data .*Nothing was changed. Next step: .*postgres:17"):
        refuse_other_data_folder(declared, "postgres:18")


@pytest.mark.parametrize(
    ("printed", "database", "refusal"),
    [
        ("", "", ""),
        ("Odoo Server 19.0-20260101", "19.0.1.3", ""),
        ("Odoo Server 19.0+dfsg.20260101", "", ""),
        ("what nobody can read", "", ""),
        ("18.0 is no more supported by this library\nOdoo Server 19.0-20260101", "", ""),
        ("", "18.0.1.3", r"database is one of Odoo 18\.0, .*names Odoo 19\.0 .*Next step: write version: '18\.0' "),
        ("Odoo Server 19.0-20260101", "18.0.1.3", r"database is one of Odoo 18\.0"),
        (
            "Odoo Server 18.0-20260101",
            "",
            r"erp:1 is Odoo 18\.0, .*names Odoo 19\.0.*Next step: name an image of Odoo 19\.0",
        ),
        ("odoo 18.0\n", "19.0.1.3", r"erp:1 is Odoo 18\.0"),
        ("Odoo Server saas~18.2", "", r"erp:1 is Odoo 18\.2"),
    ],
)
def test_another_series_of_odoo_than_the_named_one_is_refused(printed: str, database: str, refusal: str) -> None:
    with pytest.raises(Refused, match=refusal) if refusal else nullcontext():
        refuse_other_series(named="19.0", image="erp:1", printed=printed, database=database)


def test_odoo_of_an_image_tells_its_version_as_the_environment_runs_it() -> None:
    argv = provision.print_odoo_version("erp:1", ["python3", "/opt/odoo-bin"], "asked").argv
    assert argv[-4:] == ("--entrypoint=python3", "erp:1", "/opt/odoo-bin", "--version")
    assert {"--name=asked", "--user=odoo"} <= set(argv)


@pytest.mark.parametrize(
    "asked",
    [
        provision.print_odoo_version("erp:1", ["odoo"], "asked"),
        provision.print_postgres_version("postgres:17"),
        provision.print_toolbox_version("toolbox:1", ["/usr/lib/postgresql/17/bin"]),
        provision.print_nginx_version("nginx:1.28"),
        provision.print_data_version("postgres:17", "shop_db"),
        provision.print_owners("erp:1", "shop_odoo", "shop"),
    ],
)
def test_image_that_nobody_has_approved_yet_can_do_nothing_when_it_is_asked(asked: Command) -> None:
    confined = {"--rm", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only"}
    assert confined <= set(asked.argv)
    assert not any(option.startswith("--volume") and not option.endswith(":ro") for option in asked.argv)


def test_folder_of_another_environment_is_refused_and_a_new_one_is_not() -> None:
    wanted = RECORD
    refuse_other_project(None, wanted, "/srv/shop", [])
    refuse_other_project(wanted, wanted, "/srv/shop", ["it has a container of db"])
    other = wanted.model_copy(update={"environment": "erp"})
    with pytest.raises(Refused, match=r"/srv/shop .*environment was 'erp' and is 'shop' now.*Nothing was changed"):
        refuse_other_project(other, wanted, "/srv/shop", [])


def test_project_that_was_made_by_hand_is_not_taken_over() -> None:
    wanted = RECORD
    with pytest.raises(
        Refused, match=r"shop was not made by `provision`: it has a container of db.*Nothing was changed"
    ):
        refuse_other_project(None, wanted, "/srv/shop", ["it has a container of db"])


@pytest.mark.parametrize(
    ("was", "becomes", "asked"),
    [
        (None, "staging", False),
        (None, "production", True),
        ("production", "staging", True),
        ("staging", "production", True),
        ("staging", "staging", False),
    ],
)
def test_what_is_or_was_production_is_asked_for(was: str | None, becomes: str, *, asked: bool) -> None:
    record = RECORD.model_copy(update={"stage": was}) if was else None
    assert concerns_production(record, becomes) is asked


def test_folder_that_others_may_enter_is_closed() -> None:
    closed = {"secrets": 0o700}
    assert folder_changes(closed, {}) == folder_changes(closed, {"secrets": 0o700}) == ()
    (change,) = folder_changes(closed, {"secrets": 0o755})
    assert (change.path, change.change) == ("secrets/", "mode")


def test_old_docker_and_old_compose_are_named_both() -> None:
    refuse_old_docker("20.10.24+dfsg1\n", "2.26.1\n", "here")
    with pytest.raises(Refused, match=r"Docker is 19.03.1, and 20.10 is needed and Compose is 2.5.0, and 2.20"):
        refuse_old_docker("19.03.1", "v2.5.0".removeprefix("v"), "here")


@pytest.mark.parametrize(
    ("engine", "compose", "has_it"),
    [
        ("25.0.0\n", "2.24.0\n", True),
        ("26.1.5+dfsg1\n", "2.26.1-4\n", True),
        ("29.1.3\n", "v5.0.1\n", True),
        ("24.0.7\n", "2.26.1-4\n", False),
        ("25.0.0\n", "2.23.3\n", False),
    ],
)
def test_start_interval_needs_a_new_docker_and_a_new_compose(engine: str, compose: str, *, has_it: bool) -> None:
    assert has_start_interval(engine, compose) == has_it


def test_all_that_is_unfit_of_a_machine_is_said_at_once() -> None:
    enough = {"/srv/shop": 3_000_000_000, "/var/lib/docker": 2_000_000_000}
    has, wanted = HostFacts(cores=2, memory_bytes=2**31), Provisioning.model_validate(described("staging")["provision"])
    wanted = wanted.model_copy(update={"images": wanted.images.model_copy(update={"mail": "mail:1"})})
    all_of_it = wanted.model_copy(update={"cores": 2, "memory_bytes": 2**31})
    as_it_was_sold = wanted.model_copy(update={"memory_bytes": 2**31 * 105 // 100})
    assert as_it_was_sold.share_of(has) == all_of_it.share_of(has) == has
    for fits in (wanted, all_of_it, as_it_was_sold):
        refuse_unfit_machine(
            "here", unwritable=[], free_bytes=enough, taken_ports=[], missing_addons=[], has=has, wanted=fits
        )
    said = (
        r"may not write to /srv/shop, /srv/tls; the disk of /var/lib/docker has 1.0 GB free, and 2.0 GB are needed; "
        r"no folder is at /srv/adons \(`provision.addons`\); "
        r"it has 2 processors, and `provision.cores` says 3; "
        r"it has 2147483648 bytes of memory, and `provision.memory_bytes` says 2405181685; "
        r"something listens on port 80, 443, 8025 \(`mail_port`\) already"
    )
    full = enough | {"/var/lib/docker": 10**9}
    with pytest.raises(Refused, match=said):
        refuse_unfit_machine(
            "here",
            unwritable=["/srv/shop", "/srv/tls"],
            free_bytes=full,
            taken_ports=[80, 443, 8025],
            missing_addons=["/srv/adons"],
            has=has,
            wanted=wanted.model_copy(update={"cores": 3, "memory_bytes": 2**31 * 112 // 100}),
        )


def test_lost_folder_counts_before_other_files_that_are_only_reloaded() -> None:
    key = FileChange(path="secrets/tls/key.pem", change="new", diff="")
    (change,) = service_changes([service("nginx")], [container(service="nginx")], [NGINX, key], ["secrets/tls"])
    assert (change.action, change.why) == ("restart", "its folder secrets/tls/ was lost")
    (change,) = service_changes([service("nginx")], [container(service="nginx")], [NGINX, key])
    assert (change.action, change.why) == ("reload", "config/nginx/nginx.conf, secrets/tls/key.pem changed")


def test_odoo_is_restarted_for_an_odoo_conf_that_was_edited_by_hand() -> None:
    edited = FileChange(path="config/odoo/odoo.conf", change="changed", diff="")
    (change,) = service_changes([service("odoo")], [container(service="odoo")], [edited, PASSWORD])
    assert change.action == "restart"
    assert change.why == "config/odoo/odoo.conf, secrets/odoo_password changed"
    hashed = FileChange(path="secrets/odoo/odoo.conf", change="changed", diff="")
    (change,) = service_changes([service("odoo")], [container(service="odoo")], [hashed])
    assert (change.action, change.why) == ("restart", "secrets/odoo/odoo.conf changed")
    (change,) = service_changes([service("odoo", config_hash="b")], [container(service="odoo")], [edited])
    assert change.action == "recreate"


def test_odoo_is_restarted_where_its_postgresql_is_stopped() -> None:
    wanted = [service(name) for name in ("db", "odoo", "odoo-cron", "nginx")]
    there = [container(service=name) for name in ("odoo", "odoo-cron", "nginx")]
    found = service_changes(wanted, [container(service="db", state="exited"), *there], [])
    assert [(change.service, change.action) for change in found] == [
        ("db", "start"),
        ("odoo", "restart"),
        ("odoo-cron", "restart"),
    ]
    reload = FileChange(path="config/postgres/postgresql.conf", change="changed", diff="")
    found = service_changes(wanted, [container(service="db"), *there], [reload])
    assert [(change.service, change.action) for change in found] == [("db", "reload")]


def test_service_whose_folder_was_lost_is_restarted_as_it_would_not_see_the_new_one() -> None:
    (change,) = service_changes([service("nginx")], [container(service="nginx")], [NGINX], ["config/nginx"])
    assert (change.action, change.why) == ("restart", "its folder config/nginx/ was lost")


def test_image_whose_odoo_is_another_user_than_the_filestore_s_is_refused() -> None:
    refuse_other_owner(["100:101"], "100:101", "odoo:19.0")
    refuse_other_owner([], "100:101", "odoo:19.0")
    with pytest.raises(Refused, match=r"belongs to 101:101, and Odoo in odoo:19.0 is 100:101.*Next step"):
        refuse_other_owner(["100:101", "101:101"], "100:101", "odoo:19.0")


def test_environment_that_does_not_describe_a_project_is_refused() -> None:
    settings = Environment.model_validate(described("staging"))
    assert described_project(settings) == settings.runtime
    with pytest.raises(PreconditionFailed, match="add `provision`"):
        described_project(settings.model_copy(update={"provision": None}))


def test_what_compose_prints_is_read() -> None:
    assert provision.parse_hashes("db abc\nodoo def\n") == {"db": "abc", "odoo": "def"}
    services = """{"networks": {"inside": {"name": "shop_inside"}}, "services": {
        "db": {"image": "db:1", "networks": {"inside": null}, "mem_limit": "1073741824",
               "pids_limit": 2048, "restart": "unless-stopped"},
        "toolbox": {"image": "toolbox:1", "networks": {"inside": null}, "cpus": 1.5}}}"""
    assert provision.parse_images(services) == {"db": "db:1", "toolbox": "toolbox:1"}
    db, toolbox = provision.parse_services(services)
    assert db == service("db", image_id=None, config_hash=None)
    assert (toolbox.memory_bytes, toolbox.restart_policy) == (0, "no")
    assert (toolbox.pids_limit, toolbox.nano_cpus) == (0, 1_500_000_000)


def test_compose_file_is_given_to_compose_and_written_nowhere() -> None:
    command = provision.print_hashes(SHOP, "services: {}")
    assert "--file=-" in command.argv
    assert "--file=/srv/shop/compose.yaml" in provision.bring_up(SHOP, ["db"], 60, anew=False).argv
    assert "--force-recreate" in provision.bring_up(SHOP, ["nginx"], 60, anew=True).argv
    assert command.stdin == SecretStr("services: {}")
