"""Versions of the programs in a project's images, and whether they fit each other and the data that is there."""

from odoo_ops.commands import provision
from odoo_ops.policy.project_fences import (
    refuse_other_data_folder,
    refuse_other_major,
    refuse_other_series,
    refuse_other_toolbox,
)
from odoo_ops.runtimes.project import Project


def check_postgres(project: Project, volume: str) -> None:
    """Raise Refused for an image of PostgreSQL that keeps its data elsewhere, or does not read that in a volume.

    An empty name: there is none. Nothing while the image is not on the host.
    """
    image = project.wanted.images.postgres
    if project.image_id(image) is None:
        return
    tried = "Looking at PostgreSQL's version"
    declared = project.run(provision.print_declared_volumes(image), tried)
    refuse_other_data_folder(provision.parse_declared_volumes(declared), image)
    if volume:
        data = project.run(provision.print_data_version(image, volume), tried).strip()
        refuse_other_major(data, project.run(provision.print_postgres_version(image), tried), image)


def check_toolbox(project: Project) -> None:
    """Raise Refused where the PostgreSQL programs of the toolbox are of another major version than the server.

    Nothing while one of both images is not on the host.
    """
    images = project.wanted.images
    if project.image_id(images.postgres) is None or project.image_id(images.toolbox) is None:
        return
    tried = "Looking at the toolbox's version"
    server = project.run(provision.print_postgres_version(images.postgres), tried)
    refuse_other_toolbox(
        server=server,
        toolbox=project.run(provision.print_toolbox_version(images.toolbox), tried),
        names=(images.postgres, images.toolbox),
    )


def check_odoo(project: Project, database_version: str = "", *, anew: bool) -> None:
    """Raise Refused for another series of Odoo than that of the database, or another one in the image than is named.

    Args:
        project: as it is wanted.
        database_version: Odoo's version as the database tells it; empty: nobody knows, or there is none.
        anew: whether a container of the image is made; only then is it asked, if it is on the host.
    """
    image, odoo = project.wanted.images.odoo, project.settings.odoo
    printed = ""
    if anew and project.image_id(image):
        printed = project.run(provision.print_odoo_version(image, odoo.command), "Looking at Odoo's version")
    refuse_other_series(named=odoo.version, image=image, printed=printed, database=database_version)
