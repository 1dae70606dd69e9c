"""What environments must not share: each rule would let one environment's work destroy the other's."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from urllib.parse import urlsplit

from deployments.environment_files.mistakes import KeyPath, Mistake
from deployments.environment_files.source import Source
from odoo_ops.model.environment import Environment, ProcessService, SystemdService
from odoo_ops.model.host import Host, LocalConnection
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.policy.provisioning import provision_mistakes

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Described:
    """An environment as a file describes it.

    Attributes:
        machine: what tells its machine from others, whatever the hosts are called.
    """

    settings: Environment
    machine: str
    source: Source

    @property
    def production(self) -> bool:
        """Whether people work in it."""
        return self.settings.stage == "production"

    @property
    def cluster(self) -> tuple[object, ...]:
        """Its PostgreSQL server. A socket and the loopback address count as the same one.

        In a compose project it is one of its services, whose name means another one in the next project.
        """
        server, port = self.settings.database.server.lower(), self.settings.database.port
        if isinstance(self.settings.runtime, ComposeProject):
            return (self.machine, self.settings.runtime.project, server, port)
        local = server.startswith("/") or server in _LOOPBACK
        return (self.machine if local else server, port)

    @property
    def view(self) -> tuple[object, ...]:
        """Where a path means one and the same folder: on a machine itself, or in containers of one service."""
        runtime = self.settings.runtime
        return (
            (self.machine, runtime.project, runtime.toolbox) if isinstance(runtime, ComposeProject) else (self.machine,)
        )

    @property
    def database(self) -> tuple[object, ...]:
        """Its database, as no other may have it."""
        return (*self.cluster, self.settings.database.name)

    def place(self) -> str:
        """Where it is described."""
        return f"{self.settings.name} ({self.source.file}:{self.source.line(self._path())})"

    def mistake(self, field: KeyPath, text: str) -> Mistake:
        """A mistake at one of its fields."""
        return self.source.mistake((*self._path(), *field), text)

    def _path(self) -> KeyPath:
        return ("environments", self.settings.name)


def machine_of(host: Host) -> str:
    """What tells a machine from others: two entries with one address are one machine."""
    connection = host.connection
    if isinstance(connection, LocalConnection):
        return "the worker's machine"
    return f"{connection.address.lower()} port {connection.port}"


def broken_rules(environments: Sequence[Described]) -> Iterator[Mistake]:
    """Everything that environments share and must not, and production without a service."""
    yield from _production_without_service(environments)
    yield from _beside_project(environments)
    yield from _unfit_for_provision(environments)
    for first, second in combinations(environments, 2):
        yield from _shared_data(first, second)
        yield from _shared_services(first, second)
        yield from _shared_role(first, second)
        yield from _shared_addons(first, second)


def _production_without_service(environments: Iterable[Described]) -> Iterator[Mistake]:
    for environment in environments:
        runs = environment.settings.runtime.kind == "compose" or environment.settings.service.kind != "none"
        if environment.production and not runs:
            yield environment.mistake(
                ("service",),
                "a production environment needs one: a restore stops Odoo first; "
                "write {kind: systemd, unit: odoo.service}",
            )


def _beside_project(environments: Iterable[Described]) -> Iterator[Mistake]:
    """What is meant for a host itself and stands beside a compose project."""
    for environment in environments:
        settings = environment.settings
        if not isinstance(settings.runtime, ComposeProject):
            continue
        if settings.service.kind != "none":
            text = "is not heeded in a compose project: name its services in `runtime.odoo_services`, delete this"
            yield environment.mistake(("service",), text)
        if urlsplit(settings.odoo.url).hostname in _LOOPBACK:
            text = "is the toolbox itself in a compose project; write the service's name, such as http://odoo:8069"
            yield environment.mistake(("odoo", "url"), text)
        if settings.database.server in _LOOPBACK:
            text = "is the toolbox itself in a compose project; write the service's name, such as db"
            yield environment.mistake(("database", "server"), text)


def _unfit_for_provision(environments: Iterable[Described]) -> Iterator[Mistake]:
    for environment in environments:
        for path, text in provision_mistakes(environment.settings):
            yield environment.mistake(path, text)


def _shared_services(first: Described, second: Described) -> Iterator[Mistake]:
    one, other = first.settings.runtime, second.settings.runtime
    if first.machine == second.machine and (one.kind, other.kind) == ("native", "native"):
        yield from _production_of_other(first, second)
    if not isinstance(one, ComposeProject) or not isinstance(other, ComposeProject):
        return
    shared = [service for service in other.odoo_services if service in one.odoo_services]
    if shared and (first.machine, one.project) == (second.machine, other.project):
        text = f"names {shared[0]}, as {first.place()} does; a restore of one would stop the other's Odoo"
        yield second.mistake(("runtime", "odoo_services"), text)


def _production_of_other(first: Described, second: Described) -> Iterator[Mistake]:
    """A service of production that another environment names, too. Several of production may have one Odoo."""
    if first.production == second.production:
        return
    production, other = (first, second) if first.production else (second, first)
    match production.settings.service, other.settings.service:
        case SystemdService(unit=theirs), SystemdService(unit=unit) if _unit_name(theirs) == _unit_name(unit):
            field = "unit"
        case ProcessService(pid_file=theirs), ProcessService(pid_file=file) if theirs == file:
            field = "pid_file"
        case _:
            return
    text = f"is that of production environment {production.place()}, too; a restore here would stop its Odoo"
    yield other.mistake(("service", field), text)


def _unit_name(unit: str) -> str:
    """What tells a unit from others: systemd takes a name without a suffix for a service."""
    return unit.removesuffix(".service")


def _shared_data(first: Described, second: Described) -> Iterator[Mistake]:
    if first.database == second.database:
        text = f"is the database of {first.place()} too; each environment needs its own"
        yield second.mistake(("database", "name"), text)
    if first.view != second.view:
        return
    if first.settings.state_dir == second.settings.state_dir:
        text = f"is the state_dir of {first.place()} too; their locks and spools would mix, name another folder"
        yield second.mistake(("state_dir",), text)
    if first.settings.filestore == second.settings.filestore:
        text = (
            f"with database {second.settings.database.name!r} gives the filestore of {first.place()} too; "
            "name another data_dir or database"
        )
        yield second.mistake(("data_dir",), text)


def _shared_role(first: Described, second: Described) -> Iterator[Mistake]:
    same_role = first.cluster == second.cluster and first.settings.database.user == second.settings.database.user
    if not same_role or first.database == second.database or not (first.production or second.production):
        return
    production, other = (first, second) if first.production else (second, first)
    yield other.mistake(
        ("database", "user"),
        f"is also the role of production environment {production.place()} on the same PostgreSQL. Odoo runs its "
        "scheduled actions on every database that its role owns, so one Odoo could send mail and take payments "
        "from the other's data; create a role of its own",
    )


def _shared_addons(first: Described, second: Described) -> Iterator[Mistake]:
    """Links of addons that two environments would lead: a release to one would change the other."""
    if first.machine != second.machine or not (first.settings.release and second.settings.release):
        return
    theirs = {repository.folder for repository in first.settings.release.addons}
    for number, repository in enumerate(second.settings.release.addons):
        if repository.folder in theirs:
            text = f"is that of {first.place()}, too: a release to one would change the other; name another folder"
            yield second.mistake(("release", "addons", number, "folder"), text)
