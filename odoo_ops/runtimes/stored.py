"""A backup in the repository, as it is fetched: its manifest first, then its dump, whole."""

from odoo_ops.adapters.agent import OnLine, OnProgress
from odoo_ops.commands import restic
from odoo_ops.errors import CommandFailed, VerificationFailed
from odoo_ops.model.environment import Environment
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.report import SnapshotProof
from odoo_ops.model.snapshot import PROOF_TAG, Snapshot, mark_file
from odoo_ops.policy.fences import refuse_manifest
from odoo_ops.runtimes.runtime import Runtime

_NOT_IN_IT = "not found in snapshot"


def read_manifest(runtime: Runtime, snapshot: Snapshot, source: Environment) -> Manifest:
    """The manifest of a snapshot of `source`.

    Raises VerificationFailed when there is none in it, CommandFailed when restic cannot read it, Refused when it is
    another environment's.
    """
    command = restic.print_file(runtime.restic, runtime.repository, snapshot.id, f"{snapshot.spool}/manifest.json")
    try:
        text = runtime.host.run(command).stdout
    except CommandFailed as error:
        if _NOT_IN_IT not in error.output:
            raise
        raise VerificationFailed(
            f"Snapshot {snapshot.short_id} holds no manifest: {error.output.strip()}. "
            "Nothing was changed. Next step: name another snapshot."
        ) from error
    manifest = Manifest.model_validate_json(text)
    refuse_manifest(manifest, source)
    return manifest


def read_proof(runtime: Runtime, snapshot: Snapshot) -> SnapshotProof:
    """What was proved of a snapshot. Raises CommandFailed when it cannot be read, as where there is no proof."""
    file = mark_file(PROOF_TAG)
    text = runtime.host.run(restic.print_file(runtime.restic, runtime.repository, snapshot.proof, f"/{file}")).stdout
    return SnapshotProof.model_validate_json(text)


def fetch_spool(
    runtime: Runtime, snapshot: Snapshot, manifest: Manifest, *, on_progress: OnProgress, on_line: OnLine
) -> None:
    """Fetch dump, inventory and manifest into the environment's `restore_spool`.

    `on_line` is given what restic says of what it tries again. Raises VerificationFailed for a dump that is not the
    manifest's.
    """
    folder = runtime.environment.restore_spool
    runtime.host.call("make_directory", path=folder)
    runtime.host.call_command(
        "restic_restore",
        restic.restore_folder(runtime.restic, runtime.repository, snapshot.id, folder=snapshot.spool, into=folder),
        on_progress=on_progress,
        on_line=on_line,
    )
    runtime.host.call("make_private", path=folder)  # earlier backups hold dumps that others might read
    if runtime.host.call("list_files", path=f"{folder}/dump") != manifest.dump_files:
        raise VerificationFailed(
            f"The dump in snapshot {snapshot.short_id} is not the one its manifest describes: files are missing "
            "or cut short. Nothing was changed. Next step: name another snapshot."
        )
