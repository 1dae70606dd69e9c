"""A second repository of a site, in a folder beside the first one."""

from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from blocks import BackupRepository, OdooEnvironment
from odoo_ops.model.repository import FolderLocation, Repository

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any


def register_offsite(site: Site) -> None:
    """Name the folder `offsite` of a site as that for its copies; it is made by the first of them."""
    location = FolderLocation(path=str(site.folder / "offsite"))
    settings = Repository(name="elsewhere", location=location, password=SecretStr("another-password"))
    BackupRepository(settings=settings).save(f"{site.name}-offsite")
    environment = OdooEnvironment.load(site.name)
    environment.offsite = BackupRepository.load(f"{site.name}-offsite")
    environment.save(site.name, overwrite=True)
