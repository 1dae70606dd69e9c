"""Fetch a backup from its repository: the dump, and the filestore beside the present one."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.commands import restic
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.runtimes import staging, stored
from tasks.progress import Progress, show_retry


@contextmanager
def snapshot_fetched(target: str, snapshot: Snapshot, manifest: Manifest, scratch: str) -> Iterator[None]:
    """Fetch the dump for the block, and restore the filestore until that ends; raises what both steps raise.

    Both come at once; where downloads are limited, the filestore after the dump, as each restic takes the whole limit.
    """
    limited = OdooEnvironment.open_for(target, snapshot).repository.limits.download_kib_per_second
    if limited:
        fetch_dump(target, snapshot, manifest)
    with filestore_restored(target, snapshot, manifest, scratch):
        if not limited:
            fetch_dump(target, snapshot, manifest)
        yield


@task(cache_policy=NO_CACHE)
def fetch_dump(target: str, snapshot: Snapshot, manifest: Manifest) -> None:
    """Fetch the dump from the repository. Raises VerificationFailed for one that is not whole."""
    runtime, work = OdooEnvironment.open_for(target, snapshot), Progress("Fetching the dump")
    stored.fetch_spool(runtime, snapshot, manifest, on_progress=work, on_line=show_retry)


@contextmanager
def filestore_restored(target: str, snapshot: Snapshot, manifest: Manifest, scratch: str) -> Iterator[None]:
    """Restore the filestore beside the present one while the block goes on; at its end it is whole.

    It is owned as Odoo's data_dir is. An error that leaves the block ends restic.
    """
    runtime = OdooEnvironment.open_for(target, snapshot)
    with staging.filestore_staged(runtime, scratch) as staged:
        if manifest.filestore in snapshot.paths:
            command = restic.restore_folder(
                runtime.restic, runtime.repository, snapshot.id, folder=manifest.filestore, into=staged
            )
            work = Progress("Restoring the filestore")
            with runtime.writable.call_command_beside("restic_restore", command, on_progress=work, on_line=show_retry):
                yield
        else:
            yield
