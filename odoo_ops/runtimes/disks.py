"""The file systems that hold an environment's data, known by their devices."""

from odoo_ops.adapters import cluster, database
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import compose
from odoo_ops.errors import CommandFailed
from odoo_ops.model.health import Disk
from odoo_ops.model.runtimes import ComposeProject, OnHost
from odoo_ops.runtimes.runtime import Runtime


def read_disk(host: HostAdapter, folder: str) -> tuple[int, Disk]:
    """Device and room of what a folder of a host is on."""
    there = host.call("describe_path", path=folder)
    return there["device"], Disk(folder=folder, free_bytes=there["free_bytes"], total_bytes=there["total_bytes"])


def read_database_disk(runtime: Runtime) -> tuple[int, Disk] | None:
    """The same of PostgreSQL's data; None where its folder is neither on the host nor in its project, or not told."""
    settings = runtime.environment
    if isinstance(settings.runtime, OnHost) != settings.database.is_on_its_host:
        return None
    with database.connect(runtime.host, settings.database, "postgres", admin=True) as connection:
        folder = cluster.read_data_directory(connection)
    if folder is None:
        return None
    match settings.runtime:
        case OnHost():
            return read_disk(runtime.host, folder)
        case ComposeProject() as project:
            try:
                seen = runtime.machine.run(compose.look_at_disk(project, settings.database.server, folder)).stdout
            except CommandFailed:  # its server is none of the project's services
                return None
            return compose.parse_disk(folder, seen)
