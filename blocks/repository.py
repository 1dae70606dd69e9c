"""A place for backups."""

from prefect.blocks.core import Block
from pydantic import Field

from odoo_ops.model.repository import Repository


class BackupRepository(Block):
    """A restic repository that holds the backups of one or more environments."""

    _block_type_name = "Odoo Backup Repository"
    _block_type_slug = "odoo-backup-repository"
    _description = "A restic repository that holds the backups of one or more environments."

    settings: Repository = Field(description="The repository.")
