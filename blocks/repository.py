"""A place for backups."""

from prefect.blocks.core import Block
from prefect_aws import AwsCredentials
from pydantic import Field

from odoo_ops.model.repository import OpenRepository, Repository, S3Keys


class BackupRepository(Block):
    """A restic repository that holds the backups of one or more environments.

    Example:
        ```python
        from blocks import BackupRepository

        BackupRepository.load("main").settings.location
        ```
    """

    _block_type_name = "Odoo Backup Repository"
    _block_type_slug = "odoo-backup-repository"

    settings: Repository = Field(description="The repository.")
    # AwsCredentials | MinIOCredentials would be natural; Prefect 3.8's server cannot read a block that refers to one
    # with such a choice (its schema has a list of references there).
    credentials: AwsCredentials | None = Field(
        default=None,
        description="Access key and secret for S3, of any vendor's. Empty: none are needed, or the host has a role.",
    )

    def open(self) -> OpenRepository:
        """The repository with the keys that its server asks for."""
        keys = self.credentials
        found = keys and keys.aws_access_key_id and keys.aws_secret_access_key
        return OpenRepository(
            **dict(self.settings),
            keys=S3Keys(access_key_id=keys.aws_access_key_id, secret_access_key=keys.aws_secret_access_key)
            if keys and found
            else None,
        )
