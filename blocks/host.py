"""A machine on which Odoo environments live."""

from prefect_docker import DockerRegistryCredentials
from pydantic import ConfigDict, Field

from blocks.schemas import SchemaMadeOnce
from odoo_ops.model.host import Host, OpenHost, Registry


class OdooHost(SchemaMadeOnce):
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
    registry: DockerRegistryCredentials | None = Field(
        default=None,
        description="Registry from which it fetches your own images. Empty: the machine is logged in, or none asks.",
    )

    def open(self) -> OpenHost:
        """The machine with the registry of its images."""
        found = self.registry
        registry = found and Registry(address=found.registry_url, user=found.username, password=found.password)
        return OpenHost(**dict(self.settings), registry=registry)
