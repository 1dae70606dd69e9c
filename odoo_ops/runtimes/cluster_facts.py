"""What the PostgreSQL of a compose project tells before anything is planned."""

from collections.abc import Callable, Sequence

from odoo_ops.adapters import cluster, database, odoo_database
from odoo_ops.errors import PermanentError
from odoo_ops.model.plan import ClusterFacts, WantedService
from odoo_ops.model.runtimes import Container
from odoo_ops.policy.provisioning import DATABASE_SERVICE
from odoo_ops.runtimes import site_switch
from odoo_ops.runtimes.project import Project
from odoo_ops.runtimes.runtime import Runtime


def read_cluster(
    runtime: Runtime,
    project: Project,
    services: Sequence[WantedService],
    containers: Sequence[Container],
    show: Callable[[str], None],
) -> ClusterFacts:
    """What a PostgreSQL that is well, and in its networks, tells. One that lets its roles not in is planned for, too.

    `show` is told why the database does not say its version of Odoo. Raises TransientError where PostgreSQL does not
    answer for a moment.
    """
    networks = {name for service in services if service.name == DATABASE_SERVICE for name in service.networks}
    if not any(container.service == DATABASE_SERVICE and _answers(container, networks) for container in containers):
        return ClusterFacts()
    settings = runtime.environment
    facts = ClusterFacts()
    try:
        with (
            runtime.host.agents_kept(),
            database.connect(runtime.host, settings.database, "postgres", admin=True) as connection,
        ):
            marks = (settings.swap_journal, settings.release_journal, settings.restart_mark)
            facts = ClusterFacts(
                has_database=cluster.database_exists(connection, settings.database.name),
                waiting=cluster.read_waiting_settings(connection),
                unsettled=site_switch.is_at_work(project)
                or any(runtime.host.call("describe_path", path=mark)["exists"] for mark in marks),
            )
        if facts.has_database and not facts.unsettled:
            with database.connect(runtime.host, settings.database) as connection:
                facts = facts.model_copy(update={"odoo_version": odoo_database.find_odoo_version(connection, show)})
    except PermanentError as error:
        return facts.model_copy(update={"unasked": str(error)})
    return facts


def _answers(container: Container, networks: set[str]) -> bool:
    return container.state == "running" and container.health == "healthy" and networks <= set(container.networks)
