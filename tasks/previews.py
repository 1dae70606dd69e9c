"""Look at what a restore or an import would replace, and at the room that it has. Nothing is written."""

from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters import cluster, database
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.previews import Preview, Room
from odoo_ops.model.zips import ZipContents
from odoo_ops.policy.space import Need
from odoo_ops.policy.zips import database_bytes_needed
from odoo_ops.runtimes import staging
from odoo_ops.runtimes.runtime import Runtime


@task(cache_policy=NO_CACHE)
def preview_restore(target: str, manifest: Manifest) -> Preview:
    """What a restore of the snapshot with this manifest would replace, and by what."""
    runtime = OdooEnvironment.open(target)
    return _preview(
        runtime,
        staging.needs_of_restore(runtime, manifest),
        database_bytes=manifest.database_bytes,
        filestore_bytes=manifest.inventory.bytes,
    )


@task(cache_policy=NO_CACHE)
def preview_import(environment: str, contents: ZipContents) -> Preview:
    """What an import of a zip that holds this would replace, and by what."""
    runtime = OdooEnvironment.open(environment)
    database_bytes = database_bytes_needed(contents)
    needs = staging.needs_of_staging(runtime, filestore_bytes=contents.filestore_bytes, database_bytes=database_bytes)
    return _preview(runtime, needs, database_bytes=database_bytes, filestore_bytes=contents.filestore_bytes)


def _preview(runtime: Runtime, needs: Sequence[Need], *, database_bytes: int, filestore_bytes: int) -> Preview:
    settings = runtime.environment
    with database.connect(runtime.host, settings.database, "postgres") as connection:
        present_bytes = cluster.read_database_bytes(connection, settings.database.name)
    files = runtime.host.call("measure_tree", path=settings.filestore)
    return Preview(
        seen_at=datetime.now(UTC),
        seen_before=runtime.host.call("describe_path", path=settings.marker)["exists"],
        database=settings.database.name,
        database_bytes=present_bytes,
        filestore=settings.filestore,
        files=files["files"],
        filestore_bytes=files["bytes"],
        odoo=settings.odoo.version,
        odoo_runs=runtime.odoo.runs(),
        odoo_is_meant_to_run=runtime.odoo.is_meant_to_run(),
        new_database_bytes=database_bytes,
        new_filestore_bytes=filestore_bytes,
        room=tuple(
            Room(what=need.what, folder=need.folder, needed_bytes=need.needed_bytes, free_bytes=need.free_bytes)
            for need in needs
        ),
    )
