"""Read an Odoo that somebody set up in a compose project. Nothing is changed."""

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import adoption as commands
from odoo_ops.commands.compose import list_services
from odoo_ops.model.adoption import AdoptionRequest, FoundOdoo
from odoo_ops.model.found import FoundContainer, FoundProject, FoundServer, Place
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.policy import found_odoo
from odoo_ops.policy.toolboxes import RESTORE_TOOLBOX, TOOLBOX
from odoo_ops.runtimes.docker import run_docker
from odoo_ops.runtimes.found_odoo import Inside, look_at_place, read_server


def find_in_project(machine: HostAdapter, request: AdoptionRequest) -> FoundOdoo:
    """The Odoo of a project. Raises PreconditionFailed when there is none, or it cannot be read."""
    project = _read_project(machine, request)
    odoo = found_odoo.odoo_containers(project, request, machine.name)
    first = odoo[0]
    place, config = Inside(machine, first.id), found_odoo.config_of(first)
    file = place.read_conf(config)
    settings = found_odoo.container_settings(first, file)
    postgres = found_odoo.postgres_of(project, settings.options["db_host"])
    server = _read_server(machine, postgres) if postgres else None
    database = found_odoo.chosen_database(server, settings, request.database)
    state = f"/var/lib/odoo-ops/{FoundOdoo.name_of(request, database)}"
    return FoundOdoo(
        request=request,
        host=machine.host,
        program=first.program or ("odoo",),
        config=config if file else None,
        server=settings.options["db_host"],
        postgres=server,
        repository=_in_toolbox("/var/backups/odoo", machine, f"{first.folder}/backups"),
        state=_in_toolbox(state, machine, first.folder),
        project=project,
        odoo=odoo,
        postgres_container=postgres,
        toolboxes=_toolboxes(machine, ComposeProject(project=request.project, folder=first.folder)),
        **place.look(settings, database),
    )


def _read_project(machine: HostAdapter, request: AdoptionRequest) -> FoundProject:
    # its folder is not known yet, and not used: what Docker says tells what is wrong with Docker
    unplaced = ComposeProject(project=request.project, folder="/srv")
    projects = run_docker(machine, unplaced, commands.list_projects(), "Looking for the containers")
    found_odoo.known_project(request.project, commands.parse_projects(projects), machine.name)
    return FoundProject.model_validate(machine.call("describe_containers", project=request.project))


def _read_server(machine: HostAdapter, postgres: FoundContainer) -> FoundServer | None:
    """By the superuser of the image, whom it lets in by its socket."""
    inside, superuser = Inside(machine, postgres.id), found_odoo.superuser_of(postgres)
    return read_server(lambda database, sql: inside.run(commands.ask(database, sql, user=superuser)))


def _toolboxes(machine: HostAdapter, project: ComposeProject) -> tuple[str, ...]:
    services = run_docker(machine, project, list_services(project), "Reading the compose file").split()
    return tuple(name for name in (TOOLBOX, RESTORE_TOOLBOX) if name in services)


def _in_toolbox(path: str, machine: HostAdapter, on_host: str) -> Place:
    """A folder of the toolbox, with the room of the one on the host in which it will be."""
    return look_at_place(machine, [on_host]).model_copy(update={"path": path})
