"""Whether a machine is fit for what a compose project is about to put there."""

from collections.abc import Iterable, Sequence

from odoo_ops.commands import provision
from odoo_ops.model.plan import FileChange, FoundMachine
from odoo_ops.model.runtimes import Container
from odoo_ops.policy.project_fences import refuse_unfit_machine
from odoo_ops.runtimes.project import Project

# Docker listens on a container's ports in these states
_LISTENING = frozenset({"running", "paused"})


def check_machine(
    project: Project, containers: Sequence[Container], changes: Sequence[FileChange], *, much: bool
) -> None:
    """Raise Refused when a folder cannot be written, a port is somebody else's, or addons, processors or memory lack.

    Where `much` will be written beside the changed files, also when a disk is full.
    """
    machine, folder = project.machine, project.runtime.folder
    ours = {port for container in containers if container.state in _LISTENING for port in container.ports}
    refuse_unfit_machine(
        machine.name,
        unwritable=_unwritable(project, changes),
        free_bytes={
            place: machine.call("describe_path", path=place)["free_bytes"]
            for place in ((folder, _docker_folder(project)) if much else ())
        },
        taken_ports=[
            port
            for address, ports in _ports(project).items()
            for port in machine.call("taken_ports", address=address, ports=sorted(set(ports) - ours))
        ],
        has=project.facts,
        wanted=project.wanted,
        missing_addons=[
            addons for addons in project.wanted.addons if not machine.call("describe_path", path=addons)["is_directory"]
        ],
    )


def read_machine(project: Project, neighbours: Iterable[str]) -> FoundMachine:
    """What the machine has, also for its `neighbours`. Raises PreconditionFailed where Docker cannot be asked."""
    docker, compose = project.versions
    place = project.machine.call("describe_path", path=_docker_folder(project))
    return FoundMachine(
        facts=project.facts,
        free_bytes=place["free_bytes"],
        docker=docker.strip(),
        compose=compose.strip(),
        ports=project.wanted.published_ports,
        neighbours=tuple(sorted(neighbours)),
    )


def _unwritable(project: Project, changes: Sequence[FileChange]) -> list[str]:
    """The project's folder, or else those of the changed files, if nothing can be written there."""
    outer, inner = project.runtime.folder, {project.place(change.path).rpartition("/")[0] for change in changes}
    closed = [
        folder
        for folder in dict.fromkeys([outer, *sorted(inner)])
        if not project.machine.call("describe_path", path=folder)["writable"]
    ]
    return closed[:1] if outer in closed else closed


def _docker_folder(project: Project) -> str:
    return project.run(provision.print_docker_folder(), "Asking Docker where it keeps its data").strip()


def _ports(project: Project) -> dict[str, list[int]]:
    wanted = project.wanted
    mails = {"127.0.0.1": [*wanted.ports, wanted.mail_port]} if wanted.images.mail else {}
    return {wanted.bind: list(wanted.ports)} | mails
