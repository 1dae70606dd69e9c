"""The files of an environment's Docker Compose project. The same input gives the same bytes.

    compose.yaml
    config/odoo/odoo.conf                 a change makes Odoo's containers anew: a label holds its digest
    config/postgres/postgresql.conf       a change is taken over by a reload, some by a restart
    config/postgres-first-start/*.sql     run by the image when the cluster is new
    config/nginx/nginx.conf               a change is taken over by a reload
    config/pgbouncer/pgbouncer.ini        a change is taken over by a reload; where PgBouncer is wanted
    secrets/pgbouncer/userlist.txt
    secrets/odoo/odoo.conf                the first with a hash of the master password, where one is wanted: a change
                                          restarts Odoo, which reads this one instead
    secrets/odoo_password, secrets/postgres_password

`secrets/tls/` is put there by whoever has the certificate: TLS_CERTIFICATE and TLS_KEY. `config/acme/authority.pem`
is a copy of what `tls.ca_certificate` names.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import cast

from pydantic import SecretStr

from odoo_ops.commands.certbot import CHALLENGES
from odoo_ops.commands.image_releases import STATIC_COPIES
from odoo_ops.errors import InvalidConfiguration
from odoo_ops.model.environment import Environment
from odoo_ops.model.provision import HostFacts, NoTls, ProjectFile, Provisioning
from odoo_ops.model.sizing import OdooSizing, Sizing
from odoo_ops.policy import provisioning
from odoo_ops.policy.passwords import hashed_master_password
from odoo_ops.policy.sizing import machine_sizing, pool_sizing
from odoo_ops.render import render

COMPOSE_FILE = provisioning.COMPOSE_FILE
ODOO_CONF = "config/odoo/odoo.conf"
POSTGRESQL_CONF = "config/postgres/postgresql.conf"
FIRST_START = "config/postgres-first-start/odoo.sql"
NGINX_CONF = "config/nginx/nginx.conf"
PGBOUNCER_INI = "config/pgbouncer/pgbouncer.ini"
# The folder is the project user's alone (0700); what is in it can be read by all, because Docker mounts a file with its
# owner and mode, and each container runs as another user.
SECRETS_FOLDER = "secrets"
SECRETS_FOLDER_MODE = 0o700
SECRET_MODE = 0o444
ODOO_PASSWORD = provisioning.ODOO_PASSWORD_FILE
POSTGRES_PASSWORD = f"{SECRETS_FOLDER}/postgres_password"
ODOO_CONF_WITH_HASH = f"{SECRETS_FOLDER}/odoo/odoo.conf"
# mounted as folders: a file that is renamed into its place is seen by the running container
PGBOUNCER_USERS = f"{SECRETS_FOLDER}/pgbouncer/userlist.txt"
TLS_FOLDER = f"{SECRETS_FOLDER}/tls"
TLS_CERTIFICATE = f"{TLS_FOLDER}/certificate.pem"
TLS_KEY = f"{TLS_FOLDER}/key.pem"
ACME_AUTHORITY = "config/acme/authority.pem"

_DIGEST_CHARACTERS = 16
# the nginx that has them
_HTTP2_DIRECTIVE = (1, 25, 1)  # since then it warns of `listen … http2`
_KEEPALIVE_MIN_TIMEOUT = (1, 27, 4)


def project_files(
    environment: Environment,
    facts: HostFacts,
    *,
    odoo_user: str | None = None,
    nginx_version: tuple[int, ...] = (),
    start_interval: bool = False,
) -> tuple[ProjectFile, ...]:
    """All files of the project of an environment that has `provision`, for a host.

    Args:
        environment: what is wanted.
        facts: what the host has.
        odoo_user: user and group of Odoo in its image (`read_odoo_user`). As them nginx sends attachments of any mode;
            without, it is the image's own `nginx`, which sends those that all may read.
        nginx_version: of the nginx in its image; without, what is written suits all, but newer ones warn of it, and
            close connections at a reload at once.
        start_interval: whether Docker there has it (`has_start_interval`); without, what is written suits all, but
            services are looked at often for ever.

    Raises:
        InvalidConfiguration: fields that do not fit, all of them.
        Refused: the host has too little memory.
    """
    wanted, sizing = _checked(environment), project_sizing(environment, facts)
    odoo_conf = _odoo_conf(environment, wanted, sizing)
    digest = hashlib.sha256(odoo_conf.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    compose = _compose(
        environment, wanted, sizing, digest=digest, nginx_user=odoo_user or "nginx", start_interval=start_interval
    )
    return (
        _file(COMPOSE_FILE, compose),
        _file(ODOO_CONF, odoo_conf),
        _file(POSTGRESQL_CONF, render("postgres/postgresql.conf", sizing=sizing.postgres, wanted=wanted)),
        _file(FIRST_START, _first_start(environment)),
        _file(NGINX_CONF, _nginx(environment, wanted, sizing.odoo, nginx_version)),
        _secret(ODOO_PASSWORD, environment.database.password),
        _secret(POSTGRES_PASSWORD, environment.database.admin_password),
        *_with_master_password(environment, wanted, sizing),
        *_pgbouncer(environment, wanted, sizing.odoo),
    )


def project_sizing(environment: Environment, facts: HostFacts) -> Sizing:
    """How large the parts of a project are on a host. Raises as `project_files` does."""
    wanted = _checked(environment)
    sizing = machine_sizing(wanted.share_of(facts), wanted.expected_users)
    if environment.stage == "development":
        return sizing.model_copy(update={"odoo": _with_threads(sizing.odoo)})
    return sizing


def _checked(environment: Environment) -> Provisioning:
    mistakes = [f"{'.'.join(path)}: {text}" for path, text in provisioning.provision_mistakes(environment)]
    if environment.provision is None:
        mistakes = ["provision: is missing; it says how the project is made"]
    if mistakes:
        raise InvalidConfiguration([f"{environment.name}.{mistake}" for mistake in mistakes])
    return cast("Provisioning", environment.provision)


def _with_threads(odoo: OdooSizing) -> OdooSizing:
    """One process with threads, which a debugger can stop; it serves websockets, too, with their connections."""
    return odoo.model_copy(update={"workers": 0, "db_maxconn": odoo.db_maxconn_gevent})


def _compose(
    environment: Environment,
    wanted: Provisioning,
    sizing: Sizing,
    *,
    digest: str,
    nginx_user: str,
    start_interval: bool,
) -> str:
    return render(
        "compose/compose.yaml",
        **_named(environment),
        wanted=wanted,
        sizing=sizing,
        digest=digest,
        nginx_user=nginx_user,
        start_interval=start_interval,
        pool=pool_sizing(sizing.odoo, by_transaction=False) if wanted.pgbouncer else None,
        pgbouncer_port=provisioning.PGBOUNCER_PORT,
        odoo_config=provisioning.ODOO_CONFIG,
        data_dir=provisioning.DATA_DIR,
        state_dirs=provisioning.STATE_DIRS,
        challenges=CHALLENGES,
    )


def _first_start(environment: Environment) -> str:
    makes_databases = provisioning.makes_databases(environment.stage)
    return render("postgres/first-start.sql", **_named(environment), makes_databases=makes_databases)


def _with_master_password(environment: Environment, wanted: Provisioning, sizing: Sizing) -> Iterator[ProjectFile]:
    if wanted.master_password:
        admin_passwd = hashed_master_password(wanted.master_password, environment.name)
        yield _secret(ODOO_CONF_WITH_HASH, SecretStr(_odoo_conf(environment, wanted, sizing, admin_passwd)))


def _odoo_conf(environment: Environment, wanted: Provisioning, sizing: Sizing, admin_passwd: str = "") -> str:
    folders = dict.fromkeys([*wanted.addons, *environment.odoo.addons])
    return render(
        "odoo/odoo.conf",
        **_named(environment),
        wanted=wanted,
        odoo=sizing.odoo,
        admin_passwd=admin_passwd,
        addons=list(folders),
        dbfilter=f"^{re.escape(environment.database.name)}$",
        http_port=provisioning.ODOO_PORT,
        gevent_port=provisioning.GEVENT_PORT,
        db_host=provisioning.PGBOUNCER_SERVICE if wanted.pgbouncer else environment.database.server,
        db_port=provisioning.PGBOUNCER_PORT if wanted.pgbouncer else environment.database.port,
    )


def _nginx(environment: Environment, wanted: Provisioning, odoo: OdooSizing, version: tuple[int, ...]) -> str:
    return render(
        "nginx/nginx.conf",
        **_named(environment),
        wanted=wanted,
        encrypted=not isinstance(wanted.tls, NoTls),
        http2_directive=version >= _HTTP2_DIRECTIVE,
        keepalive_min_timeout=version >= _KEEPALIVE_MIN_TIMEOUT,
        odoo_port=provisioning.ODOO_PORT,
        websocket_port=provisioning.GEVENT_PORT if odoo.workers else provisioning.ODOO_PORT,
        data_dir=provisioning.DATA_DIR,
        challenges=CHALLENGES,
        static_copies=STATIC_COPIES,
    )


def _pgbouncer(environment: Environment, wanted: Provisioning, odoo: OdooSizing) -> Iterator[ProjectFile]:
    if wanted.pgbouncer is None:
        return
    mode, database = wanted.pgbouncer.pool, environment.database
    pool = pool_sizing(odoo, by_transaction=mode == "transaction")
    named = {**_named(environment), "mode": mode, "pool": pool, "port": provisioning.PGBOUNCER_PORT}
    yield _file(PGBOUNCER_INI, render("pgbouncer/pgbouncer.ini", **named))
    # the password itself: PgBouncer logs in with it, and PostgreSQL's own proof of it changes whenever it is set
    password = cast("SecretStr", database.password).get_secret_value()
    users = render("pgbouncer/userlist.txt", user=database.user, password=password)
    yield _secret(PGBOUNCER_USERS, SecretStr(users))


def _named(environment: Environment) -> dict[str, object]:
    return {"environment": environment, "database": environment.database, "stage": environment.stage}


def _file(path: str, text: str) -> ProjectFile:
    return ProjectFile(path=path, content=SecretStr(text), mode=0o644)


def _secret(path: str, value: SecretStr | None) -> ProjectFile:
    return ProjectFile(path=path, content=cast("SecretStr", value), mode=SECRET_MODE, secret=True)
