"""How to reach the machine on which an Odoo environment lives."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

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

    def same_machine(self, other: "Host") -> bool:
        """Whether both are one machine, whatever the users."""
        match self.connection, other.connection:
            case LocalConnection(), LocalConnection():
                return True
            case SshConnection() as mine, SshConnection() as theirs:
                return (mine.address, mine.port) == (theirs.address, theirs.port)
        return False
