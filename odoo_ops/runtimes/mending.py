"""What was changed of a container past Compose is taken back while it runs."""

from odoo_ops.commands import provision
from odoo_ops.model.plan import WantedService
from odoo_ops.model.runtimes import Container
from odoo_ops.runtimes.project import Project


def mend_running(project: Project, service: str) -> None:
    """Bring networks, limits and restart policy of a service's container to what the compose file says.

    It is not stopped, and Compose takes it for what it made: its digest stays. Raises PreconditionFailed where Docker
    refuses.
    """
    (wanted,) = (each for each in project.read_services() if each.name == service)
    for container in project.read_containers():
        if container.service == service:
            _mend(project, container, wanted)


def _mend(project: Project, container: Container, wanted: WantedService) -> None:
    networks, found = set(wanted.networks), set(container.networks)
    # Docker takes such a limit away from none that runs; a share of all processors is none
    processors = wanted.nano_cpus / 10**9 or project.processors
    differs = container.nano_cpus != wanted.nano_cpus
    commands = [provision.connect_network(container.id, wanted.name, network) for network in sorted(networks - found)]
    commands += [provision.disconnect_network(container.id, network) for network in sorted(found - networks)]
    commands.append(provision.update_limits(container.id, wanted, processors if differs else None))
    for command in commands:
        project.run(command, f"Changing the container of {wanted.name} while it runs")
