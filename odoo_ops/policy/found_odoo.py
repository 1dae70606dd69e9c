"""Which of what runs on a host is the Odoo that is meant, and which of its settings count."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.adoption import AdoptionRequest
from odoo_ops.model.found import (
    FoundContainer,
    FoundDatabase,
    FoundProject,
    FoundServer,
    OdooProcess,
    Place,
    Settings,
)

_ODOO_MARKS = {"ODOO_RC", "ODOO_VERSION"}
_POSTGRES_MARKS = {"PG_MAJOR", "PGDATA"}
# of the official image
_IMAGE_DEFAULTS = {"db_host": "db", "db_user": "odoo", "data_dir": "/var/lib/odoo"}
_IMAGE_CONFIG = "/etc/odoo/odoo.conf"
_IMAGE_VARIABLES = {"HOST": "db_host", "PORT": "db_port", "USER": "db_user"}
_LIBPQ_VARIABLES = {"PGHOST": "db_host", "PGPORT": "db_port", "PGUSER": "db_user", "PGDATABASE": "db_name"}


def known_project(name: str, projects: Sequence[str], host: str) -> None:
    """Raise PreconditionFailed, naming those there are, when a host has no project of this name."""
    if name not in projects:
        there = f"It has: {', '.join(sorted(projects))}" if projects else "Docker has none there"
        raise PreconditionFailed(
            f"{host} has no compose project {name!r}. {there}. Nothing was changed. Next step: correct `project`."
        )


def odoo_containers(project: FoundProject, request: AdoptionRequest, host: str) -> tuple[FoundContainer, ...]:
    """Containers in which the Odoo that is meant runs, first the one that answers people.

    Raises PreconditionFailed when there is none, or the first one does not run.
    """
    found = [one for one in project.containers if one.program or _ODOO_MARKS & one.environment.keys()]
    if request.database:
        found = [one for one in found if one.options.get("db_name", request.database) == request.database]
    if not found:
        services = ", ".join(sorted({one.service for one in project.containers})) or "none"
        raise PreconditionFailed(
            f"No Odoo was found in the compose project {request.project} on {host}. Its services with a container: "
            f"{services}. Nothing was changed. Next step: start the project, or correct `project` or `database`."
        )
    found.sort(key=lambda one: (not one.running, "http_enable" in one.options, not one.ports, one.service))
    if not found[0].running:
        raise PreconditionFailed(
            f"{found[0].service} of the compose project {request.project} on {host} does not run, so it cannot be "
            "read. Nothing was changed. Next step: `docker compose up -d` in its folder."
        )
    return tuple(found)


def container_settings(odoo: FoundContainer, file: Settings | None) -> Settings:
    """What counts for an Odoo in a container: arguments, then PostgreSQL's variables, its file, the image's words."""
    file, variables = file or Settings(), odoo.environment
    options = {
        **_IMAGE_DEFAULTS,
        **_of(variables, _IMAGE_VARIABLES),
        **file.options,
        **_of(variables, _LIBPQ_VARIABLES),
        **odoo.options,
    }
    image_password = "set" if variables.get("PASSWORD_FILE") else odoo.secrets.get("PASSWORD", "known")
    return _settings(options, {"db_password": image_password}, odoo, file)


def process_settings(process: OdooProcess, file: Settings | None) -> Settings:
    """The same for an Odoo on the host, which is as its user where nothing is said."""
    file, variables = file or Settings(), process.environment
    defaults = {"db_user": process.user, "data_dir": f"{process.home}/.local/share/Odoo"}
    options = {**defaults, **file.options, **_of(variables, _LIBPQ_VARIABLES), **process.options}
    return _settings(options, {}, process, file)


def _of(variables: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {name: variables[variable] for variable, name in names.items() if variables.get(variable)}


def _settings(options: Mapping[str, str], least: Mapping[str, str], found: Settings, file: Settings) -> Settings:
    """Options with their secrets: least counts what is given so, then the file, a variable of libpq, arguments."""
    secrets = {**least, **file.secrets}
    if "PGPASSWORD" in found.secrets:
        secrets["db_password"] = found.secrets["PGPASSWORD"]
    words = {name: kind for name, kind in found.secrets.items() if name.islower()}  # variables are in capitals
    return Settings.model_validate({"options": options, "secrets": {**secrets, **words}})


def config_of(odoo: FoundContainer) -> str:
    """Path of the odoo.conf in a container."""
    return odoo.options.get("config") or odoo.environment.get("ODOO_RC") or _IMAGE_CONFIG


def config_of_process(process: OdooProcess) -> str:
    """Path of the odoo.conf of an Odoo on the host, where it would be if there is one."""
    path = process.options.get("config") or process.environment.get("ODOO_RC") or f"{process.home}/.odoorc"
    return str(PurePosixPath(process.folder or "/", path))


def postgres_of(project: FoundProject, server: str) -> FoundContainer | None:
    """The container of the project that is PostgreSQL by this name; None: PostgreSQL is elsewhere."""
    for one in project.containers:
        names = {one.service, one.name, *(alias for aliases in one.networks.values() for alias in aliases)}
        if server in names and _POSTGRES_MARKS & one.environment.keys() and one.running:
            return one
    return None


def superuser_of(postgres: FoundContainer) -> str:
    """The superuser that PostgreSQL's image makes."""
    return postgres.environment.get("POSTGRES_USER", "postgres")


def chosen_process(processes: Sequence[OdooProcess], request: AdoptionRequest, host: str) -> OdooProcess:
    """The Odoo on a host that is meant. Raises PreconditionFailed when it is none, or which one is not known."""
    named = [one for one in processes if request.config in {"", config_of_process(one)}]
    if len(named) == 1:
        return named[0]
    if not processes:
        raise PreconditionFailed(
            f"No Odoo runs on {host} itself. Nothing was changed. Next step: start it; if it runs in containers, name "
            "their compose project (`project`; `docker compose ls` lists them)."
        )
    shown = "; ".join(f"{config_of_process(one)} ({one.unit or one.user})" for one in processes)
    what = "Several Odoos run" if named else f"No Odoo runs by {request.config}"
    raise PreconditionFailed(
        f"{what} on {host}: {shown}. Nothing was changed. Next step: name the odoo.conf of one as `config`."
    )


def chosen_database(server: FoundServer | None, settings: Settings, wanted: str) -> FoundDatabase:
    """The database that is meant: the one that was named, or that Odoo's settings leave.

    Raises PreconditionFailed, naming those there are, when that is none, or which one is not known.
    """
    options = settings.options
    pinned = [name.strip() for name in options.get("db_name", "").split(",") if name.strip()]
    if server is None:
        if wanted or len(pinned) == 1:
            return FoundDatabase(name=wanted or pinned[0], owner=options["db_user"], size_bytes=0)
        raise PreconditionFailed(
            "PostgreSQL could not be asked for its databases. Nothing was changed. Next step: name one as `database`."
        )
    there = {database.name: database for database in server.odoo_databases}
    left = [name for name in there if _is_served(name, pinned, options) and there[name].owner == options["db_user"]]
    if wanted in there or (not wanted and len(left) == 1):
        return there[wanted or left[0]]
    shown = ", ".join(sorted(there)) or "none"
    what = f"There is no database {wanted!r} of Odoo's" if wanted else "Which database is meant is not known"
    raise PreconditionFailed(
        f"{what}. Odoo's databases: {shown}. Nothing was changed. Next step: name one of them as `database`."
    )


def _is_served(name: str, pinned: Sequence[str], options: Mapping[str, str]) -> bool:
    """Whether Odoo serves a database; what its filter takes from a request counts as anything."""
    if pinned:
        return name in pinned
    pattern = options.get("dbfilter", "").replace("%d", ".*").replace("%h", ".*")
    try:
        return re.match(pattern, name) is not None
    except re.error:
        return True


def own_addons(folders: str, with_base: Sequence[str]) -> tuple[str, ...]:
    """The folders of an addons_path that do not hold Odoo's own modules."""
    named = [folder.strip() for folder in folders.split(",")]
    return tuple(folder for folder in named if folder.startswith("/") and folder not in with_base)


def best_place(places: Sequence[Place], needed_bytes: int) -> Place:
    """The first folder that can be written and has the room; else the first."""
    fit = (place for place in places if place.writable and place.free_bytes >= needed_bytes)
    return next(fit, places[0])


def series(version: str) -> str:
    """Odoo's series of a version, such as `19.0` of `19.0.1.3` or of `19.0~20260101`."""
    found = re.match(r"(?:saas~)?(\d{2}\.\d)", version)
    return found[1] if found else ""
