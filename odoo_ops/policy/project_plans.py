"""What is changed on a host so that it is as an environment file says."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from odoo_ops.errors import PreconditionFailed
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
from odoo_ops.model.provision import ProjectFile
from odoo_ops.model.runtimes import ComposeProject, Container
from odoo_ops.policy.provisioning import (
    COMPOSE_FILE,
    DATABASE_SERVICE,
    DATABASE_VOLUME,
    NGINX_SERVICE,
    ODOO_PASSWORD_FILE,
    ODOO_SERVICES,
    PGBOUNCER_SERVICE,
)
from odoo_ops.policy.shown_diffs import shown_diff

# states of a container that `docker compose up` would leave as they are
_STUCK = frozenset({"paused", "restarting", "dead", "removing"})
_STOPPING = frozenset({"recreate", "start", "restart"})


@dataclass(frozen=True)
class _Reader:
    """Services that read files of the project, and how they take a change; a path that ends with / is a folder's."""

    path: str
    services: tuple[str, ...]
    action: Literal["restart", "reload"]


# what is in the compose file, by its digest too, makes a container anew; these do not
MOUNTED_FOLDERS = (
    "config/odoo",
    "secrets/odoo",
    "config/nginx",
    "secrets/tls",
    "config/postgres",
    "config/pgbouncer",
    "secrets/pgbouncer",
)
_READERS = (
    # edited by hand, and perhaps read since: what the label on the container says of it is as it was
    _Reader("config/odoo/", ODOO_SERVICES, "restart"),
    _Reader("secrets/odoo/", ODOO_SERVICES, "restart"),
    _Reader("config/nginx/", (NGINX_SERVICE,), "reload"),
    _Reader("secrets/tls/", (NGINX_SERVICE,), "reload"),
    _Reader("config/postgres/", (DATABASE_SERVICE,), "reload"),
    _Reader(ODOO_PASSWORD_FILE, ODOO_SERVICES, "restart"),
    # with Odoo, which waits for it: a reload comes when Odoo is healthy, and without the password it never is
    _Reader("secrets/pgbouncer/", (PGBOUNCER_SERVICE,), "restart"),
    _Reader("config/pgbouncer/", (PGBOUNCER_SERVICE,), "reload"),
)


def provisioned_project(settings: Environment) -> ComposeProject | None:
    """The project that is provisioned; None where the environment file describes none."""
    return settings.runtime if isinstance(settings.runtime, ComposeProject) and settings.provision else None


def described_project(settings: Environment) -> ComposeProject:
    """The project that is provisioned. Raises PreconditionFailed where the environment file describes none."""
    if project := provisioned_project(settings):
        return project
    raise PreconditionFailed(
        f"{settings.name} is not described for provisioning. Nothing was changed. Next step: add `provision` and a "
        "`runtime` of kind compose to its environment file (docs/provision.md), and register it again."
    )


def file_changes(
    wanted: Sequence[ProjectFile], present: Mapping[str, PresentFile], unfinished: Collection[str]
) -> tuple[FileChange, ...]:
    """What must be written, in the order of the wanted files. Secrets' contents are told to nobody.

    `unfinished` are paths that a run wrote and whose services it may not have told: they count as changed.
    """
    changes = (_file_change(file, present.get(file.path), unfinished) for file in wanted)
    return tuple(change for change in changes if change)


def _file_change(file: ProjectFile, present: PresentFile | None, unfinished: Collection[str]) -> FileChange | None:
    text = file.content.get_secret_value()
    if present and present.text == text:
        if present.mode != file.mode:
            return FileChange(path=file.path, change="mode", diff="")
        return FileChange(path=file.path, change="unfinished", diff="") if file.path in unfinished else None
    diff = "" if file.secret else shown_diff(file.path, present.text if present else None, text)
    return FileChange(path=file.path, change="changed" if present else "new", diff=diff)


def folder_changes(wanted: Mapping[str, int], present: Mapping[str, int]) -> tuple[FileChange, ...]:
    """Folders (path -> mode) that are there and may be entered by others than they should."""
    return tuple(
        FileChange(path=f"{path}/", change="mode", diff="")
        for path, mode in wanted.items()
        if present.get(path, mode) != mode
    )


def service_changes(
    services: Sequence[WantedService],
    containers: Sequence[Container],
    files: Sequence[FileChange],
    lost_folders: Collection[str] = (),
) -> tuple[ServiceChange, ...]:
    """What happens to each service, in the order of the compose file; then what does not belong there any more.

    Args:
        services: those that are wanted.
        containers: those that are there.
        files: what is written.
        lost_folders: those of MOUNTED_FOLDERS that are not there; a container sees a new one only when it starts.
    """
    changes: list[ServiceChange] = []
    for service in services:
        if service.config_hash is None:
            continue
        of_service = [container for container in containers if container.service == service.name]
        # a restart for PostgreSQL's sake sees changed files, too; a reload would not do instead
        reasons = _by_database(service.name, changes) or _by_files(service.name, files, lost_folders)
        changes += list(_service_change(service, of_service, reasons))
    wanted = {service.name for service in services}
    gone = sorted({container.service for container in containers} - wanted)
    changes += [ServiceChange(service=name, action="remove", why="the project has it no more") for name in gone]
    return tuple(changes)


def _service_change(
    service: WantedService, containers: Sequence[Container], while_running: Sequence[ServiceChange]
) -> Iterator[ServiceChange]:
    """What happens to a service; `while_running`: if nothing is wrong with its container itself.

    What was changed past Compose makes a container anew, but for PostgreSQL, which is not stopped for that.
    """
    if not containers:
        yield ServiceChange(service=service.name, action="create", why="it has no container yet")
        return
    container = containers[0]
    reasons = []
    if container.config_hash != service.config_hash:
        reasons.append("its description or a file that it reads at its start differs")
    if service.image_id is None or container.image != service.image_id:
        reasons.append(f"it does not run the image {service.image}")
    if container.state == "running" and container.health == "unhealthy":
        reasons.append("it is not healthy")
    if container.state in _STUCK:
        reasons.append(f"its container is {container.state}")
    if len(containers) > 1:
        reasons.append(f"it has {len(containers)} containers instead of one")
    past_compose = list(_past_compose(service, container))
    mended = service.name == DATABASE_SERVICE and container.state == "running"
    if reasons or (past_compose and not mended):
        yield ServiceChange(service=service.name, action="recreate", why=" and ".join(reasons + past_compose))
    elif container.state != "running":
        yield ServiceChange(service=service.name, action="start", why=f"its container is {container.state}")
    else:
        if past_compose:
            why = f"{' and '.join(past_compose)}; that is changed while it runs"
            yield ServiceChange(service=service.name, action="update", why=why)
        yield from while_running


def _past_compose(service: WantedService, container: Container) -> Iterator[str]:
    """What was changed of a container past Compose, whose digest stays as it was."""
    wanted, found = set(service.networks), set(container.networks)
    if added := sorted(found - wanted):
        yield f"it is in the network {', '.join(added)}, too"
    if lacking := sorted(wanted - found):
        yield f"it is not in the network {', '.join(lacking)}"
    if container.memory_bytes not in {0, service.memory_bytes}:  # 0: the kernel knows no limits
        limits = (f"{size // 2**20} MiB" for size in (container.memory_bytes, service.memory_bytes))
        yield f"its memory is limited to {' instead of '.join(limits)}"
    pids = max(container.pids_limit or 0, 0)
    if container.pids_limit is not None and pids != service.pids_limit:  # None: the kernel knows no limits
        yield f"its processes are limited to {_limits(pids, service.pids_limit)}"
    cpus, wanted_cpus = (round(nano / 10**9, 3) for nano in (container.nano_cpus, service.nano_cpus))
    if cpus != wanted_cpus:
        yield f"its processors are limited to {_limits(cpus, wanted_cpus)}"
    if container.restart_policy != service.restart_policy:
        yield f"its restart policy is {container.restart_policy} instead of {service.restart_policy}"


def _limits(found: float, wanted: float) -> str:
    return " instead of ".join(f"{limit:g}" if limit else "nothing" for limit in (found, wanted))


def _by_files(service: str, files: Sequence[FileChange], lost_folders: Collection[str]) -> list[ServiceChange]:
    """What the files that are written mean to a running service: one thing at the most."""
    changed = {
        reader: paths
        for reader in _READERS
        if service in reader.services and (paths := [file.path for file in files if file.path.startswith(reader.path)])
    }
    if not changed:
        return []
    if lost := [reader.path for reader in changed if reader.path.rstrip("/") in lost_folders]:
        return [ServiceChange(service=service, action="restart", why=f"its folder {', '.join(lost)} was lost")]
    restarts = any(reader.action == "restart" for reader in changed)
    why = f"{', '.join(path for paths in changed.values() for path in paths)} changed"
    return [ServiceChange(service=service, action="restart" if restarts else "reload", why=why)]


def _by_database(service: str, earlier: Sequence[ServiceChange]) -> list[ServiceChange]:
    """What a stop or start of PostgreSQL means to a running service.

    Odoo's scheduled actions end when their database goes, and Docker's own restart of them would be an alarm. PgBouncer
    goes on to ask for the address that PostgreSQL's container had before, for as long as Docker's DNS gave it (c-ares
    keeps answers since 1.31, whatever `dns_max_ttl` says): ten minutes.
    """
    if any(one.service == DATABASE_SERVICE and one.action in _STOPPING for one in earlier):
        if service in ODOO_SERVICES:
            return [ServiceChange(service=service, action="restart", why="its PostgreSQL is stopped meanwhile")]
        if service == PGBOUNCER_SERVICE:
            return [ServiceChange(service=service, action="restart", why="its PostgreSQL may get another address")]
    return []


def provision_plan(
    environment: str,
    record: ProjectRecord | None,
    *,
    files: Sequence[FileChange],
    services: Sequence[WantedService],
    containers: Sequence[Container],
    lost_folders: Collection[str],
    has_data: bool,
    lost_volumes: Sequence[str] = (),
    cluster: ClusterFacts,
    certificate: str = "",
    superseded: str = "",
    crowded: str = "",
    unfit_certificate: str = "",
) -> ProvisionPlan:
    """All that is to be changed.

    A database is made where there never was one: a lost one is restored, not replaced.

    Args:
        environment: its name.
        record: what is noted in the project's folder.
        files: what must be written.
        services: those that are wanted.
        containers: those that are there.
        lost_folders: those of MOUNTED_FOLDERS that are not there.
        has_data: whether PostgreSQL's volume is there.
        lost_volumes: those whose data was there and is not any more.
        cluster: what PostgreSQL tells.
        certificate: why certbot must bring another one; empty: it need not.
        superseded: released image whose place the environment file's takes.
        crowded: why the machine's memory is too little for all projects on it; empty: it is not.
        unfit_certificate: why the certificate in place stays instead of what was given; empty: it does not.
    """
    missing = not has_data or DATABASE_VOLUME in lost_volumes or cluster.has_database is False
    had_one = record is not None and record.has_database
    return ProvisionPlan(
        environment=environment,
        files=tuple(files),
        services=service_changes(services, containers, files, lost_folders),
        pull=images_to_pull(services),
        new_database=missing and not had_one,
        lost_database=missing and had_one,
        lost_volumes=tuple(lost_volumes),
        unsettled=cluster.unsettled,
        waiting=cluster.waiting,
        certificate=certificate,
        superseded=superseded,
        unasked=cluster.unasked,
        crowded=crowded,
        unfit_certificate=unfit_certificate,
    )


def images_to_pull(services: Sequence[WantedService]) -> tuple[str, ...]:
    """Images that are not on the host yet."""
    return tuple(dict.fromkeys(service.image for service in services if service.image_id is None))


def may_be_anothers_work(plan: ProvisionPlan) -> bool:
    """Whether a plan holds no more than what a run that stops and starts Odoo makes differ while it is at work.

    Of files that is the compose file, which a release writes, and those that a run wrote and noted as unfinished.
    """
    files = all(
        (file.path, file.change) == (COMPOSE_FILE, "changed") or file.change == "unfinished" for file in plan.files
    )
    more = (plan.pull, plan.new_database, plan.lost_database, plan.lost_volumes, plan.certificate, plan.superseded)
    return files and not any((*more, plan.unasked, plan.services_to("remove", "update")))
