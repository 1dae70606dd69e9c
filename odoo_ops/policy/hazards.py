"""What in an Odoo that was set up by hand will hurt one day, and what to do about it: one row each."""

from collections.abc import Callable, Iterator

from odoo_ops.model.adoption import FoundOdoo, Remark
from odoo_ops.model.found import POSTGRES_PORT, FoundContainer
from odoo_ops.policy.provisioning import PGBOUNCER_PORT

_FALSE = {"false", "0", "no", "off"}
_LOOPBACK = {"127.0.0.1", "::1"}
_LOGS_WITHOUT_LIMIT = {"json-file"}

Look = Callable[[FoundOdoo], str]


def hazards(found: FoundOdoo) -> tuple[Remark, ...]:
    """Those that are there, in words."""
    seen = ((look(found), step) for look, step in _HAZARDS)
    return tuple(Remark(what=what, next_step=step) for what, step in seen if what)


def _data_in_container(found: FoundOdoo) -> str:
    lost = [f"{path} of {one.service}" for one, path in _data_folders(found) if one.mount_of(path) is None]
    return f"{', '.join(lost)} is in the container itself: `docker compose down` deletes it" if lost else ""


def _nameless_volume(found: FoundOdoo) -> str:
    mounts = [(one, path, one.mount_of(path)) for one, path in _data_folders(found)]
    lost = [f"{path} of {one.service}" for one, path, mount in mounts if mount and mount.is_nameless]
    text = "is in a volume without a name: after `docker compose down` the next container begins with an empty one"
    return f"{', '.join(lost)} {text}" if lost else ""


def _data_folders(found: FoundOdoo) -> Iterator[tuple[FoundContainer, str]]:
    if found.odoo:
        yield found.odoo[0], found.data_dir
    if one := found.postgres_container:
        yield one, one.environment.get("PGDATA", "/var/lib/postgresql/data")


def _missing_files(found: FoundOdoo) -> str:
    files = found.files
    where = f"of {files.looked_for} attachments that the database names and that were looked for"
    return f"{files.missing} {where} are not in {found.data_dir}/filestore" if files.missing else ""


def _database_manager(found: FoundOdoo) -> str:
    if found.settings.options.get("list_db", "True").lower() in _FALSE:
        return ""
    return "Odoo's database manager is on (`list_db`): whoever reaches Odoo sees its databases, and may try passwords"


def _master_password(found: FoundOdoo) -> str:
    known = found.settings.secrets.get("admin_passwd", "known") == "known"
    return (
        "The database manager's password (`admin_passwd`) is one that everybody knows: Odoo's default" if known else ""
    )


def _known_password(found: FoundOdoo) -> str:
    known = found.settings.secrets.get("db_password") == "known"
    return f"The password of the role {found.user} is one that everybody knows" if known else ""


def _no_filter(found: FoundOdoo) -> str:
    options = found.settings.options
    names = [database.name for database in found.postgres.odoo_databases] if found.postgres else []
    if len(names) < 2 or options.get("dbfilter") or options.get("db_name"):  # noqa: PLR2004 - several
        return ""
    return f"Odoo serves {len(names)} databases ({', '.join(names)}) to everybody: there is no `dbfilter`"


def _pool(found: FoundOdoo) -> str:
    if found.port != PGBOUNCER_PORT:
        return ""
    return f"Odoo reaches PostgreSQL through a pool ({found.server}:{found.port}), which no backup or restore can use"


def _superuser(found: FoundOdoo) -> str:
    superuser = found.postgres and found.user in found.postgres.superusers
    return (
        f"Odoo's role {found.user} is a superuser of PostgreSQL: a hole in Odoo is one in the server"
        if superuser
        else ""
    )


def _published_database(found: FoundOdoo) -> str:
    ports = found.postgres_container.ports if found.postgres_container else ()
    open_to_all = [port for port in ports if port.inside == POSTGRES_PORT and port.address not in _LOOPBACK]
    return f"PostgreSQL's port is published at {open_to_all[0].address}" if open_to_all else ""


def _no_password(found: FoundOdoo) -> str:
    variables = found.postgres_container.environment if found.postgres_container else {}
    trusts = variables.get("POSTGRES_HOST_AUTH_METHOD") == "trust"
    return "PostgreSQL asks nobody for a password (POSTGRES_HOST_AUTH_METHOD=trust)" if trusts else ""


def _latest_image(found: FoundOdoo) -> str:
    loose = [f"{one.service} ({one.image})" for one in _containers(found) if _is_loose(one.image)]
    return f"What the image is changes by itself: {', '.join(loose)}" if loose else ""


def _is_loose(image: str) -> bool:
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    return "@" not in image and tag in {"", "latest"}


def _endless_logs(found: FoundOdoo) -> str:
    logs = [(one.service, one.logs) for one in _containers(found)]
    endless = [service for service, log in logs if log.driver in _LOGS_WITHOUT_LIMIT and not log.limited]
    return f"The logs of {', '.join(endless)} grow until the disk is full" if endless else ""


def _never_again(found: FoundOdoo) -> str:
    still = [one.service for one in _containers(found) if one.restart == "no"]
    return f"After a reboot nothing starts {', '.join(still)} again" if still else ""


def _developing(found: FoundOdoo) -> str:
    mode = found.settings.options.get("dev_mode", "")
    return f"Production runs with --dev={mode}" if mode and found.request.stage == "production" else ""


def _containers(found: FoundOdoo) -> tuple[FoundContainer, ...]:
    return found.odoo + ((found.postgres_container,) if found.postgres_container else ())


_HAZARDS: tuple[tuple[Look, str], ...] = (
    (
        _data_in_container,
        "stop Odoo, copy the folder out (`docker compose cp`), give the service a named volume there, copy it back",
    ),
    (
        _nameless_volume,
        "do not run `down`; back up first, then give the service a named volume there and copy the old one's files",
    ),
    (_missing_files, "look for them in older backups; the first backup names every record they belong to"),
    (
        _database_manager,
        "write `list_db = False` into odoo.conf, and `db_name` or an anchored `dbfilter`; restart Odoo",
    ),
    (_master_password, "write a long random `admin_passwd` into odoo.conf and restart Odoo"),
    (_known_password, "ALTER ROLE … PASSWORD, write the new one where Odoo reads it, and restart Odoo"),
    (_no_filter, "write `db_name`, or an anchored filter such as `dbfilter = ^erp$`, into odoo.conf and restart Odoo"),
    (_pool, "name the address of PostgreSQL itself as `server` and `port` in the environment file"),
    (_superuser, "make another superuser, then ALTER ROLE … NOSUPERUSER; Odoo needs at most CREATEDB"),
    (
        _published_database,
        "take PostgreSQL's `ports` out of the compose file; Odoo reaches it by the project's network",
    ),
    (_no_password, "set POSTGRES_PASSWORD, take the variable out, and correct pg_hba.conf in the data folder"),
    (_latest_image, "name a version and its digest in the compose file: the one that runs now"),
    (_endless_logs, "`logging: {driver: local}` for each service, or max-size and max-file for json-file"),
    (_never_again, "`restart: unless-stopped` in the compose file"),
    (_developing, "take the option out: it reads every file anew, and shows errors to whoever causes them"),
)
