"""A site's own Odoo as a service of its environment: a real one that runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from blocks import OdooEnvironment
from deployments.engines.ports import free_port
from odoo_ops.model.environment import ProcessService

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

_CONFIG = """[options]
db_name = {name}
db_host = 127.0.0.1
db_port = {port}
db_user = {user}
db_password = {password}
data_dir = {data_dir}
http_interface = 127.0.0.1
http_port = {http_port}
pidfile = {pid_file}
max_cron_threads = 0
"""


def described(site: Site, folder: Path, password: str, *addons: Path) -> tuple[ProcessService, str]:
    """The site's Odoo as a service, and its address; its configuration goes into a folder."""
    database, http_port = site.settings.database, free_port()
    more = f"addons_path = {','.join(map(str, addons))}\n" if addons else ""
    config, pid_file = folder / "odoo.conf", folder / "odoo.pid"
    config.write_text(
        _CONFIG.format(
            name=database.name,
            port=database.port,
            user=database.user,
            password=password,
            data_dir=site.settings.data_dir,
            http_port=http_port,
            pid_file=pid_file,
        )
        + more
    )
    start = (*site.settings.odoo.command, f"--config={config}")
    service = ProcessService(start=start, pid_file=str(pid_file), log_file=str(site.folder / "odoo.log"))
    return service, f"http://127.0.0.1:{http_port}"


def serve(site: Site, *addons: Path) -> None:
    """Make the site's Odoo a service of its environment and start it. It runs no scheduled action."""
    assert site.settings.database.password is not None
    service, url = described(site, site.folder, site.settings.database.password.get_secret_value(), *addons)
    changes = {"url": url, **({"config": str(site.folder / "odoo.conf")} if addons else {})}
    site.register(service=service, odoo=site.settings.odoo.model_copy(update=changes))
    OdooEnvironment.open(site.name).odoo.start()
