"""An Odoo environment, with its host and its repository."""

from typing import cast

from prefect.blocks.core import Block
from pydantic import Field

from blocks.host import OdooHost
from blocks.repository import BackupRepository
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.environment import Environment
from odoo_ops.runtimes.native import NativeRuntime


class OdooEnvironment(Block):
    """One Odoo environment: stage, version, database, filestore, service and objectives.

    Example:
        ```python
        from blocks import OdooEnvironment

        runtime = OdooEnvironment.open("production")
        ```
    """

    _block_type_name = "Odoo Environment"
    _block_type_slug = "odoo-environment"

    settings: Environment = Field(description="The environment.")
    host: OdooHost = Field(description="The machine on which it lives.")
    repository: BackupRepository = Field(description="Where its backups are kept.")

    @classmethod
    def open(cls, name: str) -> NativeRuntime:
        """The environment that is registered under a name, ready to be acted on.

        Raises PreconditionFailed when there is none.
        """
        try:
            block = cast("OdooEnvironment", cls.load(name))
        except ValueError as error:
            raise PreconditionFailed(
                f"No environment named {name!r} is registered ({error}). "
                "Next step: run `odoo-ops environments register`, or correct the name."
            ) from error
        return NativeRuntime(block.settings, HostAdapter(block.host.settings), block.repository.settings)
