"""Commands of Docker on the machine of a compose project."""

from collections.abc import Collection

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import compose
from odoo_ops.commands.image_releases import print_log
from odoo_ops.errors import CommandFailed, PreconditionFailed
from odoo_ops.model.command import Command
from odoo_ops.model.runtimes import ComposeProject, Container
from odoo_ops.policy.containers import shown_log, why_docker_refused, why_not_healthy

_LOG_LINES = 15


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


def runs_toolbox(machine: HostAdapter, project: ComposeProject) -> bool:
    """Whether anybody works in a toolbox of a project just now. Raises as above."""
    command = compose.list_one_off(project, project.toolbox)
    return bool(run_docker(machine, project, command, "Looking at the containers").strip())


def read_log_end(machine: HostAdapter, container: str) -> str:
    """How the log of a container ends, in words. Raises CommandFailed."""
    log = machine.run(print_log(container, _LOG_LINES))
    return f"Its log ends:\n{shown_log(log.stdout + log.stderr)}"


def read_why_not_healthy(machine: HostAdapter, project: ComposeProject, services: Collection[str]) -> str:
    """What is wrong with containers of services that were waited for, with the ends of their logs; "": nothing.

    Raises as `read_containers` and `read_log_end` do.
    """
    found = [(each, why_not_healthy(each)) for each in read_containers(machine, project) if each.service in services]
    return "\n".join(f"{each.service} {why}. {read_log_end(machine, each.id)}" for each, why in found if why)
