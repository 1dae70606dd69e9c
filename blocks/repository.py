"""A place for backups."""

from prefect_aws import AwsCredentials
from pydantic import ConfigDict, Field

from blocks.schemas import SchemaMadeOnce
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.repository import OpenRepository, Repository, S3Keys

# ways of AwsCredentials to log in that a repository has no use for
_UNUSED = ("aws_session_token", "profile_name", "assume_role_arn")


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
        """The repository with the keys that its server asks for.

        Raises PreconditionFailed when the credentials name another way to log in than a pair of keys.
        """
        return OpenRepository(**dict(self.settings), keys=self.credentials and self._keys(self.credentials))

    def _keys(self, found: AwsCredentials) -> S3Keys | None:
        key_id, secret = found.aws_access_key_id, found.aws_secret_access_key
        faults = [f"set {name}" for name in _UNUSED if getattr(found, name)]
        if bool(key_id) != bool(secret):
            faults.append("have an access key's id or its secret alone")
        if faults:
            raise PreconditionFailed(
                f"The credentials of the repository {self.settings.name} {', '.join(faults)}: restic is given a "
                "pair of keys that last, and nothing else. Nothing was changed. Next step: empty these fields and "
                "write both aws_access_key_id and aws_secret_access_key; or neither, where the host has a role."
            )
        return S3Keys(access_key_id=key_id, secret_access_key=secret) if key_id and secret else None
