"""A machine on which Odoo environments live."""

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field

from odoo_ops.model.host import Host


class OdooHost(Block):
    """A machine on which Odoo environments live, and how to reach it.

    Example:
        ```python
        from blocks import OdooHost

        OdooHost.load("erp").settings.connection
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Odoo Host"
    _block_type_slug = "odoo-host"

    settings: Host = Field(description="The machine.")
