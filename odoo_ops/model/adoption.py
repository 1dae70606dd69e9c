"""An Odoo that was set up by hand, as it was found, and what was written of it."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from odoo_ops.model.base import Value
from odoo_ops.model.environment import Stage
from odoo_ops.model.found import (
    FoundContainer,
    FoundDatabase,
    FoundFiles,
    FoundProject,
    FoundServer,
    OdooProcess,
    Place,
    Settings,
)
from odoo_ops.model.host import Host

OptionalName = Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9-]*)?$", max_length=40)]


class AdoptionRequest(Value):
    """What is to be adopted.

    Attributes:
        host: name under which the machine is registered; "": the machine itself on which this runs.
        project: of Docker Compose; "": an Odoo on the host itself.
        config: the odoo.conf that tells one Odoo on the host from others; "": the only one that runs.
        database: which one, where Odoo's settings do not tell; "": they do.
        name: of the environment; "": as the project or the database is called.
    """

    host: str = ""
    project: str = ""
    config: str = ""
    database: str = ""
    name: OptionalName = ""
    stage: Stage = "production"


class FoundOdoo(Value):
    """All that is known of the Odoo that is adopted.

    Attributes:
        host: as it is registered, or this machine.
        program: how Odoo is run.
        settings: what counts, after files, variables and arguments.
        config: its odoo.conf.
        server: PostgreSQL's address, as the flows will see it.
        postgres: None: it was not asked.
        unseen_login: PostgreSQL lets in only Odoo's own user of the system, by its socket.
        missing_programs: what backups need and the host does not have.
        project: None: it runs on the host itself, as `process`.
        toolboxes: services of the project that the flows work in, where they are there.
    """

    request: AdoptionRequest
    host: Host
    program: tuple[str, ...]
    settings: Settings
    config: str | None
    server: str
    port: int
    user: str
    data_dir: str
    addons: tuple[str, ...]
    database: FoundDatabase
    postgres: FoundServer | None
    files: FoundFiles
    repository: Place
    state: Place
    acting_user: str = ""
    unseen_login: bool = False
    missing_programs: tuple[str, ...] = ()
    process: OdooProcess | None = None
    project: FoundProject | None = None
    odoo: tuple[FoundContainer, ...] = ()
    postgres_container: FoundContainer | None = None
    toolboxes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.name_of(self.request, self.database)

    @staticmethod
    def name_of(request: AdoptionRequest, database: FoundDatabase) -> str:
        """The name that an environment of this database gets."""
        return request.name or _as_name(request.project or database.name)


class Toolbox(Value):
    """What is to be added to a project's compose file, so that the flows can work in it.

    Attributes:
        major: version of PostgreSQL's programs.
        volumes: (source, folder) of all that Odoo's data and addons are in; `data` is the folder of its data.
        external: volumes that are not the compose file's own: key there -> Docker's name.
        networks: key in the compose file -> whether it is not its own.
        backups: folder of the host, which is `repository` in the toolbox.
    """

    major: int
    volumes: tuple[tuple[str, str], ...]
    data: str
    external: Mapping[str, str]
    networks: Mapping[str, bool]
    backups: str
    repository: str


class Remark(Value):
    """Something that was seen, and what to do about it."""

    what: str
    next_step: str


class AdoptionReport(Value):
    """What was found and written.

    Attributes:
        file: text of the environment file.
        to_do: what is left before the first backup, in this order.
        hazards: what was seen in the Odoo that is adopted.
        facts: figures, in words.
        toolbox: lines for the compose project; "": none are needed.
    """

    environment: str
    seconds: float
    file: str
    to_do: tuple[str, ...]
    hazards: tuple[Remark, ...]
    facts: tuple[tuple[str, str], ...]
    toolbox: str


def _as_name(text: str) -> str:
    """A name of an environment made of another one's."""
    kept = "".join(sign if sign.isascii() and (sign.isdigit() or sign.islower()) else "-" for sign in text.lower())
    return kept[:40].strip("-") or "odoo"
