"""What may be asked of `provision`, and the files that it makes: golden files, and what must hold for all of them."""

from collections.abc import Mapping
from configparser import RawConfigParser
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest
import yaml
from provisioned import (
    ACME,
    FACTS,
    GOLDEN,
    GOLDENS,
    ODOO_PASSWORD,
    POSTGRES_PASSWORD,
    STAGES,
    described,
    files_of,
    golden_files,
)
from pydantic import ValidationError

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands.provision import parse_nginx_version
from odoo_ops.errors import InvalidConfiguration, Refused
from odoo_ops.model.environment import Environment
from odoo_ops.model.provision import HostFacts, Images, ProjectFile, is_pinned
from odoo_ops.policy.project_plans import described_project
from odoo_ops.project_files import project_files
from odoo_ops.runtimes.certificates import FittingFiles
from odoo_ops.runtimes.project import Project


def text(files: Mapping[str, ProjectFile], path: str) -> str:
    return files[path].content.get_secret_value()


def compose(stage: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text(files_of(stage), "compose.yaml"))
    return found


@pytest.mark.parametrize("name", GOLDENS)
def test_files_are_the_golden_ones(name: str) -> None:
    """`python tests/support/provisioned.py` writes the golden files anew."""
    golden = {
        str(path.relative_to(GOLDEN / name)): path.read_text() for path in (GOLDEN / name).rglob("*") if path.is_file()
    }
    files = golden_files(name)
    assert {path: text(files, path) for path in files if not files[path].secret} == golden


@pytest.mark.parametrize("stage", STAGES)
def test_secrets_are_in_files_of_their_own_alone(stage: str) -> None:
    files = files_of(stage)
    assert text(files, "secrets/odoo_password") == ODOO_PASSWORD
    assert text(files, "secrets/postgres_password") == POSTGRES_PASSWORD
    assert [path for path, file in files.items() if file.secret] == [
        "secrets/odoo_password",
        "secrets/postgres_password",
    ]
    assert [path for path in files if not files[path].secret and "canary" in text(files, path)] == []
    assert "canary" not in repr(files)


@pytest.mark.parametrize("stage", STAGES)
def test_services_are_confined(stage: str) -> None:
    project = compose(stage)
    assert "version" not in project
    for name, service in project["services"].items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"] > 0, name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        if "operations" in service.get("profiles", []):
            continue
        assert service["user"], name
        assert service["user"] != "root", name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["mem_limit"] > 0, name
        assert service["healthcheck"]["test"], name
    assert [name for name, service in project["services"].items() if "ports" in service] == (
        ["nginx", "mail"] if stage == "development" else ["nginx"]
    )


@pytest.mark.parametrize("stage", STAGES)
def test_image_that_nobody_has_approved_is_asked_where_it_can_do_nothing(stage: str) -> None:
    """Only what has no secret in it is mounted: odoo.conf, and the host's folders of addons."""
    services = compose(stage)["services"]
    gate, odoo = services["odoo-gate"], services["odoo"]
    assert gate["image"] == odoo["image"]
    assert gate["network_mode"] == "none"
    assert (gate["user"], gate["read_only"], gate["cap_drop"]) == ("odoo", True, ["ALL"])
    assert gate["mem_limit"] > 0
    assert gate.keys().isdisjoint({"networks", "secrets", "environment", "ports", "depends_on", "cap_add"})
    assert gate["volumes"] == [volume for volume in odoo["volumes"] if volume != "data:/var/lib/odoo"]
    assert all(volume == "./config/odoo:/etc/odoo:ro" or volume["read_only"] for volume in gate["volumes"])


def _looks(*, start_interval: bool) -> dict[str, dict[str, Any]]:
    """How often Docker looks at each service: its health check without the command."""
    images = described("staging")["provision"]["images"] | {"pgbouncer": "pgbouncer:1.24"}
    files = files_of("staging", start_interval=start_interval, pgbouncer={"pool": "session"}, images=images)
    services = yaml.safe_load(text(files, "compose.yaml"))["services"]
    checks = {name: service["healthcheck"] for name, service in services.items() if "healthcheck" in service}
    return {name: {key: value for key, value in check.items() if key != "test"} for name, check in checks.items()}


def test_services_are_looked_at_rarely_once_they_run_where_docker_can_do_that() -> None:
    rarely = {"interval": "30s", "start_interval": "2s", "retries": 3}
    often = {"interval": "10s", "retries": 6}
    looks = {"interval": "5s", "timeout": "5s", "retries": 12}
    of_database = {"db": {**looks, "start_period": "60s"}, "pgbouncer": looks}
    assert _looks(start_interval=True) == {
        **of_database,
        "odoo": {**rarely, "timeout": "10s", "start_period": "2m"},
        "odoo-cron": {**rarely, "timeout": "5s", "start_period": "2m"},
        "nginx": {**rarely, "timeout": "5s", "start_period": "30s"},
    }
    assert _looks(start_interval=False) == {
        **of_database,
        "odoo": {**often, "timeout": "10s", "start_period": "2m"},
        "odoo-cron": {**often, "timeout": "5s", "start_period": "2m"},
        "nginx": {**often, "timeout": "5s"},
    }


@pytest.mark.parametrize("stage", STAGES)
def test_what_docker_can_do_changes_nothing_but_how_often_it_looks(stage: str) -> None:
    """So PostgreSQL's container stays when Docker is upgraded."""
    older, newer = (
        {path: text(found, path) for path in found} for found in (files_of(stage), files_of(stage, start_interval=True))
    )
    services, others = (yaml.safe_load(files.pop("compose.yaml"))["services"] for files in (older, newer))
    assert older == newer
    assert [name for name in services if services[name] != others[name]] == ["odoo", "odoo-cron", "nginx"]
    for service in (*services.values(), *others.values()):
        service.pop("healthcheck", None)
    assert services == others


@pytest.mark.parametrize(
    ("stage", "way_out"), [("development", True), ("testing", False), ("staging", False), ("production", True)]
)
def test_only_production_and_development_have_a_way_out(stage: str, *, way_out: bool) -> None:
    project = compose(stage)
    assert project["networks"] == {"inside": {"internal": True}, "outside": {}}
    assert project["services"]["db"]["networks"] == ["inside"]
    for name in ("odoo", "odoo-cron"):
        assert ("outside" in project["services"][name]["networks"]) == way_out


def test_nginx_is_the_user_of_odoo_where_that_is_known() -> None:
    users = [
        yaml.safe_load(text(files_of("staging", odoo_user=user), "compose.yaml"))["services"]["nginx"]["user"]
        for user in ("100:101", None)
    ]
    assert users == ["100:101", "nginx"]


def test_certbot_is_confined_and_its_keys_are_in_no_other_container() -> None:
    project = yaml.safe_load(text(golden_files("acme"), "compose.yaml"))
    certbot = project["services"]["certbot"]
    assert certbot["profiles"] == ["operations"]
    assert (certbot["user"], certbot["read_only"], certbot["cap_drop"]) == ("65534:65534", True, ["ALL"])
    assert certbot["networks"] == ["outside"]
    with_keys = [name for name, service in project["services"].items() if "acme:/tmp" in service.get("volumes", [])]
    assert with_keys == ["certbot"]


def test_certbot_trusts_another_authority_only_where_one_is_named() -> None:
    def certbot(**change: object) -> dict[str, Any]:
        files = files_of("staging", images=ACME["images"], tls={**ACME["tls"], **change})
        found: dict[str, Any] = yaml.safe_load(text(files, "compose.yaml"))["services"]["certbot"]
        return found

    assert certbot(ca_certificate="/etc/ssl/inside.pem")["environment"] == {
        "REQUESTS_CA_BUNDLE": "/etc/acme/authority.pem"
    }
    assert "environment" not in certbot()
    assert "certbot" not in compose("staging")["services"]


@pytest.mark.parametrize(("wanted", "said"), [(False, "without_demo = all"), (True, "without_demo = False")])
def test_odoo_18_is_told_of_demo_data_by_its_own_option(wanted: bool, said: str) -> None:
    fields = described("staging", demo_data=wanted)
    fields["odoo"]["version"] = "18.0"
    files = project_files(Environment.model_validate(fields), FACTS)
    (conf,) = [file.content.get_secret_value() for file in files if file.path == "config/odoo/odoo.conf"]
    assert said in conf.splitlines()
    assert "with_demo = " not in conf.replace("without_demo", "")


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        ("nginx version: nginx/1.25.1\n", ["listen 8443 ssl;", "http2 on;"]),
        ("nginx version: nginx/1.26.3 (Ubuntu)\n", ["listen 8443 ssl;", "http2 on;"]),
        ("nginx version: nginx/1.25.0\n", ["listen 8443 ssl http2;"]),
        ("nginx version: another/2.0\n", ["listen 8443 ssl http2;"]),
    ],
)
def test_http_2_is_asked_for_as_the_nginx_of_the_image_wants_it(printed: str, lines: list[str]) -> None:
    environment = Environment.model_validate(described("production"))
    files = project_files(environment, FACTS, nginx_version=parse_nginx_version(printed))
    (conf,) = [file.content.get_secret_value() for file in files if file.path == "config/nginx/nginx.conf"]
    asked = [line.strip() for line in conf.splitlines() if "listen 8443" in line or "http2" in line]
    assert asked == ["listen 8443 ssl default_server;", *lines]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("version", "lines"),
    [((1, 27, 3), []), ((1, 27, 4), ["keepalive_min_timeout 3s;"]), ((1, 28), ["keepalive_min_timeout 3s;"]), ((), [])],
)
def test_connections_outlast_a_reload_where_the_nginx_of_the_image_can_do_that(
    stage: str, version: tuple[int, ...], lines: list[str]
) -> None:
    files = project_files(Environment.model_validate(described(stage)), FACTS, nginx_version=version)
    (conf,) = [file.content.get_secret_value() for file in files if file.path == "config/nginx/nginx.conf"]
    assert [line.strip() for line in conf.splitlines() if line.strip().startswith("keepalive_min")] == lines


@pytest.mark.parametrize("stage", ["testing", "staging"])
def test_nginx_of_the_image_is_looked_at_whether_it_encrypts_or_not(
    monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    settings = Environment.model_validate(described(stage))
    monkeypatch.setattr(Project, "image_id", lambda _, image: image)
    monkeypatch.setattr(Project, "run", lambda *_: "nginx version: nginx/1.28.0\n")
    monkeypatch.setattr(Project, "facts", FACTS)
    monkeypatch.setattr(Project, "_odoo_user", "100:101")
    monkeypatch.setattr(Project, "versions", ("28.0.0", "2.30.0"))
    monkeypatch.setattr(Project, "_certificate", FittingFiles(()))
    project = Project(create_autospec(HostAdapter, instance=True), settings, described_project(settings))
    (conf,) = [file.content.get_secret_value() for file in project.files if file.path == "config/nginx/nginx.conf"]
    assert "keepalive_min_timeout" in conf


def test_new_odoo_conf_makes_odoo_anew_and_new_settings_of_postgresql_do_not() -> None:
    def parts(**change: object) -> tuple[Any, Any, Any]:
        services = yaml.safe_load(text(files_of("staging", **change), "compose.yaml"))["services"]
        return services["odoo"]["labels"], services["odoo-cron"]["labels"], services["db"].get("labels")

    first, other = parts(), parts(addons=["/srv/more"])
    assert first[0] == first[1] != other[0] == other[1]
    assert first[2] is other[2] is None
    assert parts(body_limit_bytes=2**21) == first


@pytest.mark.parametrize("memory_gib", [4, 6, 8, 16, 64])
def test_more_users_do_not_make_postgresql_anew(memory_gib: int) -> None:
    facts = HostFacts(cores=8, memory_bytes=memory_gib * 2**30)

    def database(users: int) -> object:
        environment = Environment.model_validate(described("staging", expected_users=users))
        files = {file.path: file for file in project_files(environment, facts)}
        return yaml.safe_load(text(files, "compose.yaml"))["services"]["db"]

    assert database(1) == database(12) == database(18) == database(500)


def test_more_memory_is_not_used_than_was_asked_for_or_than_there_is() -> None:
    def shared_buffers(**change: object) -> str:
        conf = text(files_of("staging", **change), "config/postgres/postgresql.conf")
        return next(line for line in conf.splitlines() if line.startswith("shared_buffers"))

    assert shared_buffers(memory_bytes=64 * 2**30) == shared_buffers() != shared_buffers(memory_bytes=4 * 2**30)


def test_project_is_refused_when_the_host_is_too_small() -> None:
    environment = Environment.model_validate(described("staging"))
    with pytest.raises(Refused, match="MiB of memory are too little"):
        project_files(environment, HostFacts(cores=1, memory_bytes=2**30))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"domains": []}, "holds no host name"),
        ({"domains": ["192.0.2.1"]}, "'192.0.2.1' is an IP address"),
        ({"domains": ["2001:db8::1"]}, "'2001:db8::1' is an IP address"),
        ({"domains": ["a.example.com", "b.example.com", "a.example.com"]}, "holds a.example.com twice"),
        ({"domains": ["https://erp.example.com"]}, "is not a host name"),
        ({"domains": ["erp.example.com:8443"]}, "is not a host name"),
        ({"domains": ["*.example.com"]}, "is not a host name"),
        ({"domains": ["Erp.example.com"]}, "is not a host name"),
        ({"domains": ["-erp.example.com"]}, "is not a host name"),
        ({"domains": ["erp..example.com"]}, "is not a host name"),
        ({"domains": ["a;b.example.com"]}, "is not a host name"),
        ({"domains": [("a" * 63 + ".") * 4 + "com"]}, "is not a host name"),
        ({"bind": "localhost"}, "is not an IP address"),
        ({"addons": ["/srv/a,b"]}, "may hold only letters, digits, blanks"),
        ({"addons": ["/srv/a\n"]}, "may hold only letters, digits, blanks"),
        ({"addons": ["srv"]}, "is not an absolute path"),
        ({"cors_origins": ["*"]}, "should match pattern"),
        ({"operator_networks": ["203.0.113.7/24"]}, "neither an IP address nor a network"),
        ({"operator_networks": ["fe80::1%x 1; default 1;"]}, "neither an IP address nor a network"),
        ({"trusted_proxies": ["203.0.113.7/24"]}, "neither an IP address nor a network"),
        ({"trusted_proxies": ["unix:; }"]}, "neither an IP address nor a network"),
        ({"expected_users": 0}, "greater than or equal to 1"),
        ({"http_port": 0}, "greater than or equal to 1"),
        ({"tls": {"kind": "letsencrypt"}}, "does not match any of the expected tags"),
        ({"tls": {"kind": "acme"}}, "Field required"),
        ({"tls": {"kind": "acme", "email": "nobody"}}, "should match pattern"),
        ({"tls": {"kind": "acme", "email": "it@example.com", "directory": "http://ca/dir"}}, "should match pattern"),
    ],
)
def test_field_is_refused_when_it_cannot_be_meant(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Environment.model_validate(described("staging", **change))


def _mistakes(data: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidConfiguration) as caught:
        project_files(Environment.model_validate(data), FACTS)
    return caught.value.mistakes


@pytest.mark.parametrize(
    ("stage", "change", "mistake"),
    [
        (
            "production",
            {"images": {"odoo": "odoo:19.0", "postgres": "p", "nginx": "n", "toolbox": "t"}},
            "odoo: names no",
        ),
        ("production", {"tls": {"kind": "local_ca"}}, "tls: is a local authority, which no user's browser trusts"),
        ("production", {"demo_data": True}, "demo_data: would put Odoo's demo data among production's"),
        ("staging", {"tls": {"kind": "none"}}, "tls: is `none`, and 0.0.0.0 is not loopback"),
        ("staging", {"trusted_proxies": ["::/0"]}, "trusted_proxies: holds ::/0: anybody could say to be anybody"),
        ("staging", {"https_port": 80}, "https_port: is the same as http_port"),
        ("development", {"mail_port": 8080}, "mail_port: is the same as http_port"),
        ("development", {"mail_port": 8443}, "mail_port: is the same as https_port"),
        (
            "development",
            {"admin_password": None, "bind": "192.0.2.1"},
            "admin_password: is missing, and 192.0.2.1 is not",
        ),
        ("staging", {"admin_password": None, "bind": "127.0.0.1"}, "admin_password: is needed"),
    ],
)
def test_project_is_refused_when_it_would_not_be_safe(stage: str, change: dict[str, Any], mistake: str) -> None:
    assert (
        f"erp-{stage}.provision.{'images.' if 'images' in change else ''}{mistake}"
        in _mistakes(described(stage, **change))[0]
    )


def test_development_without_a_password_is_for_its_own_machine() -> None:
    assert files_of("development", admin_password=None)
    assert files_of("development", admin_password=None, bind="::1")


@pytest.mark.parametrize(
    ("domains", "told"),
    [
        (["erp.example.com", "erp.internal"], "erp.internal, a name within your own network"),
        (["localhost"], "localhost,"),
        (["erp"], "erp,"),
        (["erp.home.arpa", "erp.test"], "erp.home.arpa, erp.test,"),
    ],
)
def test_certificate_of_lets_encrypt_is_for_names_that_it_can_ask(domains: list[str], told: str) -> None:
    """A directory of one's own may ask any."""
    (mistake,) = _mistakes(described("production", **ACME, domains=domains))
    assert mistake.startswith(f"erp-production.provision.domains: holds {told}")
    own = ACME["tls"] | {"directory": "https://ca.internal/acme"}
    assert files_of("production", **ACME | {"tls": own}, domains=domains)


def test_lets_encrypt_may_come_by_a_proxy_to_loopback() -> None:
    assert files_of("production", **ACME, bind="127.0.0.1")


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("testing", {"https_port": 8081}),  # not published: it has no certificate
        ("staging", {"mail_port": 80}),  # nor this: it has no mail catcher
        ("development", {"bind": "192.0.2.1", "mail_port": 8080}),  # on another address
    ],
)
def test_port_may_be_another_s_where_only_one_of_both_is_published_there(stage: str, change: dict[str, Any]) -> None:
    assert files_of(stage, **change)


@pytest.mark.parametrize(
    ("section", "change", "mistake"),
    [
        ("runtime", {"odoo_services": ["odoo"]}, "runtime.odoo_services: must be [odoo, odoo-cron]"),
        ("runtime", {"toolbox": "tools"}, "runtime.toolbox: must be toolbox"),
        ("odoo", {"config": None}, "odoo.config: must be /etc/odoo/odoo.conf"),
        ("odoo", {"url": "http://web:8069"}, "odoo.url: must be http://odoo:8069"),
        ("database", {"server": "postgres"}, "database.server: must be db"),
        ("database", {"admin_user": None}, "database.admin_user: must be postgres"),
        ("database", {"admin_password": None}, "database.admin_password: is needed"),
        ("database", {"password": ""}, "database.password: is needed"),
        ("database", {"user": "postgres"}, "database.user: is the superuser"),
        ("database", {"user": "pg_odoo"}, "database.user: begins with pg_"),
        ("database", {"name": 'e"; DROP'}, "database.name: may hold only letters"),
        (None, {"data_dir": "/srv/odoo"}, "data_dir: must be /var/lib/odoo"),
        (None, {"state_dir": "/srv/state"}, "state_dir: must be a folder below /var/lib/odoo-ops"),
        (None, {"runtime": {"kind": "native"}}, "provision: is for compose projects"),
        (None, {"provision": None}, "provision: is missing"),
    ],
)
def test_project_is_refused_when_other_fields_do_not_fit_it(
    section: str | None, change: dict[str, Any], mistake: str
) -> None:
    data = described("staging")
    (data[section] if section else data).update(change)
    (found,) = _mistakes(data)
    assert found.startswith(f"erp-staging.{mistake}")


def _with_pgbouncer(pool: str, stage: str = "staging") -> dict[str, Any]:
    images = described(stage)["provision"]["images"]
    return {"images": {**images, "pgbouncer": "edoburu/pgbouncer:v1.24.1-p1"}, "pgbouncer": {"pool": pool}}


@pytest.mark.parametrize("pool", ["session", "transaction"])
def test_pgbouncer_gives_odoo_sessions_on_postgres_where_it_listens(pool: str) -> None:
    files = files_of("staging", **_with_pgbouncer(pool))
    lines = text(files, "config/pgbouncer/pgbouncer.ini").splitlines()
    listening, database = (line.split(" = ")[1].split() for line in lines[3:5])
    assert "pool_mode=session" in listening
    assert f"pool_mode={pool}" in database
    assert ("server_reset_query_always = 1" in lines) == (pool == "transaction")
    assert text(files, "config/odoo/odoo.conf").splitlines()[3:5] == ["db_host = pgbouncer", "db_port = 6432"]


def test_pgbouncer_is_where_it_is_wanted_alone_and_changes_nothing_of_postgresql() -> None:
    without, with_it = files_of("staging"), files_of("staging", **_with_pgbouncer("session"))
    assert with_it.keys() - without.keys() == {"config/pgbouncer/pgbouncer.ini", "secrets/pgbouncer/userlist.txt"}
    assert with_it["config/postgres/postgresql.conf"] == without["config/postgres/postgresql.conf"]
    services = yaml.safe_load(text(with_it, "compose.yaml"))["services"]
    pgbouncer, former = services.pop("pgbouncer"), compose("staging")["services"]
    assert services.keys() == former.keys()
    assert services["db"] == former["db"]
    assert (pgbouncer["networks"], pgbouncer["read_only"], "ports" in pgbouncer) == (["inside"], True, False)


def test_password_with_quotes_is_written_as_pgbouncer_reads_it() -> None:
    data = described("staging", **_with_pgbouncer("session"))
    data["database"]["password"] = 'a"b\\c'
    (users,) = [
        file for file in project_files(Environment.model_validate(data), FACTS) if file.path.endswith("userlist.txt")
    ]
    assert users.secret
    assert users.content.get_secret_value() == '"odoo" "a""b\\c"\n'


def test_pgbouncer_is_refused_for_a_database_of_its_name() -> None:
    data = described("staging", pgbouncer={})
    data["database"]["name"] = "pgbouncer"
    assert [mistake.partition(": ")[0] for mistake in _mistakes(data)] == ["erp-staging.database.name"]


def test_images_that_were_registered_before_there_were_usual_ones_are_read() -> None:
    before = {"odoo": "odoo:19.0", "certbot": None, "pgbouncer": None}
    assert Images.model_validate(before) == Images(odoo="odoo:19.0")


def test_usual_images_serve_where_none_is_named_and_production_names_those_that_it_uses() -> None:
    acme = {"tls": ACME["tls"], "pgbouncer": {}}
    services = yaml.safe_load(text(files_of("staging", images={}, **acme), "compose.yaml"))["services"]
    assert services["certbot"]["image"] == "certbot/certbot:v4.2.0"
    assert services["pgbouncer"]["image"] == "edoburu/pgbouncer:v1.24.1-p1"
    assert "mail" not in services
    unpinned = [mistake.partition(": ")[0] for mistake in _mistakes(described("production", **acme))]
    assert unpinned == [f"erp-production.provision.images.{service}" for service in ("certbot", "pgbouncer")]


@pytest.mark.parametrize(("images", "catches"), [({}, True), ({"mail": None}, False), ({"mail": "ours:1"}, True)])
def test_development_catches_mail_unless_it_is_told_not_to(images: dict[str, object], *, catches: bool) -> None:
    services = yaml.safe_load(text(files_of("development", images=images), "compose.yaml"))["services"]
    assert ("mail" in services) is catches
    if catches:
        assert services["mail"]["image"] == images.get("mail", "axllent/mailpit:v1.21")


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("odoo:19.0@sha256:" + "0" * 64, True),
        ("registry.example.com:5000/erp/odoo@sha256:" + "0" * 64, True),
        ("sha256:" + "0" * 64, True),
        ("odoo:19.0", False),
        ("sha256:19.0", False),
        ("odoo:" + "0" * 64, False),
    ],
)
def test_image_is_pinned_when_its_name_says_its_content(image: str, *, pinned: bool) -> None:
    assert is_pinned(image) == pinned


OPTIONS: dict[str, Any] = {
    "odoo_options": {"server_wide_modules": "base,web,queue_job", "unaccent": True, "limit_time_real": 1800},
    "postgres_options": {"statement_timeout": "15min", "jit": True, "log_line_prefix": r"it's \p "},
}


@pytest.mark.parametrize("stage", STAGES)
def test_options_stand_once_in_odoo_conf_and_last_in_postgresql_conf(stage: str) -> None:
    files = files_of(stage, **OPTIONS)
    read = RawConfigParser()  # as Odoo reads it: an option that is there twice is an error
    read.read_string(text(files, "config/odoo/odoo.conf"))
    assert {name: read["options"][name] for name in OPTIONS["odoo_options"]} == {
        "server_wide_modules": "base,web,queue_job",
        "unaccent": "True",
        "limit_time_real": "1800",
    }
    ours = ["statement_timeout = '15min'", "jit = 'True'", r"log_line_prefix = 'it''s \\p '"]
    assert text(files, "config/postgres/postgresql.conf").splitlines()[-3:] == ours


def test_nginx_believes_trusted_proxies_alone() -> None:
    believed = text(files_of("staging", trusted_proxies=["203.0.113.0/24", "2001:db8::1"]), "config/nginx/nginx.conf")
    lines = [line.strip() for line in believed.splitlines() if "real_ip" in line]
    assert lines == [
        "set_real_ip_from 203.0.113.0/24;",
        "set_real_ip_from 2001:db8::1/128;",
        "real_ip_header X-Forwarded-For;",
        "real_ip_recursive on;",
    ]
    assert "real_ip" not in text(files_of("staging"), "config/nginx/nginx.conf")


def test_options_change_no_other_file_but_the_label_of_odoo_s_containers() -> None:
    plain, with_options = files_of("staging"), files_of("staging", **OPTIONS)
    changed = {path for path in plain if plain[path] != with_options[path]}
    assert changed == {"compose.yaml", "config/odoo/odoo.conf", "config/postgres/postgresql.conf"}
    services, others = (yaml.safe_load(text(files, "compose.yaml"))["services"] for files in (plain, with_options))
    assert [name for name in ("db", "odoo", "odoo-cron", "nginx") if services[name] != others[name]] == [
        "odoo",
        "odoo-cron",
    ]


@pytest.mark.parametrize(
    ("field", "name", "value", "mistake"),
    [
        ("odoo", "admin_passwd", "x", "is a secret; write it as `provision.master_password`"),
        ("odoo", "smtp_password", "x", "may hold a secret"),
        ("odoo", "proxy_access_token", "x", "may hold a secret"),
        ("odoo", "db_password", "x", "is the project's own"),
        ("odoo", "db_maxconn", 64, "is counted with the memory"),
        ("odoo", "workers", 12, "is counted with the memory"),
        ("odoo", "limit_memory_hard_gevent", 2**30, "is counted with the memory"),
        ("odoo", "max_cron_threads", 2, "is counted with the memory of the service odoo-cron"),
        ("odoo", "data_dir", "/srv", "is the project's own"),
        ("odoo", "http_interface", "::", "is the project's own"),
        ("odoo", "xmlrpc_port", 1, "is the project's own"),
        ("odoo", "gevent_port", 1, "is the project's own"),
        ("odoo", "addons_path", "/srv", "is the project's own; name the folders"),
        ("odoo", "list_db", True, "is the project's own: it keeps strangers out"),
        ("odoo", "dbfilter", ".*", "is the project's own: it keeps strangers out"),
        ("odoo", "proxy_mode", False, "is the project's own: it keeps strangers out"),
        ("odoo", "dev_mode", "all", "lets people run code in it"),
        ("odoo", "logfile", "/tmp/x", "is the project's own: the log goes to Docker"),  # noqa: S108
        ("odoo", "update", "all", "is for a single start"),
        ("odoo", "with_demo", True, "is said by `provision.demo_data`"),
        ("odoo", "smtp_server", "mail.example.com", "is the project's own: outside production"),
        ("odoo", "List_db", True, "is no name of an option"),
        ("odoo", "unaccent = x\nlist_db", True, "is no name of an option"),
        ("odoo", "log_handler", ":INFO\nlist_db = True", "holds a line break"),
        ("odoo", "log_handler", ":INFO\u2028", "holds a line break"),
        ("postgres", "listen_addresses", "x", "is the project's own"),
        ("postgres", "port", 1, "is the project's own"),
        ("postgres", "data_directory", "/srv", "is the project's own"),
        ("postgres", "hba_file", "/srv", "is the project's own"),
        ("postgres", "shared_preload_libraries", "x", "is the project's own: it holds pg_stat_statements"),
        ("postgres", "ssl", True, "is the project's own: it keeps strangers out"),
        ("postgres", "ssl_key_file", "x", "is the project's own: it keeps strangers out"),
        ("postgres", "include_dir", "/srv", "would read a file that no plan shows"),
        ("postgres", "logging_collector", True, "is the project's own: the log goes to Docker"),
        ("postgres", "fsync", False, "would risk the data"),
        ("postgres", "primary_conninfo", "x", "may hold a secret"),
        ("postgres", "my.ext.name", 1, "is no name of an option"),
        ("postgres", "work_mem", "8MB\nfsync = off", "holds a line break"),
    ],
)
def test_option_is_refused_when_the_project_decides_it_or_it_is_unsafe(
    field: str, name: str, value: object, mistake: str
) -> None:
    (found,) = _mistakes(described("staging", **{f"{field}_options": {name: value}}))
    assert found.startswith(f"erp-staging.provision.{field}_options.{name}: {mistake}")


def test_production_s_mail_server_may_be_named_and_a_catcher_s_may_not() -> None:
    mail_server = {"smtp_server": "mail.example.com"}
    assert "smtp_server = mail.example.com" in text(
        files_of("production", odoo_options=mail_server), "config/odoo/odoo.conf"
    )
    images = {**described("staging")["provision"]["images"], "mail": "axllent/mailpit:v1.21"}
    assert len(_mistakes(described("staging", odoo_options=mail_server, images=images))) == 1


def test_all_mistakes_are_told_at_once() -> None:
    data = described("production", demo_data=True, tls={"kind": "local_ca"})
    data["data_dir"] = "/srv/odoo"
    data["provision"] |= {"odoo_options": {"workers": 1, "list_db": True}, "postgres_options": {"port": 1}}
    assert len(_mistakes(data)) == 6


def test_golden_files_are_of_known_projects() -> None:
    assert sorted(path.name for path in Path(GOLDEN).iterdir()) == sorted(GOLDENS)
