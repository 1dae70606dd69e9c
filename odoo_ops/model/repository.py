"""Where backups are kept."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr

from odoo_ops.model.base import Value
from odoo_ops.model.paths import AbsolutePath


def _without_user(url: str) -> str:
    if "@" in url.partition("//")[2].partition("/")[0]:
        raise ValueError("names a user; write user and password in their own fields")
    return url.rstrip("/")


Url = Annotated[str, Field(pattern=r"^https?://[^\s?#]+$"), AfterValidator(_without_user)]


class FolderLocation(Value):
    """A folder on the environment's host, or on a disk that is mounted there."""

    kind: Literal["folder"] = "folder"
    path: AbsolutePath = Field(description="The folder.")

    def __str__(self) -> str:
        return self.path


class S3Location(Value):
    """A bucket of S3, or of any server that speaks its protocol."""

    kind: Literal["s3"] = "s3"
    endpoint: Url = Field(default="https://s3.amazonaws.com", description="Address of the S3 server.")
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="Name of the bucket.")
    prefix: str = Field(
        default="", pattern=r"^[A-Za-z0-9._/-]*$", description="Folder in the bucket; empty: the bucket itself."
    )
    region: str | None = Field(default=None, description="Region of the bucket, where the server asks for one.")

    def __str__(self) -> str:
        return f"{self.endpoint}/{self.bucket}/{self.prefix}".rstrip("/")


class SftpLocation(Value):
    """A folder on another machine by SFTP: key only, and only if its host key is the known one."""

    kind: Literal["sftp"] = "sftp"
    address: str = Field(pattern=r"^[A-Za-z0-9.:_-]+$", description="Host name or IP address.")
    port: int = Field(default=22, ge=1, le=65535, description="Port of the SSH server.")
    user: str = Field(pattern=r"^[A-Za-z0-9._-]+$", description="User to log in as.")
    path: AbsolutePath = Field(description="The folder there.")
    private_key: SecretStr = Field(description="The private key itself (OpenSSH format, no passphrase).")
    known_hosts: str = Field(
        min_length=1,
        description="Lines of a known_hosts file for this machine, as `ssh-keyscan` prints them. "
        "An unknown or changed host key is refused.",
    )

    def __str__(self) -> str:
        return f"sftp://{self.user}@{self.address}:{self.port}{self.path}"


class RestLocation(Value):
    """A repository on restic's rest-server, which can be append-only."""

    kind: Literal["rest"] = "rest"
    url: Url = Field(description="Address of the repository there, for example https://backup.example.com:8000/erp.")
    user: str | None = Field(default=None, description="User of the server. Empty: it asks for none.")
    password: SecretStr | None = Field(default=None, description="The user's password.")
    certificate: str | None = Field(
        default=None, description="Certificate (PEM) that the server's is signed by, unless the host knows it."
    )

    def __str__(self) -> str:
        return self.url


Location = Annotated[FolderLocation | S3Location | SftpLocation | RestLocation, Field(discriminator="kind")]


class Limits(Value):
    """What may be taken from others; empty: all there is. The rates are those of one flow."""

    upload_kib_per_second: int | None = Field(default=None, ge=1, description="Upload, in KiB a second.")
    download_kib_per_second: int | None = Field(default=None, ge=1, description="Download, in KiB a second.")
    processors: int | None = Field(
        default=None,
        ge=1,
        description="Processors of the host for all that is done there for its environments: restic, pg_dump, proofs, "
        "an Odoo of a drill. PostgreSQL's own processes and the Odoo that serves people are not bound.",
    )

    def and_of(self, other: Self) -> Self:
        """What keeps both: of each limit the smaller one."""
        names = type(self).model_fields
        given = {name: [each for each in (getattr(self, name), getattr(other, name)) if each] for name in names}
        return type(self)(**{name: min(both, default=None) for name, both in given.items()})


class Repository(Value):
    """A restic repository."""

    name: str = Field(description="Name of the repository.", pattern=r"^[a-z0-9][a-z0-9-]*$")
    location: Location = Field(description="Where it is.")
    password: SecretStr = Field(
        description="restic's password. Keep a copy elsewhere: without it no backup can be read.", min_length=8
    )
    limits: Limits = Field(default=Limits(), description="What may be taken from others.")
    former_password: SecretStr | None = Field(
        default=None,
        description="The password until now, while it is changed: the flow rotate_repository_key makes `password` "
        "open the repository and this one no longer.",
        min_length=8,
    )
    append_only: bool = Field(
        default=False,
        description="Its server or its keys let nothing be deleted: backups are forgotten and space is freed "
        "somewhere else, with full access.",
    )
    object_lock_days: int = Field(
        default=0, ge=0, description="For so many days the bucket's object lock keeps what was stored. 0: it has none."
    )

    @property
    def opened_by_former(self) -> Self:
        """The same repository, to be opened by its former password."""
        return self.model_copy(update={"password": self.former_password})


class S3Keys(Value):
    """What an S3 server knows its user by."""

    access_key_id: str = Field(min_length=1, description="Id of the access key.")
    secret_access_key: SecretStr = Field(description="The access key's secret.")


class OpenRepository(Repository):
    """A repository with all that is needed to open it."""

    keys: S3Keys | None = Field(default=None, description="Keys for S3. Empty: the host has a role of its own.")

    @property
    def set_of_keys(self) -> object:
        """What opens it, of which restic takes one set of each kind; repositories with equal ones can share it."""
        match self.location:
            case S3Location(region=region):
                return region, self.keys
            case SftpLocation() as machine:
                return machine.private_key, machine.known_hosts
            case RestLocation() as server:
                return server.user, server.password, server.certificate
            case FolderLocation():
                return None

    @property
    def suits_rclone(self) -> bool:
        """Whether rclone can reach it for restic. What it stores has no checksum, which an object lock asks for."""
        return isinstance(self.location, S3Location) and self.keys is not None and not self.object_lock_days

    @property
    def settings(self) -> Repository:
        """The repository without its keys."""
        return Repository(**{name: getattr(self, name) for name in Repository.model_fields})
