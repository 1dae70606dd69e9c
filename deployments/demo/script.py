"""The usual script, to compare with: `pg_dump -Fc` of the database, then `tar -czf` of the filestore."""

import time
from pathlib import Path

from deployments.demo.site import Site
from deployments.engines.process import run
from odoo_ops.model.base import Value


class Cost(Value):
    """What one night took."""

    seconds: float
    new_bytes: int


def run_script(site: Site, folder: Path, path: str) -> Cost:
    """Do one night as the script does, into a new folder.

    Args:
        site: where database and filestore are.
        folder: where its two files go.
        path: the PATH on which tar and gzip are found.

    Raises CommandFailed when a program fails; PreconditionFailed when one is missing.
    """
    folder.mkdir(parents=True)
    variables = {"PATH": path, "PGPASSWORD": site.password(site.role), "LC_ALL": "C.UTF-8"}
    server = ["--host=127.0.0.1", f"--port={site.cluster.port}", f"--username={site.role}"]
    dump, archive = folder / "database.dump", folder / "filestore.tar.gz"
    begun = time.monotonic()
    run([site.cluster.programs / "pg_dump", "-Fc", *server, f"--file={dump}", site.production], environment=variables)
    run(["tar", "-czf", archive, "-C", site.filestore.parent, site.filestore.name], environment=variables)
    return Cost(seconds=time.monotonic() - begun, new_bytes=folder_bytes(folder))


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; 0 if it is not there."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
