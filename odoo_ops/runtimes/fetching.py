"""An image is fetched to the machine of a compose project."""

from odoo_ops.commands import registries
from odoo_ops.errors import CommandFailed, TransientError
from odoo_ops.policy.images import is_passing
from odoo_ops.runtimes.project import Project


def fetch_image(project: Project, image: str) -> None:
    """Fetch an image, as its registry's user where the host has one of that registry.

    Raises CommandFailed when it cannot be had, TransientError when its registry was not reached for a moment.
    """
    registry, command = project.machine.registry, registries.pull_image(image)
    if registry and registry.address == registries.registry_of(image):
        engine = project.run(registries.read_engine_address(), "Looking for Docker's engine").strip()
        command = registries.pull_private_image(image, registry, engine)
    try:
        project.machine.run(command)
    except CommandFailed as error:
        if is_passing(error.output):
            raise TransientError(str(error)) from error
        raise
