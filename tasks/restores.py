"""Restore a backup: beside what is there, proved against its manifest, then swapped in by rename."""

import json
from datetime import UTC, datetime

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from pydantic import ValidationError

from blocks import OdooEnvironment
from odoo_ops.adapters import cluster, database, odoo_database
from odoo_ops.adapters.business import read_business
from odoo_ops.adapters.number_sequences import read_number_sequences
from odoo_ops.commands import postgres
from odoo_ops.errors import CommandFailed, PermanentError, VerificationFailed
from odoo_ops.model.checks import Check, failures, first_of
from odoo_ops.model.manifest import Inventory, Manifest
from odoo_ops.model.report import Swap
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.policy.business import compare_business
from odoo_ops.policy.comparison import compare_facts, compare_inventory, judge_files
from odoo_ops.policy.dumps import kept_mark, made_name, table_file_bytes
from odoo_ops.policy.fences import refuse_restore, refuse_unreachable_repository, refuse_version
from odoo_ops.policy.loading import failed_load
from odoo_ops.policy.snapshots import choose_snapshot, refuse_damaged
from odoo_ops.policy.space import refuse_without_room
from odoo_ops.runtimes import staging, stored
from tasks.progress import Progress, TableProgress
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient


def refuse_unconfirmed(source: str, target: str, confirm_production: str, *, offsite: bool) -> None:
    """Raise Refused for a restore over production that was not confirmed by name, or is not production's own.

    And for one whose target cannot reach the repository.
    """
    theirs, ours = OdooEnvironment.open(source, offsite=offsite), OdooEnvironment.open(target)
    refuse_restore(theirs.environment, ours.environment, confirm_production)
    same_host = theirs.host.host.same_machine(ours.host.host)
    refuse_unreachable_repository(theirs.environment, ours.environment, theirs.repository, same_host=same_host)


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def read_snapshot(source: str, target: str, wanted: str, *, offsite: bool) -> Snapshot:
    """The source's snapshot with this id (or its beginning), or the newest proved for `latest`, seen from the target.

    Of the source's own repository, or (`offsite`) of that with the copies.

    Raises PreconditionFailed.
    """
    runtime = OdooEnvironment.open(target, repository_of=source, offsite=offsite)
    return choose_snapshot(runtime.snapshots(source), wanted, source, datetime.now(UTC))


@task(cache_policy=NO_CACHE)
def check_damage(target: str, snapshot: Snapshot, damaged_accepted: int) -> None:
    """Make sure that no more attachments were damaged when the snapshot was stored than are accepted.

    Its environment may allow some. Where the proof that names them cannot be read, the look at every restored file
    tells in the end. Raises PreconditionFailed.
    """
    if not snapshot.damaged:
        return
    runtime = OdooEnvironment.open_for(target, snapshot)
    try:
        proof = stored.read_proof(runtime, snapshot)
    except (CommandFailed, ValidationError) as error:  # not there, or of another version
        get_run_logger().warning("How many attachments of the snapshot are damaged cannot be read: %s", error)
        return
    allowed = OdooEnvironment.open(snapshot.environment).environment.backup.damaged_attachments_allowed
    refuse_damaged(snapshot, proof, max(damaged_accepted, allowed))


@task(cache_policy=NO_CACHE)
def read_manifest(target: str, snapshot: Snapshot, *, with_filestore: bool = True) -> Manifest:
    """The snapshot's manifest, when it can be restored into the target; until then nothing is written.

    `with_filestore`: whether the files are restored, too, and need room.

    Raises Refused for another environment's or version's, PreconditionFailed when there is no room, no pg_restore
    for the server, or nobody who may make databases or prepare unaccent.
    """
    runtime = OdooEnvironment.open_for(target, snapshot)
    settings = runtime.environment
    manifest = stored.read_manifest(runtime, snapshot, OdooEnvironment.open(snapshot.environment).environment)
    if target != snapshot.environment:
        refuse_version(manifest, settings)
    refuse_without_room(staging.needs_of_restore(runtime, manifest, with_filestore=with_filestore), runtime.host.name)
    staging.refuse_unfit_role(runtime, unaccent=manifest.facts.unaccent_immutable is True)
    staging.refuse_unfit_pg_restore(runtime)
    return manifest


def scratch_name(target: str) -> str:
    """Name of a database that is about to be made beside the present one, and of the folder for its filestore."""
    return made_name("scratch", OdooEnvironment.open(target).environment.database.name, datetime.now(UTC))


@task(cache_policy=NO_CACHE)
def create_scratch(target: str, manifest: Manifest, scratch: str) -> None:
    """Make the scratch database with the backup's extensions, and nothing else in it."""
    unaccent = manifest.facts.unaccent_immutable is True
    staging.create_scratch(OdooEnvironment.open(target), scratch, list(manifest.facts.extensions), unaccent=unaccent)


@task(cache_policy=NO_CACHE)
def restore_database(target: str, manifest: Manifest, scratch: str) -> None:
    """Restore the fetched dump into the scratch database. Raises what `failed_load` makes of a failure."""
    runtime = OdooEnvironment.open(target)
    settings, host = runtime.environment, runtime.host
    with database.connect(host, settings.database, "postgres") as connection:
        major = connection.info.server_version // 10000
    try:
        host.run(
            postgres.restore_database(
                runtime.postgres_program("pg_restore", major),
                settings.database,
                name=scratch,
                jobs=runtime.jobs,
                folder=f"{settings.restore_spool}/dump",
            ),
            on_line=_restoring(manifest, runtime.jobs),
        )
        get_run_logger().info("Restoring the database: making the planner's statistics")
        host.run(
            postgres.analyze(
                runtime.postgres_program("vacuumdb", major), settings.database, name=scratch, jobs=runtime.jobs
            )
        )
    except CommandFailed as error:
        how = f"{error}\n{settings.database.name!r} is as it was."
        problem = f"The dump could not be restored into the scratch database {scratch}: {how}"
        raise failed_load(error, problem, "name an older snapshot.") from error


def _restoring(manifest: Manifest, jobs: int) -> TableProgress:
    """With several jobs by the bytes of the dump's files, which their items name; a single one names tables alone."""
    if jobs > 1:
        weights, unit = table_file_bytes(manifest.dump_files), "bytes"
    else:
        weights, unit = manifest.facts.rows, "rows"
    then = "all rows are there; what is left of indexes and constraints is made"
    return TableProgress("Restoring the database", weights, unit, jobs=jobs, then=then)


@task(cache_policy=NO_CACHE)
def compare_database(target: str, manifest: Manifest, scratch: str) -> list[Check]:
    """Recompute the manifest from the scratch database, write the inventory of its attachments; one check a subject."""
    runtime = OdooEnvironment.open(target)
    settings, host = runtime.environment, runtime.host
    restored = settings.database.model_copy(update={"name": scratch})
    with database.connect(host, settings.database, scratch) as connection:
        psql = runtime.postgres_program("psql", connection.info.server_version // 10000)
        inventory = postgres.run_script(psql, restored, script=f"{odoo_database.INVENTORY};")
        host.run(inventory, stdout_file=settings.restored_inventory)
        checks = compare_facts(manifest.facts, odoo_database.read_facts(connection))
        business = read_business(connection, read_number_sequences(connection))
    found = Inventory(**host.call("digest_inventory", inventory=settings.restored_inventory))
    return [
        *checks,
        *compare_business(manifest.business, business, manifest.facts.modules),
        compare_inventory(manifest.inventory, found),
    ]


@task(cache_policy=NO_CACHE)
def prove_first_files(target: str, scratch: str) -> None:
    """Look at the files that are there while restic still brings others; `prove_files` looks at the others.

    restic proves each piece before it writes it, and writes it once: a file with the right sha1 keeps it.
    """
    runtime = OdooEnvironment.open(target)
    settings = runtime.environment
    runtime.host.call(
        "prove_filestore",
        on_progress=Progress("Checking every sha1, of the files that are there"),
        inventory=settings.restored_inventory,
        root=settings.filestore_of(scratch),
        changed_list=None,
        faulty_list=settings.unproved_files,
    )


@task(cache_policy=NO_CACHE)
def prove_files(target: str, manifest: Manifest, scratch: str, damaged_accepted: int) -> Check:
    """Every file that the restored inventory names is there, and has its sha1; see `prove_first_files`.

    A backup is kept even if attachments were damaged already; so many of them as the environment allows, or
    as are accepted for this restore, do not fail it.
    """
    runtime = OdooEnvironment.open(target)
    settings = runtime.environment
    proof = runtime.host.call(
        "prove_filestore",
        on_progress=Progress("Checking every sha1"),
        inventory=settings.restored_inventory,
        root=settings.filestore_of(scratch),
        changed_list=settings.unproved_files,
    )
    policy = OdooEnvironment.open(manifest.environment).environment.backup
    first = next((f"ir.attachment {damage['id']}: {damage['reason']}" for damage in proof["damaged"]), "")
    return judge_files(
        files=proof["files"],
        damaged=proof["damaged_total"],
        accepted=max(damaged_accepted, policy.damaged_attachments_allowed),
        first=first,
    )


def refuse_difference(target: str, checks: list[Check], source: str = "snapshot") -> None:
    """Raise VerificationFailed when what was restored beside the present state is not what was backed up.

    `source` is what holds that: another one is the next step.
    """
    if found := failures(checks):
        settings = OdooEnvironment.open(target).environment
        raise VerificationFailed(
            f"What was restored is not what was backed up: {first_of(found)}. It was not put in place; "
            f"{settings.database.name!r} is as it was. Next step: name another {source}."
        )


def kept_name(target: str) -> str:
    """Name that a database gets when another one is put in its place, and its filestore's folder, too."""
    return made_name("kept", OdooEnvironment.open(target).environment.database.name, datetime.now(UTC))


@task(cache_policy=NO_CACHE)
def swap_in(target: str, scratch: str, kept: str, *, start: bool = True, changes: dict[str, int] | None = None) -> Swap:
    """Stop Odoo, put the proved database and filestore in place by rename; start Odoo again if it ran.

    `kept` is the name of what was there. Without `start` it is left to the caller, who has more to put in place.
    `changes`: rows that had been written to each table of the present database when it was copied to scratch. Raises
    Refused, with everything as it was, where others came since: the copy does not hold them.
    """
    runtime = OdooEnvironment.open(target)
    settings, host = runtime.environment, runtime.host
    now = datetime.now(UTC)
    was_running = start and runtime.odoo.is_meant_to_run()
    mark = kept_mark(settings.name, now, settings.backup.keep_replaced_hours)
    with database.connect(host, settings.database, "postgres", admin=True, autocommit=True) as connection:
        replaced = cluster.database_exists(connection, settings.database.name)
        journal = {"scratch": scratch, "kept": kept, "replaced": replaced, "was_running": was_running}
        host.call("write_text", path=settings.swap_journal, text=json.dumps(journal))
        try:
            runtime.odoo.stop()
            if changes is not None:
                staging.shut_unless_written(runtime, connection, changes)
            swapped = cluster.swap_databases(
                connection, scratch=scratch, target=settings.database.name, kept=kept, kept_mark=mark
            )
        except PermanentError:  # nothing was swapped: Odoo goes on as it was
            if changes is not None:  # else whoever shut it was not this run
                cluster.let_in(connection, settings.database.name)
            if was_running and (problem := runtime.try_to_start_odoo()):
                get_run_logger().error("Nothing was put in place, and Odoo does not start again: %s", problem)
            host.call("remove_tree", path=settings.swap_journal)
            raise
    for statement in swapped.not_set:
        get_run_logger().warning("What was set of the database cannot be set of the one in its place: %s", statement)
    kept_filestore = runtime.swap_filestores(scratch=scratch, kept=kept)
    start_problem = runtime.try_to_start_odoo() if was_running else None
    host.call("remove_tree", path=settings.swap_journal)
    host.call("remove_tree", path=settings.restore_spool)
    return Swap(
        kept_database=kept if swapped.replaced else None,
        kept_filestore=settings.filestore_of(kept) if kept_filestore else None,
        odoo_started=was_running,
        start_problem=start_problem,
        not_set=swapped.not_set,
    )
