"""One Odoo environment: what it is, where its data is, and what it promises."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from odoo_ops.model.addons import ReleasePolicy
from odoo_ops.model.base import Value
from odoo_ops.model.health import HealthPolicy
from odoo_ops.model.paths import AbsolutePath
from odoo_ops.model.provision import MAIL_CATCHER, Provisioning
from odoo_ops.model.runtimes import ComposeProject, OnHost

Stage = Literal["development", "testing", "staging", "production"]

_POSTGRES_NAME_BYTES = 63

# of the folder that a backup is put together in; no database is called so, though one may be called `spool`
SPOOL = "odoo-ops-spool"


def _database_name(value: str) -> str:
    """A name that PostgreSQL keeps whole and that can name a folder of the filestore."""
    if len(value.encode()) > _POSTGRES_NAME_BYTES:
        raise ValueError("PostgreSQL cuts names after 63 bytes")
    if value in {".", "..", "postgres", "template0", "template1"} or "/" in value or "\0" in value:
        raise ValueError(f"{value!r} cannot be an Odoo database: it also names a folder of the filestore")
    return value


DatabaseName = Annotated[str, Field(min_length=1), AfterValidator(_database_name)]


class OdooSettings(Value):
    """The Odoo program of an environment."""

    version: str = Field(description="Odoo series, for example 19.0.", pattern=r"^\d{2}\.\d$")
    command: tuple[str, ...] = Field(
        min_length=1,
        description="How Odoo is run on the host, or in its container, for example /usr/bin/odoo, or the Python of "
        "its virtual environment and the path of odoo-bin.",
    )
    config: AbsolutePath | None = Field(default=None, description="Its configuration file (odoo.conf).")
    addons: tuple[AbsolutePath, ...] = Field(
        default=(), description="Folders of your own addons; the git commit of each is put on record."
    )
    url: str = Field(
        default="http://127.0.0.1:8069",
        pattern=r"^https?://",
        description="Where Odoo answers, as seen from its host (or from the toolbox). Used for health checks.",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]+/?$",
        description="Where users reach Odoo, through the proxy, for example https://erp.example.com. Its certificate "
        "and the way of websockets are checked there, as seen from the host (or from the toolbox).",
    )
    public_ca: str | None = Field(
        default=None,
        pattern=r"-----BEGIN CERTIFICATE-----",
        description="Certificates (PEM) of the authority that signed that of `public_url`, where it is your own.",
    )


class DatabaseSettings(Value):
    """The PostgreSQL database of an environment, as its host (or the toolbox) sees it."""

    name: DatabaseName = Field(description="Name of the database.")
    server: str = Field(
        default="/var/run/postgresql",
        min_length=1,
        description="Host name of PostgreSQL, or the folder of its socket.",
    )
    port: int = Field(default=5432, ge=1, le=65535, description="Port of PostgreSQL.")
    user: str = Field(min_length=1, description="Role that owns the database (Odoo's db_user).")
    password: SecretStr | None = Field(default=None, description="Its password. Empty: peer or trust.")
    admin_user: str | None = Field(
        default=None,
        description="A superuser role. Needed to restore databases that index `unaccent` (most do).",
    )
    admin_password: SecretStr | None = Field(default=None, description="The superuser's password.")

    @property
    def is_on_its_host(self) -> bool:
        """Whether PostgreSQL runs on the environment's own host: a socket, or loopback."""
        return self.server.startswith("/") or self.server in {"localhost", "127.0.0.1", "::1"}


class SystemdService(Value):
    """Odoo is a systemd unit."""

    kind: Literal["systemd"] = "systemd"
    unit: str = Field(default="odoo.service", pattern=r"^[A-Za-z0-9@:._-]+$", description="Name of the unit.")


class ProcessService(Value):
    """Odoo is a plain process that writes its pid to a file."""

    kind: Literal["process"] = "process"
    start: tuple[str, ...] = Field(min_length=1, description="Program and arguments that start Odoo.")
    pid_file: AbsolutePath = Field(description="File in which Odoo writes its pid (`--pidfile`).")
    log_file: AbsolutePath = Field(description="File to which its output is added.")


class NoService(Value):
    """No Odoo runs here all the time: a place for drills, or Odoo is started by hand."""

    kind: Literal["none"] = "none"


Service = Annotated[SystemdService | ProcessService | NoService, Field(discriminator="kind")]


def _by_kind(value: object) -> object:
    """A kind alone stands for one without fields: so `native` was written before there were others."""
    return {"kind": value} if isinstance(value, str) else value


Runtime = Annotated[OnHost | ComposeProject, Field(discriminator="kind"), BeforeValidator(_by_kind)]


class Objectives(Value):
    """What the business was promised for the day of a disaster."""

    rpo_minutes: int = Field(
        default=26 * 60,
        ge=1,
        description="At most so many minutes of work may be lost. Nightly backups are a day and some minutes apart, "
        "an hour more when the clock changes.",
    )
    rto_minutes: int = Field(default=4 * 60, ge=1, description="Odoo is back after at most so many minutes.")


class Retention(Value):
    """How many days, weeks, months and years keep a backup each: the newest one of each, counted in UTC.

    A day without a backup does not count. Some backups are never forgotten: see `odoo_ops.policy.retention`.
    """

    keep_daily: int = Field(default=14, ge=0, description="Keep one backup for each of so many days.")
    keep_weekly: int = Field(default=8, ge=0, description="Keep one backup for each of so many weeks.")
    keep_monthly: int = Field(default=12, ge=0, description="Keep one backup for each of so many months.")
    keep_yearly: int = Field(default=7, ge=0, description="Keep one backup for each of so many years.")


class BackupPolicy(Value):
    """How backups of an environment are made and judged."""

    jobs: int = Field(
        default=2,
        ge=1,
        le=32,
        description="Parallel jobs of pg_dump and pg_restore; no more than the repository's `limits.processors`.",
    )
    damaged_attachments_allowed: int = Field(
        default=0, ge=0, description="A run with more missing or rotten attachments than this is marked failed."
    )
    keep_replaced_hours: int = Field(
        default=72, ge=1, description="What a restore replaced is kept this long, then deleted."
    )
    database_alarm_ratio: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="A run whose database, in bytes or rows, is at most this part of the last backup's is marked "
        "failed; the backup is kept.",
    )
    backup_alarm_ratio: float = Field(default=0.1, gt=0, lt=1, description="The same for the size of the whole backup.")
    verified_age_days: int = Field(
        default=8, ge=1, description="The trends page warns when the newest backup that a drill verified is older."
    )
    retention: Retention = Retention()
    offsite_retention: Retention | None = Field(
        default=None, description="The same for the copies in the off-site repository. Empty: as `retention`."
    )

    def retention_of(self, *, offsite: bool) -> Retention:
        """What the environment's repository keeps, or (`offsite`) that with the copies."""
        return self.offsite_retention if offsite and self.offsite_retention else self.retention


class Environment(Value):
    """One Odoo environment."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40, description="Name of the environment.")
    stage: Stage = Field(description="What it is for. Production is fenced.")
    odoo: OdooSettings
    database: DatabaseSettings
    data_dir: AbsolutePath = Field(description="Odoo's data_dir; the filestore is `filestore/<database>` in it.")
    state_dir: AbsolutePath = Field(
        description="Folder on the host for this environment's lock, marker and spool. "
        "It needs room for one database dump, and a GiB (a tenth of a small disk) that stays free."
    )
    runtime: Runtime = Field(
        default=OnHost(),
        description="How Odoo is run: `native` is as processes or systemd units on the host, `compose` in containers "
        "of a Docker Compose project there.",
    )
    service: Service = Field(
        default=NoService(), description="How Odoo is started and stopped; a compose project needs none."
    )
    provision: Provisioning | None = Field(
        default=None, description="How the compose project is made by `provision`. Empty: it was made by hand."
    )
    release: ReleasePolicy | None = Field(default=None, description="What `release` puts in place. Empty: nothing.")
    objectives: Objectives = Objectives()
    backup: BackupPolicy = BackupPolicy()
    health: HealthPolicy = HealthPolicy()

    @field_validator("provision", mode="before")
    @classmethod
    def _name_usual_images(cls, provision: object, info: ValidationInfo) -> object:
        """Images of Odoo and of a catcher of mail, where none is named: version and stage are known here alone."""
        odoo = info.data.get("odoo")
        if odoo is None or not isinstance(provision, dict) or not isinstance(provision.get("images", {}), dict):
            return provision
        catcher = {"mail": MAIL_CATCHER} if info.data.get("stage") == "development" else {}
        return {**provision, "images": {"odoo": f"odoo:{odoo.version}", **catcher, **provision.get("images", {})}}

    @property
    def filestores(self) -> str:
        """Folder of the filestores of all databases of this Odoo: it may be a link, or a disk of its own."""
        return f"{self.data_dir}/filestore"

    @property
    def filestore(self) -> str:
        """Folder of the database's attachments."""
        return self.filestore_of(self.database.name)

    def filestore_of(self, database: str) -> str:
        """Folder of the attachments of another database of the same Odoo."""
        return f"{self.filestores}/{database}"

    @property
    def spool(self) -> str:
        """Folder in which a backup is put together. Always the same one, so restic finds its parent."""
        return f"{self.state_dir}/{SPOOL}"

    @property
    def dump(self) -> str:
        """Folder in it that pg_dump makes."""
        return f"{self.spool}/dump"

    @property
    def restore_spool(self) -> str:
        """Folder into which a restore fetches the dump and its manifest."""
        return f"{self.state_dir}/restore"

    @property
    def restored_inventory(self) -> str:
        """File in it with the attachments that the restored database names."""
        return f"{self.restore_spool}/restored-inventory.jsonl"

    @property
    def unproved_files(self) -> str:
        """File in it with the names of files that were not there, or not whole, when they were first looked at."""
        return f"{self.restore_spool}/unproved-files.txt"

    @property
    def copy_dir(self) -> str:
        """Folder for the configuration and the log of an Odoo that is booted on a copy, where its user may write."""
        if isinstance(self.runtime, ComposeProject):
            return "/tmp/odoo-ops-copy"  # noqa: S108 - of a container that is nobody else's
        return f"{self.data_dir}/odoo-ops-copy-{self.name}"

    @property
    def marker(self) -> str:
        """File that says which PostgreSQL, database and repository the environment was first seen with."""
        return f"{self.state_dir}/marker.json"

    @property
    def offsite_marker(self) -> str:
        """The same of the repository that holds the copies."""
        return f"{self.state_dir}/marker-offsite.json"

    @property
    def swap_journal(self) -> str:
        """File that says, while databases and filestores are swapped, which ones."""
        return f"{self.state_dir}/swap.json"

    @property
    def export_journal(self) -> str:
        """File that says, while a zip is written, which one."""
        return f"{self.state_dir}/export.json"

    @property
    def restart_mark(self) -> str:
        """File that is there from the moment a restart stops Odoo until it has started it again."""
        return f"{self.state_dir}/restart"

    @property
    def release_journal(self) -> str:
        """File that says, while a release is put in place, what leads where before and after it."""
        return f"{self.state_dir}/release.json"

    @property
    def release_records(self) -> str:
        """File with the releases that were put in place, the newest last."""
        return f"{self.state_dir}/releases.json"

    @property
    def changed_list(self) -> str:
        """File in which a backup notes the filestore files that are new to the repository."""
        return f"{self.state_dir}/changed-files"
