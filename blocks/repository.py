"""A place for backups."""

from prefect_aws import AwsCredentials
from pydantic import ConfigDict, Field

from blocks.schemas import SchemaMadeOnce
from odoo_ops.model.repository import OpenRepository, Repository, S3Keys


class BackupRepository(SchemaMadeOnce):
    """A restic repository that holds the backups of one or more environments.

    Example:
        ```python
        from blocks import BackupRepository

        BackupRepository.load("main").settings.location
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

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
        keys, found = None, self.credentials
        if found and found.aws_access_key_id and found.aws_secret_access_key:
            keys = S3Keys(access_key_id=found.aws_access_key_id, secret_access_key=found.aws_secret_access_key)
        return OpenRepository(**dict(self.settings), keys=keys)
