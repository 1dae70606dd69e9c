"""Other compose projects on the machine of one, and whether all fit into its memory."""

from collections.abc import Mapping, Sequence

from odoo_ops.commands import provision
from odoo_ops.errors import CommandFailed
from odoo_ops.model.plan import WantedService
from odoo_ops.policy.sizing import why_crowded
from odoo_ops.runtimes.project import Project


def read_neighbours(project: Project) -> dict[str, list[str]]:
    """Ids of the containers that run for other compose projects on the machine, by the project's name."""
    found: dict[str, list[str]] = {}
    for line in project.run(provision.list_projects(), "Looking at the containers of all projects").splitlines():
        container, _, name = line.partition(" ")
        if name != project.runtime.project:
            found.setdefault(name, []).append(container)
    return found


def read_crowding(project: Project, services: Sequence[WantedService], neighbours: Mapping[str, Sequence[str]]) -> str:
    """Why the memory of the machine is too little for all projects at once, in words; empty: it is enough.

    Containers without a limit cannot be counted. Where one ended while they were looked at, the words say that it is
    not known.
    """
    others = [container for containers in neighbours.values() for container in containers]
    if not others:
        return ""
    try:
        limits = project.machine.run(provision.print_memory_limits(others)).stdout.split()
    except CommandFailed as error:
        return f"Whether all projects on the machine fit into its memory is not known: {error}"
    return why_crowded(
        project.facts.memory_bytes,
        ours_bytes=sum(service.memory_bytes for service in services if service.config_hash),
        others_bytes=sum(map(int, limits)),
    )
