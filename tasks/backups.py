"""Make a backup: dump and manifest in one view of the database, then one restic snapshot, then the proof."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from blocks import OdooEnvironment
from odoo_ops.adapters import database, odoo_database
from odoo_ops.adapters.business import read_business
from odoo_ops.adapters.number_sequences import read_number_sequences
from odoo_ops.commands import postgres, restic
from odoo_ops.errors import CommandFailed, VerificationFailed
from odoo_ops.model.checks import Check, failures, first_of
from odoo_ops.model.command import Command
from odoo_ops.model.manifest import Inventory, Manifest
from odoo_ops.model.report import BackupReport, FilestoreProof, SnapshotProof, StoredSnapshot
from odoo_ops.model.snapshot import DAMAGED_TAG, PROOF_TAG, TAG
from odoo_ops.policy.backups import backup_checks
from odoo_ops.policy.dumps import PG_RESTORE, compression
from odoo_ops.policy.snapshots import newest_clean, newest_proved
from odoo_ops.policy.space import Need, refuse_without_room
from odoo_ops.runtimes import staging
from odoo_ops.runtimes.addons_commits import read_addons_commits
from odoo_ops.runtimes.runtime import Runtime
from tasks.progress import Progress, TableProgress, show_retry
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient

_AFTER_DUMP = (
    "see that PostgreSQL runs (its log tells why a session ended) and that the disk of the environment's state_dir "
    "is not full (where it is out of shared memory: raise its max_locks_per_transaction), then run again; "
    "it settles what was left. Nothing was stored."
)
_AFTER_READING = (
    "see that the disk of the environment's state_dir is well, then run the backup again. The dump is not whole; if it "
    "was stored, it has no proof: `latest` never means it."
)


@contextmanager
def collector_held_off(environment: str) -> Iterator[None]:
    """Keep Odoo from deleting attachments' files while they are backed up and proved; writing goes on."""
    runtime = OdooEnvironment.open(environment)
    with (
        database.connect(runtime.host, runtime.environment.database) as connection,
        database.collector_held_off(connection),
    ):
        yield


@task(cache_policy=NO_CACHE)
def dump_database(environment: str) -> Manifest:
    """Dump the database and write manifest and inventory beside it, all in one exported snapshot.

    Everything is in the environment's spool on its host. Raises PreconditionFailed when there is no room for it, or
    not enough left while it is written, and CommandFailed when pg_dump or psql fails.
    """
    runtime = OdooEnvironment.open(environment)
    settings, host = runtime.environment, runtime.host
    host.call("make_directory", path=settings.spool)
    with database.connect(host, settings.database) as connection, database.exported_snapshot(connection) as snapshot:
        table_bytes = odoo_database.read_table_bytes(connection)
        dump = runtime.need("the dump", settings.spool, sum(table_bytes.values()))
        reserve = runtime.reserve(settings.spool)
        refuse_without_room([dump, reserve], host.name)
        taken_at = datetime.now(UTC)
        major = connection.info.server_version // 10000
        compress = compression(major, dump.needed_bytes, dump.free_bytes - reserve.needed_bytes)
        script = (
            f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{snapshot}';"
            f" {odoo_database.INVENTORY};"
        )
        psql = runtime.postgres_program("psql", major)
        # before pg_dump reads them: what is restored may be ahead of the manifest, never behind it
        sequences = odoo_database.read_sequences(connection)
        number_sequences = read_number_sequences(connection)
        with _dumping(runtime, major, snapshot, table_bytes, compress=compress, reserve=reserve):
            host.run(
                postgres.run_script(psql, settings.database, script=script),
                stdout_file=f"{settings.spool}/inventory.jsonl",
                next_step=_AFTER_DUMP,
            )
            facts = odoo_database.read_facts(connection).model_copy(update={"sequences": sequences})
            business = read_business(connection, number_sequences)
            size = odoo_database.read_database_bytes(connection)
            odoo = odoo_database.read_odoo_version(connection)
    host.call("make_private", path=settings.dump)  # pg_dump's files are as open as the login's umask lets them be
    manifest = Manifest(
        environment=settings.name,
        stage=settings.stage,
        database=settings.database.name,
        filestore=settings.filestore,
        taken_at=taken_at,
        postgresql=str(major),
        odoo=odoo,
        addons_commits=read_addons_commits(runtime, get_run_logger().warning),
        database_bytes=size,
        facts=facts,
        business=business,
        inventory=Inventory(**host.call("digest_inventory", inventory=f"{settings.spool}/inventory.jsonl")),
        dump_files=host.call("list_files", path=settings.dump),
    )
    host.call("write_text", path=f"{settings.spool}/manifest.json", text=manifest.model_dump_json(indent=1))
    return manifest


@contextmanager
def _dumping(
    runtime: Runtime, major: int, snapshot: str, table_bytes: dict[str, int], *, compress: str, reserve: Need
) -> Iterator[None]:
    """pg_dump in an exported snapshot, while the block reads other things in it."""
    settings = runtime.environment
    command = postgres.dump_database(
        runtime.postgres_program("pg_dump", major),
        settings.database,
        snapshot=snapshot,
        jobs=runtime.jobs,
        compress=compress,
        into=settings.dump,
    )
    shown = TableProgress(f"Dumping {len(table_bytes)} tables", table_bytes, "bytes", jobs=runtime.jobs)
    with runtime.host.run_beside(command, on_line=shown, reserve=reserve, next_step=_AFTER_DUMP):
        yield


@task(cache_policy=NO_CACHE)
def store_snapshot(environment: str) -> StoredSnapshot:
    """Put spool and filestore into one restic snapshot; until it is proved, it does not count.

    Meanwhile the dump is read once, from its beginning to its end. What is new is measured against the last proved
    snapshot: a file that a dead run stored is still to be hashed.
    Raises CommandFailed when restic fails, and VerificationFailed when it could not read everything.
    """
    runtime = OdooEnvironment.open(environment)
    settings = runtime.environment
    paths = [settings.spool]
    if runtime.host.call("describe_path", path=settings.filestore)["exists"]:
        paths.append(settings.filestore)
    with _whole_dump_read(runtime):
        earlier = runtime.snapshots(settings.name)
        parent = newest_clean(earlier)
        command = restic.back_up(
            runtime.restic,
            runtime.repository,
            host=settings.name,
            tags=[TAG, settings.stage],
            paths=paths,
            parent=parent.id if parent else None,
        )
        summary = _store(runtime, command)
    return StoredSnapshot(
        snapshot_id=summary["snapshot_id"],
        total_files=summary["total_files_processed"],
        total_bytes=summary["total_bytes_processed"],
        added_bytes=summary.get("data_added_packed", summary["data_added"]),
        seconds=summary["total_duration"],
        taken_at=summary.get("backup_start"),
        last=newest_proved(earlier),
        verified_at=max((backup.taken_at for backup in earlier if backup.verified), default=None),
    )


def _store(runtime: Runtime, command: Command) -> dict[str, Any]:
    settings = runtime.environment
    try:
        summary: dict[str, Any] = runtime.host.call_command(
            "restic_backup",
            command,
            on_progress=Progress("Storing"),
            on_line=show_retry,
            filestore=settings.filestore,
            changed_list=settings.changed_list,
        )
    except CommandFailed as error:
        if error.exit_status != restic.INCOMPLETE:
            raise
        raise VerificationFailed(
            f"restic on {error.where} could not read everything, so this backup is incomplete. It said:\n"
            f"{error.output.strip()}\nThe snapshot has no proof: `latest` never means it. Next step: make these "
            "files readable for the user that acts there, then run again. (Those that were not found in the "
            "repository's index were stored again now: the next run passes.)"
        ) from error
    return summary


def _whole_dump_read(runtime: Runtime) -> AbstractContextManager[None]:
    """pg_restore reads the dump to its end while the block goes on. CommandFailed: it cannot; nothing is proved."""
    with database.connect(runtime.host, runtime.environment.database, "postgres") as connection:
        program = runtime.postgres_program("pg_restore", connection.info.server_version // 10000)
    command = postgres.read_whole_dump(program, runtime.environment.dump)
    return runtime.host.run_beside(command, next_step=_AFTER_READING)


@task(cache_policy=NO_CACHE)
def prove_snapshot(environment: str, snapshot_id: str) -> SnapshotProof:
    """Every file that the inventory names is in the snapshot, whole; each new or changed one has its sha1."""
    runtime = OdooEnvironment.open(environment)
    settings = runtime.environment
    inventory = f"{settings.spool}/inventory.jsonl"
    with runtime.host.call_command_beside(
        "prove_snapshot",
        restic.list_files(runtime.restic, runtime.repository, snapshot_id, settings.filestore),
        on_line=show_retry,
        inventory=inventory,
        filestore=settings.filestore,
    ) as listed:
        hashed = runtime.host.call(
            "prove_filestore",
            on_progress=Progress("Proving attachments"),
            inventory=inventory,
            root=settings.filestore,
            changed_list=settings.changed_list,
        )
        held = listed()
    by_id = {record["id"]: record for record in [*held["damaged"], *hashed["damaged"]]}
    # the lists end at a thousand records, the totals do not
    total = max(len(by_id), held["damaged_total"], hashed["damaged_total"])
    return SnapshotProof.model_validate(
        {
            **hashed,
            "tree": held["tree"],
            "damaged": list(by_id.values()),
            "damaged_total": total,
        }
    )


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def record_proof(environment: str, snapshot_id: str, proof: SnapshotProof) -> None:
    """Put the proof into the repository, beside the snapshot: from now on `latest` may mean it."""
    runtime = OdooEnvironment.open(environment)
    command = restic.store_mark(
        runtime.restic,
        runtime.repository,
        host=environment,
        snapshot=snapshot_id,
        tree=proof.tree,
        mark=PROOF_TAG,
        text=proof.model_dump_json(indent=1),
        tags=[DAMAGED_TAG] if proof.damaged_total else [],
    )
    runtime.host.run(command)


@contextmanager
def spool_emptied(environment: str) -> Iterator[None]:
    """Delete what the snapshot now holds, while the block goes on: a gigabyte takes a second."""
    runtime = OdooEnvironment.open(environment)
    with runtime.host.beside("remove_tree", path=runtime.environment.spool):
        yield


@task(cache_policy=NO_CACHE)
def judge_pg_restore(manifest: Manifest) -> Check:
    """Could the backup be restored where it was made, by the programs that are there?"""
    return staging.judge_pg_restore(OdooEnvironment.open(manifest.environment), int(manifest.postgresql))


def refuse_unrestorable(report: BackupReport) -> None:
    """Raise VerificationFailed when the backup could not be restored where it was made.

    Not within another run, as that of a release, which needs no pg_restore to go back.
    """
    found = failures([check for check in report.checks if check.name == PG_RESTORE])
    if found and flow_run.get_parent_flow_run_id() is None:
        raise VerificationFailed(
            f"The backup of {report.environment} is kept and proved, but could not be restored there: {first_of(found)}"
        )


def read_checks(manifest: Manifest, proof: FilestoreProof) -> list[Check]:
    """The backup's checks, judged by its environment's threshold."""
    policy = OdooEnvironment.open(manifest.environment).environment.backup
    return backup_checks(manifest, proof, policy.damaged_attachments_allowed)


def judge_damage(environment: str, proof: FilestoreProof) -> None:
    """Raise VerificationFailed when more attachments are damaged than the environment allows."""
    allowed = OdooEnvironment.open(environment).environment.backup.damaged_attachments_allowed
    if proof.damaged_total > allowed:
        shown = "\n".join(f"  {damage}" for damage in proof.damaged[:20])
        raise VerificationFailed(
            f"The backup is kept, but {proof.damaged_total} attachments of {environment} are damaged "
            f"(allowed: {allowed}):\n{shown}\n"
            "Next step: look for these files in older snapshots (`restic find`), put them back, run again."
        )
