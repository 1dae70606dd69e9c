"""The usual script's restore: `createdb`, `pg_restore`, `tar -x`. Its nights are those of the demo."""

import time
from pathlib import Path

from deployments.bench.site import Site
from deployments.demo.databases import superuser
from deployments.demo.script import Cost, Login, run_script
from deployments.engines.process import run
from odoo_ops.adapters.cluster import drop_database, prepare_extensions

_RESTORED = "bench_by_script"


def night_by_script(site: Site, folder: Path) -> Cost:
    """One night of the script, as superuser. Raises CommandFailed."""
    return run_script(login(site), site.database, site.filestore, folder, site.variables["PATH"])


def restore_by_script(site: Site, backup: Path, into: Path) -> float:
    """Restore a night of the script into a new database and a new folder. Returns the seconds.

    Odoo's indexes need an IMMUTABLE unaccent, which no dump carries: whoever wrote the script knows it by now.
    """
    into.mkdir(parents=True)
    as_role = login(site)
    begun = time.monotonic()
    words = [*as_role.options, "--template=template0", "--encoding=UTF8", "--lc-collate=C", _RESTORED]
    run([as_role.programs / "createdb", *words], environment=as_role.variables(site.variables["PATH"]))
    with superuser(site.cluster, _RESTORED) as connection:
        prepare_extensions(connection, ["pg_trgm", "unaccent"], unaccent=True)
    words = [*as_role.options, f"--dbname={_RESTORED}", str(backup / "database.dump")]
    run([as_role.programs / "pg_restore", *words], environment=as_role.variables(site.variables["PATH"]))
    run(["tar", "-xzf", backup / "filestore.tar.gz", "-C", into], environment=as_role.variables(site.variables["PATH"]))
    seconds = time.monotonic() - begun
    with superuser(site.cluster) as connection:
        drop_database(connection, _RESTORED)
    return seconds


def login(site: Site) -> Login:
    """As whom the script works."""
    cluster = site.cluster
    return Login(cluster.programs, cluster.port, "postgres", cluster.superuser_password)
