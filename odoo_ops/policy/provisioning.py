"""What of an environment does not fit the project that is made for it."""

import ipaddress
import re
from collections.abc import Iterator

from odoo_ops.model.environment import Environment, Stage
from odoo_ops.model.provision import LETS_ENCRYPT, Acme, LocalCa, NoTls, Provisioning, is_pinned
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.policy.server_options import odoo_option_mistakes, postgres_option_mistakes

Mistake = tuple[tuple[str, ...], str]

COMPOSE_FILE = "compose.yaml"
# from which Odoo's containers read the database's password when they start
ODOO_PASSWORD_FILE = "secrets/odoo_password"  # noqa: S105 - a path
DATABASE_SERVICE, NGINX_SERVICE, PGBOUNCER_SERVICE = "db", "nginx", "pgbouncer"
SUPERUSER = "postgres"
# of the compose file: PostgreSQL's data, and Odoo's with the filestore
DATABASE_VOLUME, FILESTORE_VOLUME = "database", "data"
ODOO_SERVICES = ("odoo", "odoo-cron")
# one-off containers of a new image: before it was approved, and after it
GATE_SERVICE, RELEASE_SERVICE = "odoo-gate", "odoo-release"
# in the project's folder
PROJECT_LOCK = ".odoo-ops.lock"
ODOO_CONFIG = "/etc/odoo/odoo.conf"
ODOO_PORT, GEVENT_PORT, PGBOUNCER_PORT = 8069, 8072, 6432
# nginx, within the project's networks
HTTP_PORT, HTTPS_PORT = 8080, 8443
DATA_DIR = "/var/lib/odoo"
STATE_DIRS = "/var/lib/odoo-ops"

# names that are nobody's on the Internet (RFC 6761, 6762 and 8375, and ICANN's `internal`)
_RESERVED = (".test", ".localhost", ".invalid", ".example", ".local", ".internal", ".home.arpa")

_SAFE_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def why_not_provisioned(environment: Environment) -> str:
    """Why no project is made of an environment, in words; "": one is."""
    return "" if environment.provision else "its file has no `provision`"


def makes_databases(stage: Stage) -> bool:
    """Whether Odoo's role may make databases, as its database manager and a developer's tests do."""
    return stage == "development"


def provision_mistakes(environment: Environment) -> Iterator[Mistake]:
    """Each field that keeps the project from being made, and what is wrong with it.

    The project's files are made for services, paths and roles of fixed names, which other flows find by the fields.
    """
    if environment.provision is None:
        return
    if not isinstance(environment.runtime, ComposeProject):
        yield ("provision",), "is for compose projects; write `runtime: {kind: compose, …}`, or delete it"
        return
    yield from _unlike_project(environment, environment.runtime)
    yield from _unsafe_database(environment)
    yield from _unsafe_edge(environment.provision)
    yield from _unfit_for_pgbouncer(environment, environment.provision)
    yield from _unfit_options(environment, environment.provision)
    yield from _without_admin_password(environment, environment.provision)
    master_password = environment.provision.master_password
    if master_password is not None and not master_password.get_secret_value():
        yield ("provision", "master_password"), "is empty, and so it would be no secret; write one, or delete it"
    if environment.stage == "production":
        yield from _unfit_for_production(environment.provision)


def _unlike_project(environment: Environment, runtime: ComposeProject) -> Iterator[Mistake]:
    expected = (
        (("runtime", "odoo_services"), runtime.odoo_services, ODOO_SERVICES),
        (("runtime", "toolbox"), runtime.toolbox, "toolbox"),
        (("runtime", "restore_toolbox"), runtime.restore_toolbox, "toolbox-restore"),
        (("odoo", "config"), environment.odoo.config, ODOO_CONFIG),
        (("odoo", "url"), environment.odoo.url, f"http://odoo:{ODOO_PORT}"),
        (("database", "server"), environment.database.server, "db"),
        (("database", "port"), environment.database.port, 5432),
        (("database", "admin_user"), environment.database.admin_user, SUPERUSER),
        (("data_dir",), environment.data_dir, DATA_DIR),
    )
    for path, found, right in expected:
        if found != right:
            shown = f"[{', '.join(right)}]" if isinstance(right, tuple) else right
            yield path, f"must be {shown} in a project that `provision` makes"
    if not environment.state_dir.startswith(f"{STATE_DIRS}/"):
        yield ("state_dir",), f"must be a folder below {STATE_DIRS} in a project that `provision` makes"


def _unsafe_database(environment: Environment) -> Iterator[Mistake]:
    database = environment.database
    for field, value in (("name", database.name), ("user", database.user)):
        if not _SAFE_NAME.fullmatch(value):
            yield ("database", field), "may hold only letters, digits, dots, dashes and _ where `provision` writes it"
    if database.user == SUPERUSER:
        yield ("database", "user"), "is the superuser; name another role for Odoo, such as odoo"
    if database.user.startswith("pg_"):
        yield ("database", "user"), "begins with pg_, as PostgreSQL's own roles alone do; name another, such as odoo"
    for field, secret in (("password", database.password), ("admin_password", database.admin_password)):
        if secret is None or not secret.get_secret_value():
            yield ("database", field), "is needed where `provision` makes the database"


def _without_admin_password(environment: Environment, wanted: Provisioning) -> Iterator[Mistake]:
    if wanted.admin_password is not None:
        return
    if environment.stage != "development":
        yield ("provision", "admin_password"), "is needed: without it anybody logs in to a new database as admin"
    elif not ipaddress.ip_address(wanted.bind).is_loopback:
        text = f"is missing, and {wanted.bind} is not loopback: anybody there logs in to a new database as admin"
        there = "where the database is there already, change the password in Odoo and name it here"
        yield ("provision", "admin_password"), f"{text}; name one, or write `bind: 127.0.0.1`; {there}"


def _unsafe_edge(wanted: Provisioning) -> Iterator[Mistake]:
    if isinstance(wanted.tls, NoTls) and not ipaddress.ip_address(wanted.bind).is_loopback:
        text = f"is `none`, and {wanted.bind} is not loopback: passwords would pass in the clear"
        yield ("provision", "tls"), f"{text}; write `bind: 127.0.0.1`, or name a certificate"
    yield from _shared_ports(wanted)
    if all_of_them := [one for one in wanted.trusted_proxies if one.endswith("/0")]:
        text = f"holds {', '.join(all_of_them)}: anybody could say to be anybody"
        yield ("provision", "trusted_proxies"), f"{text}; name the balancer's own addresses"
    if isinstance(wanted.tls, Acme) and wanted.tls.directory == LETS_ENCRYPT:
        yield from _unseen_by_lets_encrypt(wanted)


def _unseen_by_lets_encrypt(wanted: Provisioning) -> Iterator[Mistake]:
    """What a directory on the Internet gives no certificate for; one of your own may."""
    if inner := [domain for domain in wanted.domains if "." not in domain or domain.endswith(_RESERVED)]:
        text = f"holds {', '.join(inner)}, a name within your own network, for which Let's Encrypt gives no certificate"
        yield ("provision", "domains"), f"{text}; use another `tls`, or a `directory` of your own"


def _shared_ports(wanted: Provisioning) -> Iterator[Mistake]:
    """Ports that two services would be published on; those that are not published do not matter."""
    taken = {wanted.http_port: "http_port"}
    if not isinstance(wanted.tls, NoTls):
        if wanted.https_port in taken:
            yield ("provision", "https_port"), "is the same as http_port"
        taken.setdefault(wanted.https_port, "https_port")
    on_loopback = wanted.bind == "127.0.0.1" or ipaddress.ip_address(wanted.bind).is_unspecified
    if wanted.images.mail and on_loopback and wanted.mail_port in taken:
        yield ("provision", "mail_port"), f"is the same as {taken[wanted.mail_port]}"


def _unfit_for_pgbouncer(environment: Environment, wanted: Provisioning) -> Iterator[Mistake]:
    if wanted.pgbouncer is None:
        return
    if environment.database.name == PGBOUNCER_SERVICE:
        yield ("database", "name"), "is what PgBouncer calls its own console; choose another, or do without PgBouncer"


def _unfit_options(environment: Environment, wanted: Provisioning) -> Iterator[Mistake]:
    mail_is_kept = environment.stage != "production" or wanted.images.mail is not None
    for name, text in odoo_option_mistakes(wanted.odoo_options, mail_is_kept=mail_is_kept):
        yield ("provision", "odoo_options", name), text
    for name, text in postgres_option_mistakes(wanted.postgres_options):
        yield ("provision", "postgres_options", name), text


def _unfit_for_production(wanted: Provisioning) -> Iterator[Mistake]:
    unused = {"mail"}  # which is refused itself
    if not isinstance(wanted.tls, Acme):
        unused.add("certbot")
    if wanted.pgbouncer is None:
        unused.add("pgbouncer")
    for service, image in wanted.images.model_dump(exclude=unused).items():
        if not is_pinned(image):
            text = f"names no digest, so {image} may be another one tomorrow"
            yield (
                ("provision", "images", service),
                f"{text}; write {image}@sha256:… as in its registry, or sha256:…, its id on the host",
            )
    if wanted.images.mail:
        yield ("provision", "images", "mail"), "would keep production's mail from its receivers; delete it"
    if isinstance(wanted.tls, LocalCa):
        yield (
            ("provision", "tls"),
            "is a local authority, which no user's browser trusts; give certificate files, or use acme",
        )
    if wanted.demo_data:
        yield ("provision", "demo_data"), "would put Odoo's demo data among production's; delete it"
