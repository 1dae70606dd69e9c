"""Volumes of a compose project that held its data, and do not any more."""

from collections.abc import Sequence

from odoo_ops.model.runtimes import Container
from odoo_ops.policy.provisioning import DATABASE_SERVICE, DATABASE_VOLUME, FILESTORE_VOLUME, ODOO_SERVICES
from odoo_ops.runtimes.project import Project

_USED_BY = {DATABASE_VOLUME: (DATABASE_SERVICE,), FILESTORE_VOLUME: ODOO_SERVICES}


def lost_volumes(project: Project, containers: Sequence[Container]) -> tuple[str, ...]:
    """Those of the database and the filestore that are not there, or in which nothing is.

    Whoever mounts one that is not there makes it, a toolbox too: so an empty one is a lost one. What runs has its own.
    """
    running = {container.service for container in containers if container.state == "running"}
    unused = [volume for volume, services in _USED_BY.items() if not running.intersection(services)]
    return tuple(volume for volume in unused if _is_lost(project, volume))


def _is_lost(project: Project, volume: str) -> bool:
    name = project.find_volume(volume)
    image_there = project.image_id(project.wanted.images.odoo) is not None
    return not name or (image_there and not project.read_owners(name))
