"""A forge whose pushes are released."""

from pydantic import ConfigDict, Field

from blocks.schemas import SchemaMadeOnce
from odoo_ops.model.webhooks import Source


class WebhookSource(SchemaMadeOnce):
    """A forge whose pushes are released: its secret, and which branch or tag goes to which environment.

    Example:
        ```python
        from blocks import WebhookSource

        WebhookSource.load("github").settings.rules
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Odoo Webhook Source"
    _block_type_slug = "odoo-webhook-source"

    settings: Source = Field(description="The source.")
