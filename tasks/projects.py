"""The compose project of an environment: what is there, what is to be changed, and the change."""

from datetime import UTC, datetime
from secrets import token_bytes

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters import cluster, copies, database, odoo_database
from odoo_ops.commands import provision
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.plan import ProvisionPlan
from odoo_ops.model.runtimes import Container
from odoo_ops.policy.images import superseded_image
from odoo_ops.policy.passwords import hashed
from odoo_ops.policy.project_fences import (
    concerns_production,
    refuse_lost_volumes,
    refuse_other_project,
)
from odoo_ops.policy.project_plans import file_changes, folder_changes, provision_plan
from odoo_ops.policy.provisioning import (
    DATABASE_SERVICE,
    DATABASE_VOLUME,
    FILESTORE_VOLUME,
    NGINX_SERVICE,
    ODOO_SERVICES,
    PGBOUNCER_SERVICE,
    SUPERUSER,
    makes_databases,
    why_not_provisioned,
)
from odoo_ops.project_files import COMPOSE_FILE, POSTGRES_PASSWORD
from odoo_ops.runtimes import placed_files, site_switch, staging
from odoo_ops.runtimes.brought_up import bring_up, replace_containers
from odoo_ops.runtimes.cluster_facts import read_cluster
from odoo_ops.runtimes.fetching import fetch_image
from odoo_ops.runtimes.fit_machine import check_machine, read_machine
from odoo_ops.runtimes.image_versions import check_odoo, check_postgres, check_toolbox
from odoo_ops.runtimes.lost_volumes import lost_volumes
from odoo_ops.runtimes.mending import mend_running
from odoo_ops.runtimes.neighbours import read_crowding, read_neighbours
from odoo_ops.runtimes.placed_files import CLOSED_FOLDERS, lost_folders, read_files, read_folders
from odoo_ops.runtimes.project import Project
from odoo_ops.runtimes.renewal import why_certbot
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient

_EXTENSIONS = ("pg_trgm", "unaccent")


def _open(environment: str) -> Project:
    runtime = OdooEnvironment.open(environment)
    return Project.of(runtime.machine, runtime.environment)


def why_nothing_to_compare(environment: str) -> str:
    """Why an environment is none that is provisioned, in words; "": it is one."""
    return why_not_provisioned(OdooEnvironment.open(environment).environment)


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def plan_project(environment: str, image: str = "", *, loss_accepted: bool = False) -> ProvisionPlan:
    """Compare what is on the host with what the environment file wants. Nothing is changed.

    With `image`, as if that were the released image of Odoo. Raises Refused for what would lose data, or would not fit
    on the machine, or for data that is lost already, unless that is accepted; PreconditionFailed when Docker cannot be
    asked.
    """
    project, show = _open(environment), get_run_logger().warning
    project = project.with_image(image) if image else project
    with project.machine.agents_kept():
        project.check_docker()
        record, containers = project.read_record(), project.read_containers()
        volume = project.find_volume(DATABASE_VOLUME)
        refuse_other_project(record, project.identity, project.runtime.folder, _foreign(project, containers, volume))
        project.check_folder()
        lost = lost_volumes(project, containers) if record and record.has_database else ()
        if not loss_accepted:
            refuse_lost_volumes(project.runtime.project, lost, project.machine.name)
        services = project.read_services()
        check_postgres(project, volume)
        check_toolbox(project)
        files = file_changes(project.files, read_files(project), record.unfinished if record else ())
        neighbours = read_neighbours(project)
        cluster_facts = read_cluster(OdooEnvironment.open(environment), project, services, containers, show)
        plan = provision_plan(
            environment,
            record,
            files=files + folder_changes(CLOSED_FOLDERS, read_folders(project)),
            services=services,
            containers=containers,
            lost_folders=lost_folders(project),
            has_data=bool(volume),
            lost_volumes=lost,
            cluster=cluster_facts,
            certificate=why_certbot(project, datetime.now(UTC)),
            superseded=superseded_image(record.released if record else None, project.named_image),
            crowded=read_crowding(project, services, neighbours),
            unfit_certificate=project.unfit_certificate,
        )
        anew = bool(set(ODOO_SERVICES) & set(plan.services_to("create", "recreate")))
        check_odoo(project, cluster_facts.odoo_version, anew=anew, show=show)
        if set(ODOO_SERVICES) & set(plan.services_to("create", "recreate", "start", "restart")):
            project.check_owner(FILESTORE_VOLUME)
        if plan.files or plan.services_to("create", "recreate", "start"):
            check_machine(project, containers, plan.files, much=plan.new_database or bool(plan.pull))
        return plan.model_copy(update={"machine": read_machine(project, neighbours), "sizes": project.sizing})


def _foreign(project: Project, containers: tuple[Container, ...], volume: str) -> list[str]:
    """What there is of a project of this name, in words."""
    found = [f"it has a container of {container.service}" for container in containers]
    found += [f"there is the volume {volume}"] if volume else []
    compose_file = f"{project.runtime.folder}/{COMPOSE_FILE}"
    there = project.machine.call("describe_path", path=compose_file)["exists"]
    return found + ([f"there is {compose_file}"] if there else [])


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def fetch_images(environment: str, plan: ProvisionPlan) -> None:
    """Fetch the images that the host does not have. Raises CommandFailed when one cannot be had."""
    project = _open(environment)
    for image in plan.pull:
        get_run_logger().info("Fetching %s", image)
        fetch_image(project, image)


@task(cache_policy=NO_CACHE)
def write_files(environment: str, plan: ProvisionPlan) -> None:
    """Note on the host what its folder holds, and write the files that differ."""
    project = _open(environment)
    with project.machine.agents_kept():
        lost = [f"{path}/" for path in lost_folders(project)]
        project.write_record(unfinished=[*(change.path for change in plan.files), *lost])
        placed_files.write_files(project, plan.files)
    for change in plan.files:
        get_run_logger().info("Written: %s (%s)", change.path, change.change)


@task(cache_policy=NO_CACHE)
def bring_up_database(environment: str, plan: ProvisionPlan) -> None:
    """Bring PostgreSQL up, if the plan says so, and wait until it is healthy; or change its container as it runs."""
    if DATABASE_SERVICE in plan.services_to("create", "recreate", "start"):
        bring_up(_open(environment), [DATABASE_SERVICE], anew=DATABASE_SERVICE in plan.services_to("recreate"))
    if DATABASE_SERVICE in plan.services_to("update"):
        mend_running(_open(environment), DATABASE_SERVICE)


@task(cache_policy=NO_CACHE)
def bring_up_services(environment: str, plan: ProvisionPlan) -> None:
    """Bring up all other services of the plan, and wait until they are healthy; remove what has no place any more."""
    project = _open(environment)
    if restarted := plan.services_to("restart"):
        project.run(provision.restart(project.runtime, restarted), f"Restarting {', '.join(restarted)}")
    replace_containers(project, [name for name in plan.services_to("recreate") if name != DATABASE_SERVICE])
    bring_up(project, plan.services_to("create", "start", "restart"))
    if set(ODOO_SERVICES) & set(plan.services_to("create", "recreate")):
        site_switch.forget_static(project)
    gone = plan.services_to("remove")
    ids = [found.id for found in project.read_containers() if found.service in gone]
    if ids:  # somebody may have added them, with data in a volume without a name
        project.run(provision.remove_containers(ids, volumes=False), f"Removing {', '.join(gone)}")


@task(cache_policy=NO_CACHE)
def reload_services(environment: str, plan: ProvisionPlan) -> None:
    """Let services read their changed files. Raises PreconditionFailed for a wrong one of nginx or PostgreSQL."""
    project, reloads = _open(environment), plan.services_to("reload")
    if NGINX_SERVICE in reloads:
        project.reload_nginx()
    if PGBOUNCER_SERVICE in reloads:
        project.run(provision.reload_pgbouncer(project.runtime, PGBOUNCER_SERVICE), "Reloading PgBouncer")
    if DATABASE_SERVICE in reloads:
        _reload_postgres(environment)


@task(cache_policy=NO_CACHE)
def note_finished(environment: str) -> None:
    """Note on the host that all services have taken their files, and that there is a database."""
    _open(environment).write_record(has_database=True)


def _reload_postgres(environment: str) -> None:
    runtime = OdooEnvironment.open(environment)
    with database.connect(runtime.host, runtime.environment.database, "postgres", admin=True) as connection:
        cluster.reload_configuration(connection)


@task(cache_policy=NO_CACHE)
def needs_database(environment: str, plan: ProvisionPlan) -> bool:
    """Whether PostgreSQL, which runs now, has no database for Odoo, and the plan says that one is made.

    Raises PreconditionFailed where there is none and none is to be made, Refused for one of another series of Odoo.
    """
    runtime, show = OdooEnvironment.open(environment), get_run_logger().warning
    settings = runtime.environment.database
    with database.connect(runtime.host, settings, "postgres", admin=True) as connection:
        there = cluster.database_exists(connection, settings.name)
    if there:
        with database.connect(runtime.host, settings) as connection:
            version = odoo_database.find_odoo_version(connection, show)
        check_odoo(_open(environment), version, anew=False, show=show)
    if there or plan.new_database:
        return not there
    if plan.lost_database:
        raise PreconditionFailed(
            f"The database {settings.name!r} of {environment} was there before and is lost. None was made in its "
            "place. PostgreSQL runs. Next step: run `restore`, then run this again."
        )
    raise PreconditionFailed(
        f"PostgreSQL of {environment} did not run when the plan was made, and has no database {settings.name!r}. "
        "It runs now. Next step: run again; the new plan tells what is made."
    )


@task(cache_policy=NO_CACHE)
def leave_to_restore(environment: str, plan: ProvisionPlan) -> None:
    """Go no further, as the data of volumes is lost: a restore finds PostgreSQL, and a filestore's volume of Odoo's.

    Raises PreconditionFailed.
    """
    project = _open(environment)
    owned = provision.run_once(project.runtime, ODOO_SERVICES[0], entrypoint="true")
    project.run(owned, "Making the filestore's volume")
    raise PreconditionFailed(
        f"The data of {environment} in {' and '.join(plan.lost_volumes)} is lost, as was accepted. PostgreSQL runs, "
        "and no Odoo was started. Next step: run `restore`, then this again."
    )


@task(cache_policy=NO_CACHE)
def prepare_cluster(environment: str, plan: ProvisionPlan) -> None:
    """Make the role of Odoo, or give the one that is there the password of the environment file; the superuser too.

    The stage decides whether Odoo's may make databases. The superuser's password is given where its file was written,
    or where PostgreSQL could not be asked as it.
    """
    runtime = OdooEnvironment.open(environment)
    settings = runtime.environment
    written = any(file.path == POSTGRES_PASSWORD for file in plan.files)
    if settings.database.admin_password and (written or plan.unasked):
        project, password = _open(environment), settings.database.admin_password
        command = provision.change_password(project.runtime, DATABASE_SERVICE, SUPERUSER, password)
        project.run(command, "Giving PostgreSQL's superuser its password")
    with database.connect(runtime.host, settings.database, "postgres", admin=True) as connection:
        cluster.ensure_role(
            connection,
            settings.database.user,
            settings.database.password,
            makes_databases=makes_databases(settings.stage),
        )


@task(cache_policy=NO_CACHE)
def give_admin_password(environment: str, scratch: str) -> None:
    """Give the administrator of a new database the password that the environment file names, if it does."""
    runtime = OdooEnvironment.open(environment)
    settings = runtime.environment
    if settings.provision and settings.provision.admin_password:
        with database.connect(runtime.host, settings.database, scratch) as connection:
            copies.give_login(connection, hashed(settings.provision.admin_password, token_bytes(16)))


@task(cache_policy=NO_CACHE)
def initialise_odoo(environment: str, scratch: str) -> None:
    """Let Odoo fill a scratch database. Raises PreconditionFailed with what it said when it does not."""
    project = _open(environment)
    service, odoo = project.runtime.odoo_services[0], project.settings.odoo.command
    get_run_logger().info("Odoo fills a new database; that takes a minute")
    database_settings = project.settings.database.model_copy(update={"name": scratch})
    project.run(provision.initialise(project.runtime, service, odoo, database_settings), "Filling the new database")


@task(cache_policy=NO_CACHE)
def create_database(environment: str, scratch: str) -> None:
    """Make an empty database with the extensions of which Odoo makes its indexes."""
    staging.create_scratch(OdooEnvironment.open(environment), scratch, _EXTENSIONS, unaccent=True)


def needs_approval(environment: str, confirm_production: str) -> bool:
    """Whether a person must approve the plan in the UI: what is or will be production is changed."""
    project = _open(environment)
    asked = concerns_production(project.read_record(), project.settings.stage)
    return asked and confirm_production != project.settings.name
