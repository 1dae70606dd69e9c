"""Services of a compose project are brought up, or their containers made anew, and waited for until they are well."""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress

from odoo_ops.commands import provision
from odoo_ops.errors import PermanentError, PreconditionFailed, TransientError
from odoo_ops.model.command import Command
from odoo_ops.policy.provisioning import DATABASE_SERVICE
from odoo_ops.runtimes.docker import read_why_not_healthy
from odoo_ops.runtimes.project import Project

_log = logging.getLogger(__name__)

_UP_SECONDS = 300


def bring_up(project: Project, services: Sequence[str], *, anew: bool = False) -> None:
    """Create or start services, or make their containers anew, and wait until they are healthy.

    Raises PreconditionFailed, with the ends of the logs of those that are not.
    """
    if services:
        command = provision.bring_up(project.runtime, services, _UP_SECONDS, anew=anew)
        with _logs_told(project, services):
            project.run(command, f"Bringing up {', '.join(services)}")


def replace_containers(project: Project, services: Sequence[str]) -> None:
    """Make containers of services anew, with all that is in their images, and wait until they are healthy.

    Raises as `bring_up` does.
    """
    if services:
        command = provision.bring_up(project.runtime, services, _UP_SECONDS, anew=True, renewed=True)
        with _logs_told(project, services):
            run_renewing(project, command, f"Replacing {', '.join(services)}")


@contextmanager
def _logs_told(project: Project, services: Collection[str]) -> Iterator[None]:
    """Let an error of the block go on with the ends of the logs of those services that are not healthy."""
    try:
        yield
    except PreconditionFailed as error:
        with suppress(PermanentError, TransientError):  # the error itself counts
            if why := read_why_not_healthy(project.machine, project.runtime, services):
                error.also_say(why)
        raise


def run_renewing(project: Project, command: Command, tried: str) -> None:
    """Run a command that renews volumes without a name, and remove those that nobody uses after it."""
    former = _nameless_volumes(project)
    try:
        project.run(command, tried)
    finally:
        _remove_unused(project, former)


def _remove_unused(project: Project, volumes: Collection[str]) -> None:
    """Remove those volumes that no container of the project uses; one that stays is a warning, and no failure."""
    try:
        if left := sorted(set(volumes) - _nameless_volumes(project)):
            project.run(provision.remove_volumes(left), "Removing volumes of former containers")
    except (PreconditionFailed, TransientError) as error:
        _log.warning("Volumes of former containers stay, which nothing needs: %s", error)


def _nameless_volumes(project: Project) -> set[str]:
    """Volumes of its containers that nobody named; PostgreSQL's are not touched."""
    found = (each for each in project.read_containers() if each.service != DATABASE_SERVICE)
    return {volume for container in found for volume in container.nameless_volumes}
