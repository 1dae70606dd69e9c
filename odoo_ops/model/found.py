"""What is seen of an Odoo that was set up by hand: its settings, processes, containers, databases and files."""

from collections.abc import Mapping
from typing import Literal

from odoo_ops.model.base import Value

# where PostgreSQL listens when nothing is said
POSTGRES_PORT = 5432
SecretKind = Literal["none", "known", "hashed", "set"]

_ID_DIGITS = 64


class Settings(Value):
    """Options of one Odoo by their names in odoo.conf, or variables; and how its secrets are, never what."""

    options: Mapping[str, str] = {}
    secrets: Mapping[str, SecretKind] = {}


class OdooProcess(Settings):
    """The first process of an Odoo on the host.

    Attributes:
        program: the words that start Odoo, without options.
        environment: variables that say where PostgreSQL is.
        unit: of systemd; None: it was started otherwise.
        folder: its working directory, where it may be known.
    """

    pid: int
    program: tuple[str, ...]
    environment: Mapping[str, str]
    user: str
    home: str
    unit: str | None
    folder: str | None


class FoundMount(Value):
    """A folder of a container that lies outside it; `name` is that of a volume, None: a folder of the host."""

    name: str | None
    source: str
    destination: str

    @property
    def is_nameless(self) -> bool:
        """Whether Docker made the volume by itself, and the next container after `down` gets another one."""
        return self.name is not None and len(self.name) == _ID_DIGITS and set(self.name) <= set("0123456789abcdef")


class FoundPort(Value):
    """A port inside a container that is published at an address of the host."""

    inside: int
    address: str


class FoundLogs(Value):
    """Where a container's output goes, and whether that is limited."""

    driver: str
    limited: bool


class FoundContainer(Settings):
    """A container of a compose project's service.

    Attributes:
        program: the words that start Odoo, where its command names it.
        networks: Docker's name of a network -> names of the container in it.
        folder: of the project, on the host; `files` are its compose files.
    """

    id: str
    name: str
    service: str
    image: str
    running: bool
    program: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: tuple[FoundMount, ...]
    networks: Mapping[str, tuple[str, ...]]
    ports: tuple[FoundPort, ...]
    logs: FoundLogs
    restart: str
    folder: str
    files: tuple[str, ...]

    def mount_of(self, path: str) -> FoundMount | None:
        """What holds a path; None: the container's own layer, which goes with it."""
        holding = [mount for mount in self.mounts if f"{path}/".startswith(f"{mount.destination}/")]
        return max(holding, key=lambda mount: len(mount.destination), default=None)


class FoundProject(Value):
    """The containers of a project, and by which names its compose file calls volumes and networks."""

    containers: tuple[FoundContainer, ...]
    volumes: Mapping[str, str]
    networks: Mapping[str, str]


class FoundDatabase(Value):
    """A database of PostgreSQL's.

    Attributes:
        odoo_version: of its module `base`; "": it is none of Odoo's.
        attachments: how many are files; `samples` names some of these.
    """

    name: str
    owner: str
    size_bytes: int
    odoo_version: str = ""
    attachments: int = 0
    samples: tuple[str, ...] = ()


class FoundServer(Value):
    """The PostgreSQL of an Odoo, by the eyes of the role that looked.

    Attributes:
        major: its version.
        superusers: roles that may do everything.
    """

    major: int
    superusers: tuple[str, ...]
    databases: tuple[FoundDatabase, ...]

    @property
    def odoo_databases(self) -> tuple[FoundDatabase, ...]:
        """Those that are Odoo's."""
        return tuple(database for database in self.databases if database.odoo_version)


class Place(Value):
    """A folder that may be used, or its nearest parent: whether the user who acts may write, and the room there."""

    path: str
    writable: bool
    free_bytes: int


class FoundFiles(Value):
    """Odoo's attachments on the disk.

    Attributes:
        size_bytes: None: not measured.
        looked_for: how many of the database's were looked for; `missing` were not there.
    """

    size_bytes: int | None
    looked_for: int
    missing: int
