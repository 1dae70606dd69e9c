"""Where backups are kept."""

from pydantic import Field, SecretStr

from odoo_ops.model.base import Value
from odoo_ops.model.paths import AbsolutePath


class Repository(Value):
    """A restic repository: a folder on the environment's host."""

    name: str = Field(description="Name of the repository.", pattern=r"^[a-z0-9][a-z0-9-]*$")
    path: AbsolutePath = Field(description="Folder on the host that holds the repository.")
    password: SecretStr = Field(
        description="restic's password. Keep a copy elsewhere: without it no backup can be read.", min_length=8
    )
