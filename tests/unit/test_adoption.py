"""What is written of an Odoo that was found: choices, hazards, what is left to do. Cases as data."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.environment_files import load
from odoo_ops.errors import InvalidConfiguration, PreconditionFailed
from odoo_ops.hostside import odoo_options
from odoo_ops.model.adoption import AdoptionRequest, FoundOdoo
from odoo_ops.model.found import (
    FoundContainer,
    FoundDatabase,
    FoundFiles,
    FoundProject,
    FoundServer,
    OdooProcess,
    Place,
    Settings,
)
from odoo_ops.model.host import Host
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.policy import adoption, found_odoo, toolboxes
from odoo_ops.policy.adoption_steps import steps
from odoo_ops.policy.hazards import hazards
from odoo_ops.render import render

GB = 10**9
ERP = FoundDatabase(name="erp", owner="odoo", size_bytes=GB, odoo_version="19.0.1.3", attachments=7)
OTHER = ERP.model_copy(update={"name": "other"})
SAFE = {"list_db": "False", "db_name": "erp", "db_host": "db", "db_user": "odoo", "data_dir": "/var/lib/odoo"}
SAFE_SECRETS = {"admin_passwd": "hashed", "db_password": "set"}
FOLDER = "/srv/erp"


def _container(service: str, **changes: object) -> FoundContainer:
    fields = {
        "id": service,
        "name": f"erp-{service}-1",
        "service": service,
        "image": f"{service}:1.0",
        "running": True,
        "program": (),
        "environment": {},
        "mounts": (),
        "networks": {"erp_default": (service,)},
        "ports": (),
        "logs": {"driver": "local", "limited": False},
        "restart": "unless-stopped",
        "folder": FOLDER,
        "files": (f"{FOLDER}/compose.yaml",),
    }
    return FoundContainer.model_validate(fields | changes)


def _mount(destination: str, name: str | None) -> dict[str, Any]:
    return {"name": name, "source": f"/var/lib/docker/volumes/{name}", "destination": destination}


def _odoo(**changes: object) -> FoundContainer:
    known = {"environment": {"ODOO_VERSION": "19.0"}, "mounts": [_mount("/var/lib/odoo", "erp_data")]}
    return _container("odoo", **(known | changes))


def _postgres(**changes: object) -> FoundContainer:
    data = "/var/lib/postgresql/data"
    known = {"environment": {"PG_MAJOR": "17", "PGDATA": data}, "mounts": [_mount(data, "erp_database")]}
    return _container("db", **(known | changes))


def _in_project(web: FoundContainer | None = None, db: FoundContainer | None = None, **changes: object) -> FoundOdoo:
    web, db = web or _odoo(), db or _postgres()
    volumes, networks = {"erp_data": "data", "erp_database": "database"}, {"erp_default": "default"}
    fields: dict[str, Any] = {
        "request": AdoptionRequest(project="erp"),
        "host": Host(name="here"),
        "program": ("odoo",),
        "settings": Settings.model_validate({"options": SAFE, "secrets": SAFE_SECRETS}),
        "config": "/etc/odoo/odoo.conf",
        "server": "db",
        "port": 5432,
        "user": "odoo",
        "data_dir": "/var/lib/odoo",
        "addons": ("/mnt/extra-addons",),
        "database": ERP,
        "postgres": FoundServer(major=17, superusers=("postgres",), databases=(ERP,)),
        "files": FoundFiles(size_bytes=GB, looked_for=7, missing=0),
        "repository": Place(path="/var/backups/odoo", writable=True, free_bytes=9 * GB),
        "state": Place(path="/var/lib/odoo-ops/erp", writable=True, free_bytes=9 * GB),
        "project": FoundProject(containers=(web, db), volumes=volumes, networks=networks),
        "odoo": (web,),
        "postgres_container": db,
    }
    return FoundOdoo.model_validate(fields | changes)


def _process(**changes: object) -> OdooProcess:
    fields = {
        "pid": 7,
        "program": ("/opt/odoo/venv/bin/python", "/opt/odoo/odoo-bin"),
        "environment": {},
        "options": {"config": "/etc/odoo/odoo.conf"},
        "user": "odoo",
        "home": "/opt/odoo",
        "unit": "odoo.service",
        "folder": "/",
    }
    return OdooProcess.model_validate(fields | changes)


def _on_host(**changes: object) -> FoundOdoo:
    no_project = {"project": None, "odoo": (), "postgres_container": None, "request": AdoptionRequest()}
    runs = {"process": _process(), "program": _process().program, "acting_user": "root"}
    return _in_project(**(no_project | runs | changes))


def _settings(options: dict[str, str | None] | None = None, secrets: dict[str, str] | None = None) -> Settings:
    merged = {name: value for name, value in (SAFE | (options or {})).items() if value is not None}
    return Settings.model_validate({"options": merged, "secrets": SAFE_SECRETS | (secrets or {})})


def _text(found: FoundOdoo) -> str:
    lines = render("adoption/toolbox.yaml", toolbox=toolboxes.toolbox(found)) if toolboxes.lacks_toolbox(found) else ""
    return render(
        "adoption/environment.yaml",
        name=found.name,
        steps=steps(found),
        toolbox=lines,
        description=adoption.description(found),
    )


def test_sound_odoo_has_no_hazard() -> None:
    assert hazards(_in_project()) == ()
    assert hazards(_on_host()) == ()


LEFT_OPEN = [{"inside": 5432, "address": "0.0.0.0"}]  # noqa: S104 - as Docker writes it
NAMELESS = "0123456789abcdef" * 4
SEVERAL = FoundServer(major=17, superusers=("postgres",), databases=(ERP, OTHER))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (_in_project(_odoo(mounts=[])), "/var/lib/odoo of odoo is in the container itself"),
        (
            _in_project(_odoo(mounts=[_mount("/var/lib/odoo", NAMELESS)])),
            "/var/lib/odoo of odoo is in a volume without",
        ),
        (_in_project(db=_postgres(mounts=[])), "/var/lib/postgresql/data of db is in the container itself"),
        (_in_project(files=FoundFiles(size_bytes=1, looked_for=7, missing=2)), "2 of 7 attachments"),
        (_in_project(settings=_settings({"list_db": None})), "database manager is on"),
        (_in_project(settings=_settings({"list_db": "True"})), "database manager is on"),
        (
            _in_project(settings=_settings(secrets={"admin_passwd": "known"})),
            "(`admin_passwd`) is one that everybody knows",
        ),
        (_in_project(settings=_settings(secrets={"db_password": "known"})), "password of the role odoo is one that"),
        (_in_project(settings=_settings({"db_name": None}), postgres=SEVERAL), "serves 2 databases (erp, other)"),
        (
            _in_project(postgres=FoundServer(major=17, superusers=("odoo",), databases=(ERP,))),
            "role odoo is a superuser",
        ),
        (_in_project(server="pool", port=6432), "through a pool (pool:6432)"),
        (_in_project(db=_postgres(ports=LEFT_OPEN)), "port is published at 0.0.0.0"),
        (
            _in_project(db=_postgres(environment={"POSTGRES_HOST_AUTH_METHOD": "trust"}, mounts=_postgres().mounts)),
            "trust",
        ),
        (_in_project(_odoo(image="odoo")), "changes by itself: odoo (odoo)"),
        (_in_project(_odoo(image="registry:5000/odoo:latest")), "changes by itself: odoo (registry:5000/odoo:latest)"),
        (_in_project(_odoo(logs={"driver": "json-file", "limited": False})), "The logs of odoo grow"),
        (_in_project(_odoo(restart="no")), "nothing starts odoo again"),
        (_on_host(settings=_settings({"dev_mode": "all"})), "Production runs with --dev=all"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hazard_is_told_with_its_next_step(found: FoundOdoo, words: str) -> None:
    (hazard,) = hazards(found)
    assert words in hazard.what
    assert hazard.next_step


@pytest.mark.parametrize(
    "found",
    [
        _in_project(db=_postgres(ports=[{"inside": 5432, "address": "127.0.0.1"}])),
        _in_project(_odoo(image="registry:5000/odoo:19.0")),
        _in_project(_odoo(image=f"odoo@sha256:{NAMELESS}")),
        _in_project(_odoo(logs={"driver": "json-file", "limited": True})),
        _in_project(settings=_settings({"db_name": None, "dbfilter": "^erp$"}), postgres=SEVERAL),
        _in_project(settings=_settings({"dev_mode": "all"}), request=AdoptionRequest(project="erp", stage="testing")),
    ],
)
def test_what_is_safe_is_no_hazard(found: FoundOdoo) -> None:
    assert hazards(found) == ()


def test_file_of_a_project_passes_the_check_and_names_all_that_is_left(tmp_path: Path) -> None:
    found = _in_project()
    (tmp_path / "erp.yaml").write_text(_text(found))
    environment = load(tmp_path, look=False).environments["erp"]
    assert environment.settings.runtime == ComposeProject(project="erp", folder=FOLDER)
    assert environment.settings.database.admin_user == "postgres"
    top = (tmp_path / "erp.yaml").read_text().partition("repositories:")[0]
    for name in ("ODOO_OPS_ERP_ODOO_PASSWORD", "ODOO_OPS_ERP_POSTGRES_PASSWORD", "ODOO_OPS_ERP_RESTIC_PASSWORD"):
        assert name in top
    assert "--tag odoo-ops-toolbox:17 deployments/images/toolbox" in top.replace("\n#      ", " ")
    assert "#       - data:/var/lib/odoo:ro" in top.replace('"', "")


def test_file_of_an_odoo_on_a_host_passes_the_check(tmp_path: Path) -> None:
    (tmp_path / "erp.yaml").write_text(_text(_on_host()))
    settings = load(tmp_path, look=False).environments["erp"].settings
    assert settings.service.model_dump() == {"kind": "systemd", "unit": "odoo.service"}
    assert settings.odoo.command == ("/opt/odoo/venv/bin/python", "/opt/odoo/odoo-bin")
    assert settings.odoo.addons == ("/mnt/extra-addons",)


def test_file_leaves_to_its_reader_what_was_not_seen(tmp_path: Path) -> None:
    (tmp_path / "erp.yaml").write_text(_text(_on_host(process=_process(unit=None))))
    with pytest.raises(InvalidConfiguration, match="erp.service: a production environment needs one") as caught:
        load(tmp_path, look=False)
    assert len(caught.value.mistakes) == 1
    assert any("It was not seen" in step for step in steps(_on_host(process=_process(unit=None))))


def test_file_on_a_registered_host_describes_no_host() -> None:
    found = _in_project(request=AdoptionRequest(host="far", project="erp", name="shop"))
    described = adoption.description(found)
    assert "hosts" not in described
    assert described["environments"]["shop"]["host"] == "far"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            _in_project(_odoo(files=[f"{FOLDER}/prod.yml", f"{FOLDER}/a.yml"])),
            "COMPOSE_FILE=/srv/erp/prod.yml:/srv/erp/a",
        ),
        (_in_project(_odoo(mounts=[])), "Give odoo a volume or a folder for /var/lib/odoo"),
        (
            _in_project(toolboxes=("toolbox", "toolbox-restore")),
            "Compare the folders below with the volumes of toolbox",
        ),
        (_in_project(postgres=None), "PostgreSQL (db) could not be asked"),
        (_on_host(missing_programs=("restic 0.17 or later",)), "Install on the host: restic 0.17 or later."),
        (_on_host(unseen_login=True), "Set `become: odoo` for the host"),
        (
            _on_host(state=Place(path="/var/lib/odoo-ops/erp", writable=False, free_bytes=9 * GB)),
            "install -d -o root -m 0700 /var/lib/odoo-ops/erp",
        ),
        (
            _on_host(repository=Place(path="/var/backups/odoo", writable=True, free_bytes=GB)),
            "/var/backups/odoo has 1.0 GB free for backups; the data is 2.0 GB",
        ),
        (_on_host(database=ERP.model_copy(update={"odoo_version": ""})), "Write Odoo's series"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_step_is_told_where_it_is_needed(found: FoundOdoo, words: str) -> None:
    assert [step for step in steps(found) if words in step]
    assert not [step for step in (*steps(_in_project()), *steps(_on_host())) if words in step]


def test_toolbox_gets_foreign_volumes_and_networks_as_external_ones() -> None:
    mounts = [_mount("/var/lib/odoo", NAMELESS), {"name": None, "source": "/srv/addons", "destination": "/mnt"}]
    odoo = _odoo(mounts=mounts, networks={"erp_default": (), "shared": ()})
    lines = yaml.safe_load(render("adoption/toolbox.yaml", toolbox=toolboxes.toolbox(_in_project(odoo))))
    reads, writes = lines["services"]["toolbox"], lines["services"]["toolbox-restore"]
    assert reads["volumes"][:2] == ["odoo-ops-volume-1:/var/lib/odoo:ro", "/srv/addons:/mnt:ro"]
    assert writes["volumes"][:2] == ["odoo-ops-volume-1:/var/lib/odoo", "/srv/addons:/mnt:ro"]
    assert lines["volumes"]["odoo-ops-volume-1"] == {"external": True, "name": NAMELESS}
    assert reads["networks"] == ["default", "shared"]
    assert lines["networks"] == {"shared": {"external": True}}
    assert reads["image"] == "odoo-ops-toolbox:17"


WEB = {"options": {"workers": "2"}, "ports": [{"inside": 8069, "address": ""}]}


def test_odoo_services_are_found_and_the_one_that_answers_people_is_first() -> None:
    cron = _container("cron", environment={"ODOO_RC": "x"}, options={"http_enable": "False"})
    staging = _container("staging", program=("odoo",), options={"db_name": "staging"})
    web = _container("web", program=("odoo",), options={"db_name": "erp"}, ports=WEB["ports"])
    project = FoundProject(containers=(cron, _postgres(), staging, web), volumes={}, networks={})
    found = found_odoo.odoo_containers(project, AdoptionRequest(project="erp", database="erp"), "here")
    assert [one.service for one in found] == ["web", "cron"]
    stopped = project.model_copy(update={"containers": (web.model_copy(update={"running": False}),)})
    with pytest.raises(PreconditionFailed, match="web of .* does not run"):
        found_odoo.odoo_containers(stopped, AdoptionRequest(project="erp"), "here")


def test_postgres_is_found_by_any_of_its_names() -> None:
    db = _postgres(networks={"erp_default": ("postgres-17", "abc")})
    project = FoundProject(containers=(_odoo(), db), volumes={}, networks={})
    assert [found_odoo.postgres_of(project, name) for name in ("db", "erp-db-1", "postgres-17")] == [db, db, db]
    assert found_odoo.postgres_of(project, "db.example.com") is None
    assert found_odoo.postgres_of(project, "odoo") is None


def test_what_odoo_is_told_counts_in_the_order_in_which_it_heeds_it() -> None:
    variables = {"HOST": "a", "PORT": "1", "USER": "me", "PGHOST": "c"}
    odoo = _odoo(environment=variables, secrets={"PASSWORD": "set"}, options={"db_name": "erp"})
    file = Settings(options={"db_host": "b", "db_port": "2", "db_name": "no"}, secrets={"admin_passwd": "hashed"})
    settings = found_odoo.container_settings(odoo, file)
    wanted = {"db_host": "c", "db_port": "2", "db_user": "me", "db_name": "erp", "data_dir": "/var/lib/odoo"}
    assert settings.options == wanted
    assert settings.secrets == {"db_password": "set", "admin_passwd": "hashed"}
    assert found_odoo.container_settings(_odoo(), None).secrets == {"db_password": "known"}


@pytest.mark.parametrize(
    ("options", "wanted", "name"),
    [
        ({"db_name": "erp"}, "", "erp"),
        ({"dbfilter": "^oth"}, "", "other"),
        ({}, "other", "other"),
        ({"db_name": "erp"}, "other", "other"),
        ({}, "", None),
        ({"dbfilter": "^%d$"}, "", None),
        ({"db_name": "gone"}, "", None),
        ({}, "gone", None),
    ],
)
def test_database_is_chosen_or_all_are_named(options: dict[str, str], wanted: str, name: str | None) -> None:
    settings = Settings(options={"db_user": "odoo", **options})
    if name:
        assert found_odoo.chosen_database(SEVERAL, settings, wanted).name == name
        return
    with pytest.raises(PreconditionFailed, match="Odoo's databases: erp, other. Nothing was changed. Next step: name"):
        found_odoo.chosen_database(SEVERAL, settings, wanted)


def test_process_is_chosen_or_all_are_named() -> None:
    one, two = _process(), _process(options={"config": "etc/b.conf"}, folder="/opt")
    assert found_odoo.chosen_process([one], AdoptionRequest(), "here") == one
    assert found_odoo.chosen_process([one, two], AdoptionRequest(config="/opt/etc/b.conf"), "here") == two
    for processes, config, words in (
        ([], "", "No Odoo runs on here itself"),
        ([one, two], "", r"Several Odoos run on here: /etc/odoo/odoo.conf \(odoo.service\); /opt/etc/b.conf"),
        ([one], "/etc/x.conf", "No Odoo runs by /etc/x.conf on here: /etc/odoo/odoo.conf"),
    ):
        with pytest.raises(PreconditionFailed, match=f"{words}.*Next step: "):
            found_odoo.chosen_process(processes, AdoptionRequest(config=config), "here")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["/usr/bin/odoo", "-d", "erp"], 1),
        (["/venv/bin/python3.11", "/opt/odoo/odoo-bin", "-c", "x"], 2),
        (["python3", "-m", "odoo"], 3),
        (["vim", "/etc/odoo"], 0),
        (["python3", "/srv/backup.py", "odoo"], 0),
        ([], 0),
    ],
)
def test_program_of_odoo_is_told_from_others(argv: list[str], words: int) -> None:
    assert odoo_options.program_words(argv) == words


def test_secrets_are_never_among_the_options() -> None:
    words = ["-d", "erp", "--db_password=canary", "-w", "canary", "-rodoo", "--no-database-list", "--unknown=canary"]
    options, secrets = odoo_options.read_arguments(words)
    assert options == {"db_name": "erp", "db_user": "odoo", "list_db": "False"}
    assert secrets == {"db_password": "set"}
    file = "[options]\nadmin_passwd = $pbkdf2-canary\ndb_password = canary\ndb_host = False\nsmtp_password = canary\n"
    assert odoo_options.read_file(file) == ({}, {"admin_passwd": "hashed", "db_password": "set"})
    assert odoo_options.password_in([], file) == "canary"
    assert odoo_options.read_file("canary") is None
    assert odoo_options.unwrapped(["sh", "-c", "exec odoo -d 'my erp'"]) == ["odoo", "-d", "my erp"]
