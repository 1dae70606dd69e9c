"""A place for backups."""

from prefect.blocks.core import Block
from pydantic import Field

from odoo_ops.model.repository import Repository


class BackupRepository(Block):
    """A restic repository that holds the backups of one or more environments.

    Example:
        ```python
        from blocks import BackupRepository

        BackupRepository.load("main").settings.path
        ```
    """

    _block_type_name = "Odoo Backup Repository"
    _block_type_slug = "odoo-backup-repository"

    settings: Repository = Field(description="The repository.")
