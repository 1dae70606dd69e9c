"""A pristine Odoo database with its attachments, made once by the real Odoo and copied by every run."""

from collections.abc import Mapping
from pathlib import Path

from deployments.demo.databases import create_empty, publish_base, superuser
from deployments.demo.native_site import NativeSite
from deployments.demo.processes import finish, start
from deployments.demo.site import write_private
from deployments.engines.folder import make_once
from deployments.engines.odoo import odoo_version
from odoo_ops.adapters.cluster import read_system_identifier

PARTIAL = "odoo19_base_partial"
_INSTALL_SECONDS = 300


def ensure_base(site: NativeSite, variables: Mapping[str, str]) -> str:
    """Install Odoo's base modules into a database, unless this Odoo did so in this cluster before.

    Returns what Odoo calls its version.

    Raises CommandFailed when Odoo says no; nothing is published then.
    """
    with superuser(site.cluster) as connection:
        identity = read_system_identifier(connection)
    version = odoo_version(site.odoo_program)
    recipe = f"{version}\n{site.odoo_program}\n{identity}"
    make_once(site.layout.base, recipe, lambda folder: _build(site, variables, folder))
    return version


def _build(site: NativeSite, variables: Mapping[str, str], folder: Path) -> None:
    configuration = site.layout.place("production") / "base.conf"
    write_private(configuration, site.configuration(PARTIAL, folder))
    with superuser(site.cluster) as connection:
        create_empty(site.cluster, connection, PARTIAL, site.role)
        words = [
            str(site.odoo_program),
            "--config",
            str(configuration),
            "--init=base,web",
            "--stop-after-init",
            "--no-http",
        ]
        installation = start("Odoo's installation", words, variables, site.layout.logs / "odoo-base.log")
        finish(installation, within_seconds=_INSTALL_SECONDS)
        publish_base(connection, PARTIAL)
    (folder / "filestore" / PARTIAL).rename(folder / "attachments")


def attachments(site: NativeSite) -> Path:
    """Folder of the pristine database's attachments."""
    return site.layout.base / "attachments"
