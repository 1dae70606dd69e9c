"""The demo without containers: an Odoo, as a process of this machine, on a PostgreSQL cluster of its own."""

import os
import shutil
from functools import partial

from deployments.demo.databases import clone_base, drop_former, ensure_role, superuser
from deployments.demo.layout import Layout
from deployments.demo.native_site import NativeSite
from deployments.demo.odoo_base import attachments, ensure_base
from deployments.demo.ports import Ports
from deployments.demo.prefect_api import PrefectApi
from deployments.demo.processes import start
from deployments.demo.stage import Stage
from deployments.demo.steps import MAKE_RECORDS, PROOFS, START_PREFECT, Steps, begin_prefect
from deployments.demo.variables import program_variables
from deployments.engines.cluster import PostgresCluster
from deployments.engines.folder import engines_folder
from deployments.engines.odoo import install_odoo
from deployments.engines.restic import install_restic


def open_native(layout: Layout, ports: Ports) -> tuple[Stage, Steps]:
    """Look for the engines. Returns what the steps share, and the steps."""
    engines = engines_folder()
    odoo, restic = install_odoo(engines).absolute(), install_restic(engines)
    site = NativeSite(layout, ports, PostgresCluster(layout.postgres), odoo, restic)
    stage = Stage(site, program_variables(layout, ports, os.environ), PrefectApi(ports.prefect_url))
    return stage, (("start Odoo", partial(start_odoo, site)), MAKE_RECORDS, START_PREFECT, *PROOFS)


def start_odoo(site: NativeSite, stage: Stage) -> str:
    """A database of its own, and the real Odoo on it. Prefect's server starts meanwhile."""
    site.cluster.start()
    site.write()
    begin_prefect(stage)
    with superuser(site.cluster) as connection:
        drop_former(connection)
        for role in (site.role, site.drill_role):
            ensure_role(connection, role, site.password(role))
        version = ensure_base(site, stage.variables)
        clone_base(connection, site.production, site.role)
    shutil.copytree(attachments(site), site.filestore)
    # as the flows do; once it is ready it is they who stop and start it
    stage.wait_for_odoo(start("odoo", site.odoo_command, stage.variables, site.odoo_log))
    return f"{version} shows its login page, on a PostgreSQL cluster of its own"
