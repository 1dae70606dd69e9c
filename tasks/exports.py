"""Write a backup into Odoo's own zip, and read that again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.commands import postgres, restic
from odoo_ops.errors import PreconditionFailed, TransientError, VerificationFailed
from odoo_ops.model.checks import Check, failures, first_of
from odoo_ops.model.manifest import Inventory, Manifest
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.model.zips import ZipProof
from odoo_ops.policy.space import refuse_without_room
from odoo_ops.policy.zips import export_checks, odoo_manifest, refuse_fleeting, zip_bytes_needed
from odoo_ops.runtimes import stored
from tasks.progress import Progress, show_retry


@contextmanager
def partial_zip(environment: str, destination: str) -> Iterator[str]:
    """A name beside the destination for a zip that is not proved yet; nothing is left there when the block ends.

    It is on record at the environment, so a later run deletes it should this one die. Raises PreconditionFailed
    when the destination, or its partial name, exists, or its folder does not, or is one that ends with its container.
    """
    runtime = OdooEnvironment.open(environment)
    settings, host, partial = runtime.environment, runtime.host, f"{destination}.partial"
    folder = destination.rpartition("/")[0] or "/"
    for path in (destination, partial):
        if host.call("describe_path", path=path)["exists"]:
            raise PreconditionFailed(
                f"{path} exists on {host.name}, and no file is ever replaced. Nothing was changed. "
                "Next step: name another destination, or move that file away."
            )
    if not host.call("describe_path", path=folder)["is_directory"]:
        raise PreconditionFailed(
            f"{folder} is no folder on {host.name}. Nothing was changed. "
            "Next step: make it, or name another destination."
        )
    if host.container:
        mount = host.call("mount_of", path=folder)
        refuse_fleeting(folder, host.name, **mount, lasting=settings.state_dir)
    host.call("write_text", path=settings.export_journal, text=json.dumps({"partial": partial}))
    try:
        yield partial
    finally:
        with suppress(TransientError):  # a lost host must not hide the first error; the next run deletes it
            host.call("remove_tree", path=partial)
            host.call("remove_tree", path=settings.export_journal)


@task(cache_policy=NO_CACHE)
def fetch_for_zip(environment: str, snapshot: Snapshot, partial: str) -> Manifest:
    """Fetch dump, inventory and manifest from the repository, when there is room for them and for the zip.

    The filestore is not fetched: it is streamed into the zip. Raises VerificationFailed for a dump or an inventory
    that is not the manifest's, PreconditionFailed when there is no room.
    """
    runtime = OdooEnvironment.open_for(environment, snapshot)
    settings = runtime.environment
    manifest = stored.read_manifest(runtime, snapshot, settings)
    needs = [
        runtime.need("the fetched dump", settings.restore_spool, sum(manifest.dump_files.values())),
        runtime.need("the zip", partial, zip_bytes_needed(manifest)),
    ]
    refuse_without_room(needs, runtime.host.name)
    stored.fetch_spool(runtime, snapshot, manifest, on_progress=Progress("Fetching the dump"), on_line=show_retry)
    found = Inventory(**runtime.host.call("digest_inventory", inventory=f"{settings.restore_spool}/inventory.jsonl"))
    if found != manifest.inventory:
        raise VerificationFailed(
            f"The inventory in snapshot {snapshot.short_id} is not the one its manifest describes. No zip was made. "
            "Next step: name another snapshot."
        )
    return manifest


@task(cache_policy=NO_CACHE)
def write_zip(environment: str, snapshot: Snapshot, manifest: Manifest, partial: str) -> None:
    """Write the zip: the dump as SQL, the manifest that Odoo expects, and every file that the inventory names.

    All goes from program to zip as a stream. Raises CommandFailed when pg_restore or restic fails.
    """
    runtime = OdooEnvironment.open_for(environment, snapshot)
    settings, host = runtime.environment, runtime.host
    host.call_command(
        "begin_zip",
        postgres.print_sql(
            runtime.postgres_program("pg_restore", int(manifest.postgresql)), f"{settings.restore_spool}/dump"
        ),
        on_progress=Progress("Writing dump.sql"),
        path=partial,
        manifest=odoo_manifest(manifest),
        tables=len(manifest.facts.rows),
    )
    if manifest.filestore in snapshot.paths:
        host.call_command(
            "add_filestore",
            restic.print_folder(runtime.restic, runtime.repository, snapshot.id, manifest.filestore),
            on_progress=Progress("Adding the filestore"),
            path=partial,
            folder=manifest.filestore,
            inventory=f"{settings.restore_spool}/inventory.jsonl",
        )


@task(cache_policy=NO_CACHE)
def prove_zip(environment: str, partial: str) -> ZipProof:
    """Read the zip from the disk: every CRC, the sha1 of every attachment, the rows of every table in its SQL."""
    runtime = OdooEnvironment.open(environment)
    found = runtime.host.call(
        "prove_zip",
        on_progress=Progress("Reading the zip again"),
        path=partial,
        inventory=f"{runtime.environment.restore_spool}/inventory.jsonl",
    )
    proof = ZipProof.model_validate({field: found[field] for field in ZipProof.model_fields})
    for damage in proof.damaged:
        get_run_logger().warning("Not in the zip as the database names it: %s", damage)
    return proof


@task(cache_policy=NO_CACHE)
def publish_zip(
    environment: str, manifest: Manifest, proof: ZipProof, *, partial: str, destination: str, damaged_accepted: int
) -> list[Check]:
    """Give the proved zip its name. Raises VerificationFailed, with nothing left there, when a check failed."""
    runtime = OdooEnvironment.open(environment)
    settings, host = runtime.environment, runtime.host
    checks = export_checks(manifest, proof, max(damaged_accepted, settings.backup.damaged_attachments_allowed))
    if found := failures(checks):
        raise VerificationFailed(
            f"The zip is not what was backed up: {first_of(found)}. It was deleted. Next step: name another snapshot."
        )
    host.call("rename", source=partial, destination=destination)
    host.call("remove_tree", path=settings.restore_spool)
    return checks
