"""A machine on which Odoo environments live."""

from prefect.blocks.core import Block
from pydantic import Field

from odoo_ops.model.host import Host


class OdooHost(Block):
    """A machine on which Odoo environments live, and how to reach it."""

    _block_type_name = "Odoo Host"
    _block_type_slug = "odoo-host"
    _description = "A machine on which Odoo environments live, and how to reach it."

    settings: Host = Field(description="The machine.")
