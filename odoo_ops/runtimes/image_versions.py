"""Versions of the programs in a project's images, and whether they fit each other and the data that is there."""

from collections.abc import Callable
from contextlib import suppress
from secrets import token_hex

from odoo_ops.commands import provision
from odoo_ops.commands.postgres import program_folders
from odoo_ops.errors import CommandFailed
from odoo_ops.policy.dumps import major_version
from odoo_ops.policy.project_fences import (
    refuse_other_data_folder,
    refuse_other_major,
    refuse_other_series,
    refuse_unfit_toolbox,
)
from odoo_ops.runtimes.project import Project

_ODOO_SECONDS = 60


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
    """Raise Refused where the programs that flows take of the toolbox cannot back the server up and restore it.

    Nothing while one of both images is not on the host.
    """
    images = project.wanted.images
    if project.image_id(images.postgres) is None or project.image_id(images.toolbox) is None:
        return
    tried = "Looking at the toolbox's version"
    server = project.run(provision.print_postgres_version(images.postgres), tried)
    command = provision.print_toolbox_version(images.toolbox, program_folders(major_version(server)))
    refuse_unfit_toolbox(server=server, toolbox=project.run(command, tried), names=(images.postgres, images.toolbox))


def check_odoo(project: Project, database_version: str = "", *, anew: bool, show: Callable[[str], None]) -> None:
    """Raise Refused for another series of Odoo than that of the database, or another one in the image than is named.

    Args:
        project: as it is wanted.
        database_version: Odoo's version as the database tells it; empty: nobody knows, or there is none.
        anew: whether a container of the image is made; only then is it asked, if it is on the host.
        show: is told why the image did not say its version; that is no reason to refuse it.
    """
    image, odoo = project.wanted.images.odoo, project.settings.odoo
    printed = _read_odoo_version(project, image, show) if anew and project.image_id(image) else ""
    refuse_other_series(named=odoo.version, image=image, printed=printed, database=database_version)


def _read_odoo_version(project: Project, image: str, show: Callable[[str], None]) -> str:
    """What Odoo of an image says of its version; empty where it does not."""
    container = f"odoo-ops-{project.runtime.project}-version-{token_hex(4)}"
    command = provision.print_odoo_version(image, project.settings.odoo.command, container)
    try:
        return project.machine.run(command, timeout_seconds=_ODOO_SECONDS).stdout
    except CommandFailed as error:
        show(f"The series of Odoo in {image} is not known, and not compared with the named one. {error}")
        with suppress(CommandFailed):  # it is gone, unless Docker's client was ended before it
            project.machine.run(provision.remove_containers([container], volumes=True))
        return ""
