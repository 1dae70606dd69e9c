"""Where backups are kept."""

from typing import Self

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
