"""Whether an Odoo serves people: what was found of each layer, from the host up to the browser."""

from datetime import datetime

from pydantic import Field

from odoo_ops.model.base import Value
from odoo_ops.model.runtimes import Container


class HealthPolicy(Value):
    """From when on something that still works is an alarm."""

    cron_minutes: int = Field(
        default=30, ge=1, description="A scheduled action may be so late. One that runs long keeps others waiting."
    )
    mail_minutes: int = Field(
        default=120, ge=1, description="A mail may wait so long to be sent. Odoo empties its queue every hour."
    )
    job_minutes: int = Field(
        default=60, ge=1, description="A job may wait so long, where the module queue_job is installed."
    )
    failures_allowed: int = Field(
        default=5,
        ge=0,
        description="So many mails, and so many jobs, of the last 24 hours may have failed; a mail whose address is "
        "wrong does not count.",
    )
    free_percent: int = Field(
        default=10, ge=0, le=99, description="So much of each disk with Odoo's data, in percent, must be free."
    )
    certificate_days: int = Field(
        default=14, ge=1, description="The certificate of `public_url` must be valid for so many days more."
    )


class Problem(Value):
    """A layer that was asked and did not give what it must.

    Attributes:
        said: what was found instead, and mostly the next step.
    """

    said: str


class Disk(Value):
    """A file system that holds a folder of the environment; `total_bytes` without what is reserved for root."""

    folder: str
    free_bytes: int
    total_bytes: int


class Project(Value):
    """The services of a compose project that are meant to run, and the containers that are there."""

    services: tuple[str, ...]
    odoo_services: tuple[str, ...]
    containers: tuple[Container, ...]


class Service(Value):
    """Odoo as a service of its host; `runs` is None where none is named."""

    runs: bool | None


class LateCron(Value):
    """A scheduled action whose time has come."""

    name: str
    due_at: datetime


class Crons(Value):
    """Odoo's scheduled actions.

    Attributes:
        late: the most overdue ones first.
        failing: those that failed three times running or more.
    """

    active: int
    last_call: datetime | None
    late: tuple[LateCron, ...]
    failing: tuple[str, ...]


class Queue(Value):
    """What waits to be done in Odoo.

    Attributes:
        waiting: all that wait, those of a later time too.
        oldest_at: since when the one waits whose time came first; None: there is none.
        failed: those of the last 24 hours that failed.
    """

    waiting: int
    oldest_at: datetime | None
    failed: int


class DatabaseHealth(Value):
    """What the database says of Odoo's health.

    Attributes:
        at: the time by PostgreSQL's clock, which all others here are compared with.
        odoo_version: of the installed module base.
        unsettled: modules that wait to be installed, updated or removed.
        mails: None where the module mail is not installed.
        jobs: None where the module queue_job is not installed.
        newest_files: those of the newest attachments, as they are named in the filestore.
    """

    at: datetime
    postgres_version: str
    odoo_version: str
    modules: int
    unsettled: tuple[str, ...]
    crons: Crons
    mails: Queue | None
    jobs: Queue | None
    newest_files: tuple[str, ...]


class NewestFiles(Value):
    """Files of the newest attachments that were looked for in the filestore.

    Attributes:
        missing: those that are not there, by their paths.
    """

    looked_for: int
    missing: tuple[str, ...]


class Certificate(Value):
    """A certificate that is valid for the name under which it was asked for."""

    ends_at: datetime


class HealthFacts(Value):
    """What was found of an environment whose host answers, layer by layer.

    None: it was not asked, because what it needs does not answer or is not named.

    Attributes:
        at: the time by the worker's clock.
        pooler: that the database answers through PgBouncer.
        files: what is there of the filestore.
        registry: that Odoo has loaded that of the database.
        login_page: that it was served.
        assets: how many scripts and styles were served.
        public_url: where the way in was tried.
        websocket: that a connection was upgraded to one.
    """

    at: datetime
    services: Project | Service | Problem
    database: DatabaseHealth | Problem
    pooler: bool | Problem | None
    files: NewestFiles | Problem | None
    registry: bool | Problem
    login_page: bool | Problem | None
    assets: int | Problem | None
    public_url: str | None
    websocket: bool | Problem | None
    certificate: Certificate | Problem | None
    disks: tuple[Disk, ...]
