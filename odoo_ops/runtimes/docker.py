"""Commands of Docker on the machine of a compose project."""

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import compose
from odoo_ops.errors import CommandFailed, PreconditionFailed
from odoo_ops.model.command import Command
from odoo_ops.model.runtimes import ComposeProject, Container
from odoo_ops.policy.containers import why_docker_refused


def run_docker(machine: HostAdapter, project: ComposeProject, command: Command, tried: str) -> str:
    """Run a command that concerns a project, and return what it printed.

    Raises PreconditionFailed that says what Docker's refusal means; `tried` is what was tried, in words.
    """
    try:
        return machine.run(command).stdout
    except CommandFailed as error:
        raise PreconditionFailed(why_docker_refused(error.output, project, host=machine.name, tried=tried)) from error


def read_containers(machine: HostAdapter, project: ComposeProject) -> tuple[Container, ...]:
    """All containers of a project's services, running or not; none of `docker compose run`. Raises as above."""
    tried = "Looking at the containers"
    ids = run_docker(machine, project, compose.list_lasting(project), tried).split()
    # Docker wants at least one to inspect
    return compose.parse_inspected(run_docker(machine, project, compose.inspect_containers(ids), tried)) if ids else ()
