"""What environments must not share: each rule would let one environment's work destroy the other's."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from deployments.environment_files.mistakes import KeyPath, Mistake
from deployments.environment_files.source import Source
from odoo_ops.model.environment import Environment
from odoo_ops.model.host import Host, LocalConnection

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
    def cluster(self) -> tuple[str, int]:
        """Its PostgreSQL server. A socket and the loopback address count as the same one."""
        server = self.settings.database.server.lower()
        local = server.startswith("/") or server in _LOOPBACK
        return (self.machine if local else server, self.settings.database.port)

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
    for first, second in combinations(environments, 2):
        yield from _shared_data(first, second)
        yield from _shared_role(first, second)


def _production_without_service(environments: Iterable[Described]) -> Iterator[Mistake]:
    for environment in environments:
        if environment.production and environment.settings.service.kind == "none":
            yield environment.mistake(
                ("service",),
                "a production environment needs one: a restore stops Odoo first; "
                "write {kind: systemd, unit: odoo.service}",
            )


def _shared_data(first: Described, second: Described) -> Iterator[Mistake]:
    if first.database == second.database:
        text = f"is the database of {first.place()} too; each environment needs its own"
        yield second.mistake(("database", "name"), text)
    if first.machine != second.machine:
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
