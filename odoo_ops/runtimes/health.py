"""Asks every layer of an environment how it is, and only what can be asked. Nothing is changed."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from odoo_ops.adapters import database
from odoo_ops.adapters.odoo_health import read_database_health, read_still_named
from odoo_ops.adapters.odoo_site import open_site
from odoo_ops.adapters.public_site import PublicSite
from odoo_ops.commands import compose
from odoo_ops.errors import PermanentError, TransientError, VerificationFailed
from odoo_ops.model.environment import NoService
from odoo_ops.model.health import (
    Certificate,
    DatabaseHealth,
    Disk,
    HealthFacts,
    NewestFiles,
    Problem,
    Project,
    Service,
)
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.policy.provisioning import ODOO_SERVICES, PGBOUNCER_PORT, PGBOUNCER_SERVICE
from odoo_ops.runtimes.disks import read_database_disk, read_disk
from odoo_ops.runtimes.docker import read_containers, run_docker
from odoo_ops.runtimes.public_way import past_nginx, public_site
from odoo_ops.runtimes.runtime import Runtime

# a page that takes longer is of no use to anybody
_ANSWER_SECONDS = 20
# a restart of a worker, or of the proxy, is no alarm
_LOGIN_SECONDS = 10
# so many newest files more than may be missing
_FILES = 5

Found = TypeVar("Found")


def read_health(runtime: Runtime, now: datetime, *, site_closed: bool = False) -> HealthFacts | Problem:
    """What each layer answers; one that does not is a Problem, and so is all of it where the host does not answer.

    Where the site of a project that `provision` made is closed, websockets are asked for past its nginx.
    """
    return _asked(lambda: _read(runtime, now, past_nginx(runtime, ODOO_SERVICES[0]) if site_closed else None))


def _read(runtime: Runtime, now: datetime, past: PublicSite | None) -> HealthFacts:
    with runtime.machine.agents_kept(), runtime.host.agents_kept():
        disks = _read_disks(runtime)
        registry, login_page, assets = _read_pages(runtime)
        site = past or public_site(runtime)
        certificate, websocket = _read_public(runtime, site) if site else (None, None)
        of_database = _asked(lambda: _read_database(runtime))
        return HealthFacts(
            at=now,
            services=_asked(lambda: read_services(runtime)),
            database=of_database,
            pooler=_asked(lambda: _answers_through_pgbouncer(runtime)),
            files=None if isinstance(of_database, Problem) else _asked(lambda: _look_for(runtime, of_database)),
            registry=registry,
            login_page=login_page,
            assets=assets,
            public_url=site.url if site else None,
            websocket=websocket,
            certificate=certificate,
            disks=disks,
        )


def read_services(runtime: Runtime) -> Project | Service:
    """Odoo's service, or the containers of its project. Raises PreconditionFailed when Docker refuses."""
    settings = runtime.environment
    if isinstance(settings.runtime, ComposeProject):
        return _read_project(runtime, settings.runtime)
    return Service(runs=None if isinstance(settings.service, NoService) else runtime.odoo.runs())


def _read_project(runtime: Runtime, project: ComposeProject) -> Project:
    started = run_docker(runtime.machine, project, compose.list_started(project), "Looking at the services").split()
    return Project(
        services=tuple(sorted({*started, *project.odoo_services})),
        odoo_services=project.odoo_services,
        containers=read_containers(runtime.machine, project),
    )


def _read_disks(runtime: Runtime) -> tuple[Disk, ...]:
    """The file systems that hold the environment's data, each once. Raises what the host does not answer with."""
    settings = runtime.environment
    found = [read_disk(runtime.host, folder) for folder in (settings.data_dir, settings.state_dir)]
    of_database = _asked(lambda: read_database_disk(runtime))
    if isinstance(of_database, tuple):
        found.append(of_database)
    disks: dict[int, Disk] = {}
    for device, disk in found:
        disks.setdefault(device, disk)
    return tuple(disks.values())


def _read_database(runtime: Runtime) -> DatabaseHealth:
    with database.connect(runtime.host, runtime.environment.database) as connection:
        return read_database_health(connection, _FILES + runtime.environment.backup.damaged_attachments_allowed)


def _look_for(runtime: Runtime, found: DatabaseHealth) -> NewestFiles:
    """The files of the newest attachments in the filestore. Raises PreconditionFailed where it may not be read."""
    root, names = runtime.environment.filestore, list(found.newest_files)
    missing = runtime.host.call("missing_files", root=root, names=names)
    if missing:  # an attachment that was deleted meanwhile lost its file by that
        with database.connect(runtime.host, runtime.environment.database) as connection:
            named = read_still_named(connection, missing)
        missing = [name for name in missing if name in named]
    return NewestFiles(looked_for=len(names), missing=tuple(f"{root}/{name}" for name in missing))


def _answers_through_pgbouncer(runtime: Runtime) -> bool | None:
    """That the database does; None where there is no PgBouncer."""
    settings = runtime.environment
    if settings.provision is None or settings.provision.pgbouncer is None:
        return None
    through = {"server": PGBOUNCER_SERVICE, "port": PGBOUNCER_PORT}
    with database.connect(runtime.host, settings.database.model_copy(update=through)) as connection:
        connection.execute("SELECT 1")
    return True


def _read_pages(runtime: Runtime) -> tuple[bool | Problem, bool | Problem | None, int | Problem | None]:
    """Whether the registry is loaded, whether the login page is served, and how many scripts and styles."""
    settings = runtime.environment
    with open_site(runtime.host, settings.odoo.url, answer_seconds=_ANSWER_SECONDS) as site:
        loaded = _asked(lambda: site.wait_for_registry(settings.database.name, _LOGIN_SECONDS))
        if isinstance(loaded, Problem):
            return loaded, None, None
        page = _asked(lambda: site.wait_for_login_page(settings.database.name, _LOGIN_SECONDS, lambda: None))
        if isinstance(page, Problem):
            return True, page, None
        return True, True, _asked(lambda: len(site.read_assets()))


def _read_public(runtime: Runtime, site: PublicSite) -> tuple[Certificate | Problem | None, bool | Problem | None]:
    """The certificate, and whether a websocket is upgraded; not where the certificate is refused."""
    try:
        certificate = site.read_certificate() if site.has_certificate else None
    except VerificationFailed as error:
        return Problem(said=str(error)), None
    except TransientError as error:
        return None, Problem(said=str(error))
    return certificate, _asked(lambda: site.upgrades_to_websocket(runtime.environment.database.name))


def _asked(read: Callable[[], Found]) -> Found | Problem:
    """What was read, or why it could not be."""
    try:
        return read()
    except (TransientError, PermanentError) as error:
        return Problem(said=str(error))
