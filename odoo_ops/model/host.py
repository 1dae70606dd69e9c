"""How to reach the machine on which an Odoo environment lives."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from odoo_ops.model.base import Value


class LocalConnection(Value):
    """The machine on which the worker itself runs."""

    kind: Literal["local"] = "local"


class SshConnection(Value):
    """A machine reached by SSH: key only, and only if its host key is the known one."""

    kind: Literal["ssh"] = "ssh"
    address: str = Field(description="Host name or IP address.", min_length=1)
    port: int = Field(default=22, ge=1, le=65535, description="Port of the SSH server.")
    user: str = Field(description="User to log in as.", min_length=1)
    private_key: SecretStr = Field(description="The private key itself (OpenSSH format, no passphrase).")
    known_hosts: str = Field(
        description="Lines of a known_hosts file for this machine, as `ssh-keyscan` prints them. "
        "An unknown or changed host key is refused.",
        min_length=1,
    )
    connect_timeout_seconds: int = Field(default=15, ge=1, description="Give up connecting after this time.")


Connection = Annotated[LocalConnection | SshConnection, Field(discriminator="kind")]


def _registry_host(value: str) -> str:
    """As names of images begin: what `docker login` takes may have a scheme and a path."""
    host = re.sub(r"^https?://", "", value).partition("/")[0]
    if not re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]+)?", host):
        raise ValueError(f"{value!r} is not a registry, such as registry.example.com or registry.example.com:5000")
    return "docker.io" if host == "index.docker.io" else host


class Registry(Value):
    """A registry of images that asks who one is."""

    address: Annotated[str, AfterValidator(_registry_host)] = Field(
        description="Its host name, and its port if it has one, as its images' names begin; docker.io for Docker Hub."
    )
    user: str = Field(min_length=1, pattern=r"^[^:]+$", description="User of the registry.")
    password: SecretStr = Field(description="The user's password, or a token that may only read.")


class Host(Value):
    """One machine and the programs on it that backups need."""

    name: str = Field(description="Name of the machine as operators call it.", pattern=r"^[a-z0-9][a-z0-9-]*$")
    connection: Connection = Field(default=LocalConnection(), description="This machine, or one by SSH.")
    become: str | None = Field(
        default=None, description="User to act as there, by `sudo -n -u` (for example `odoo`). Empty: the login user."
    )
    python: str | None = Field(
        default=None,
        description="Python 3.10 or later on the machine. Empty: the worker's own; by SSH, `python3`.",
    )
    restic: str = Field(default="restic", description="restic 0.17 or later on the machine.")

    def other_machine(self, other: "Host") -> bool:
        """Whether both are surely two machines: by SSH at two addresses. The worker's own may be one of these."""
        return {self.connection.kind, other.connection.kind} == {"ssh"} and not self.same_machine(other)

    def same_machine(self, other: "Host") -> bool:
        """Whether both are one machine, whatever the users."""
        match self.connection, other.connection:
            case LocalConnection(), LocalConnection():
                return True
            case SshConnection() as mine, SshConnection() as theirs:
                return (mine.address, mine.port) == (theirs.address, theirs.port)
        return False


class OpenHost(Host):
    """A machine, with what it needs to fetch images that are not for everybody."""

    registry: Registry | None = Field(
        default=None, description="Registry of your own images. Empty: the host is logged in, or none asks."
    )

    @property
    def settings(self) -> Host:
        """The machine without the registry."""
        return Host(**{name: getattr(self, name) for name in Host.model_fields})
