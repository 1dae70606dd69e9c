"""Restore a backup: beside what is there, proved against its manifest, then swapped in by rename."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters import database
from odoo_ops.commands import postgres, restic
from odoo_ops.errors import CommandFailed, PermanentError, PreconditionFailed, VerificationFailed
from odoo_ops.model.checks import Check, failures, first_of
from odoo_ops.model.manifest import Inventory, Manifest
from odoo_ops.model.report import Swap
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.policy.comparison import compare_facts, compare_inventory, judge_files
from odoo_ops.policy.dumps import kept_mark, made_name, scratch_mark
from odoo_ops.policy.fences import refuse_manifest, refuse_restore, refuse_unreachable_repository, refuse_version
from odoo_ops.policy.snapshots import choose_snapshot
from odoo_ops.policy.space import Need, refuse_without_room
from odoo_ops.runtimes.native import NativeRuntime
from tasks.progress import Progress
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
    return choose_snapshot(runtime.snapshots(source), wanted, source)


@task(cache_policy=NO_CACHE)
def fetch_dump(target: str, snapshot: Snapshot) -> Manifest:
    """Fetch dump and manifest from the repository, when there is room for them and for the filestore.

    Raises VerificationFailed for a dump that is not whole, PreconditionFailed when there is no room.
    """
    runtime = OdooEnvironment.open_for(target, snapshot)
    settings, host = runtime.environment, runtime.host
    folder = settings.restore_spool
    manifest = _read_manifest(runtime, snapshot)
    refuse_manifest(manifest, OdooEnvironment.open(snapshot.environment).environment)
    if target != snapshot.environment:
        refuse_version(manifest, settings)
    if not host.call("describe_path", path=settings.data_dir)["exists"]:
        raise PreconditionFailed(
            f"{settings.data_dir} is not there on {host.name}, so the filestore's owner is not known. "
            "Nothing was changed. Next step: mount its disk, or make the folder and give it to the user who runs Odoo."
        )
    needs = [
        runtime.need("the fetched dump", folder, sum(manifest.dump_files.values())),
        runtime.need("the filestore", settings.data_dir, manifest.inventory.bytes),
    ]
    refuse_without_room([*needs, *_need_of_postgresql(runtime, manifest.database_bytes)], host.name)
    host.call("make_directory", path=folder)
    _fetch(runtime, snapshot.id, snapshot.spool, folder, "Fetching the dump")
    if host.call("list_files", path=f"{folder}/dump") != manifest.dump_files:
        raise VerificationFailed(
            f"The dump in snapshot {snapshot.short_id} is not the one its manifest describes: files are missing "
            "or cut short. Nothing was changed. Next step: name another snapshot."
        )
    return manifest


def _need_of_postgresql(runtime: NativeRuntime, database_bytes: int) -> list[Need]:
    """What the scratch database will take, where PostgreSQL is on the host and its folder can be seen."""
    if not runtime.environment.database.is_on_its_host:
        return []
    with database.connect(runtime.host, runtime.environment.database, "postgres", admin=True) as connection:
        folder = database.read_data_directory(connection)
    return [runtime.need("the restored database", folder, database_bytes)] if folder else []


def _read_manifest(runtime: NativeRuntime, snapshot: Snapshot) -> Manifest:
    command = restic.print_file(runtime.restic, runtime.repository, snapshot.id, f"{snapshot.spool}/manifest.json")
    try:
        text = runtime.host.run(command).stdout
    except CommandFailed as error:
        raise VerificationFailed(
            f"The manifest of snapshot {snapshot.short_id} cannot be read: {error.output.strip()}. "
            "Nothing was changed. Next step: name another snapshot."
        ) from error
    return Manifest.model_validate_json(text)


def _fetch(runtime: NativeRuntime, snapshot: str, folder: str, into: str, work: str) -> None:
    runtime.host.call_command(
        "restic_restore",
        restic.restore_folder(runtime.restic, runtime.repository, snapshot, folder=folder, into=into),
        on_progress=Progress(work),
    )


@task(cache_policy=NO_CACHE)
def create_scratch(target: str, manifest: Manifest) -> str:
    """A new scratch database with the backup's extensions, and nothing else in it. Returns its name.

    Raises PreconditionFailed when unaccent must be prepared and the environment names no superuser.
    """
    runtime = OdooEnvironment.open(target)
    settings, host = runtime.environment, runtime.host
    unaccent = manifest.facts.unaccent_immutable is True
    if unaccent and not settings.database.admin_user:
        raise PreconditionFailed(
            f"The backup has {len(manifest.facts.unaccent_indexes)} indexes that need an IMMUTABLE unaccent, which "
            f"only a superuser can make. Nothing was changed. Next step: set admin_user and admin_password in the "
            f"environment file of {target} and register it again."
        )
    name = made_name("scratch", settings.database.name, datetime.now(UTC))
    with database.connect(host, settings.database, "postgres", admin=True, autocommit=True) as connection:
        database.create_scratch_database(
            connection, name, owner=settings.database.user, mark=scratch_mark(settings.name)
        )
    if settings.database.admin_user:
        with database.connect(host, settings.database, name, admin=True) as connection:
            database.prepare_extensions(connection, list(manifest.facts.extensions), unaccent=unaccent)
    return name


@task(cache_policy=NO_CACHE)
def restore_database(target: str, manifest: Manifest, scratch: str) -> None:
    """Restore the fetched dump into the scratch database. Raises VerificationFailed when it cannot be."""
    runtime = OdooEnvironment.open(target)
    settings, host = runtime.environment, runtime.host
    progress = Progress("Restoring the database")
    done, total = 0, len(manifest.facts.rows)

    def count(_stream: str, line: str) -> None:
        nonlocal done
        if "processing data for table" in line:
            done += 1
            progress(done, total, "tables")

    with database.connect(host, settings.database, "postgres") as connection:
        major = connection.info.server_version // 10000
    try:
        host.run(
            postgres.restore_database(
                runtime.postgres_program("pg_restore", major),
                settings.database,
                name=scratch,
                jobs=settings.backup.jobs,
                folder=f"{settings.restore_spool}/dump",
            ),
            on_line=count,
        )
        host.run(
            postgres.analyze(
                runtime.postgres_program("vacuumdb", major), settings.database, name=scratch, jobs=settings.backup.jobs
            )
        )
    except CommandFailed as error:
        raise VerificationFailed(
            f"The dump could not be restored into the scratch database {scratch}: {error}\n"
            f"{settings.database.name!r} is as it was. Next step: name an older snapshot."
        ) from error


@contextmanager
def filestore_restored(target: str, snapshot: Snapshot, manifest: Manifest, scratch: str) -> Iterator[None]:
    """Restore the filestore beside the present one while the block goes on; at its end it is whole.

    It is owned as Odoo's data_dir is. An error that leaves the block ends restic.
    """
    runtime = OdooEnvironment.open_for(target, snapshot)
    settings, host = runtime.environment, runtime.host
    staged = settings.filestore_of(scratch)
    owner = host.call("describe_path", path=settings.data_dir)
    present = host.call("describe_path", path=settings.filestore)  # if it is lost: the folder above it
    host.call("make_directory", path=staged)
    if manifest.filestore in snapshot.paths:
        command = restic.restore_folder(
            runtime.restic, runtime.repository, snapshot.id, folder=manifest.filestore, into=staged
        )
        with host.call_command_beside("restic_restore", command, on_progress=Progress("Restoring the filestore")):
            yield
    else:
        yield
    host.call("give_tree", path=staged, uid=owner["uid"], gid=owner["gid"], mode=present["mode"])


@task(cache_policy=NO_CACHE)
def compare_restored(target: str, manifest: Manifest, scratch: str, damaged_accepted: int) -> list[Check]:
    """Recompute the manifest from the scratch database and hash every file; one check a subject.

    A backup is kept even if attachments were damaged already; so many of them as the environment allows, or
    as are accepted for this restore, do not fail it.
    """
    runtime = OdooEnvironment.open(target)
    settings, host = runtime.environment, runtime.host
    inventory = f"{settings.restore_spool}/restored-inventory.jsonl"
    restored = settings.database.model_copy(update={"name": scratch})
    with database.connect(host, settings.database, scratch) as connection:
        psql = runtime.postgres_program("psql", connection.info.server_version // 10000)
        host.run(postgres.run_script(psql, restored, script=f"{database.INVENTORY};"), stdout_file=inventory)
        with host.beside(
            "prove_filestore",
            on_progress=Progress("Checking every sha1"),
            inventory=inventory,
            root=settings.filestore_of(scratch),
            changed_list=None,
        ) as proved:
            checks = compare_facts(manifest.facts, database.read_facts(connection))
            found = Inventory(**host.call("digest_inventory", inventory=inventory))
            proof = proved()
    policy = OdooEnvironment.open(manifest.environment).environment.backup
    first = next((f"ir.attachment {damage['id']}: {damage['reason']}" for damage in proof["damaged"]), "")
    return [
        *checks,
        compare_inventory(manifest.inventory, found),
        judge_files(
            files=proof["files"],
            damaged=proof["damaged_total"],
            accepted=max(damaged_accepted, policy.damaged_attachments_allowed),
            first=first,
        ),
    ]


def refuse_difference(target: str, checks: list[Check]) -> None:
    """Raise VerificationFailed when what was restored beside the present state is not what was backed up."""
    if found := failures(checks):
        settings = OdooEnvironment.open(target).environment
        raise VerificationFailed(
            f"What was restored is not what was backed up: {first_of(found)}. It was not put in place; "
            f"{settings.database.name!r} is as it was. Next step: name another snapshot."
        )


@task(cache_policy=NO_CACHE)
def swap_in(target: str, scratch: str) -> Swap:
    """Stop Odoo, put the proved database and filestore in place by rename; start Odoo again if it ran."""
    runtime = OdooEnvironment.open(target)
    settings, host = runtime.environment, runtime.host
    now = datetime.now(UTC)
    kept = made_name("kept", settings.database.name, now)
    was_running = runtime.odoo_is_meant_to_run()
    mark = kept_mark(settings.name, now, settings.backup.keep_replaced_hours)
    with database.connect(host, settings.database, "postgres", admin=True, autocommit=True) as connection:
        replaced = database.database_exists(connection, settings.database.name)
        journal = {"scratch": scratch, "kept": kept, "replaced": replaced, "was_running": was_running}
        host.call("write_text", path=settings.swap_journal, text=json.dumps(journal))
        try:
            runtime.stop_odoo()
            replaced = database.swap_databases(
                connection, scratch=scratch, target=settings.database.name, kept=kept, kept_mark=mark
            )
        except PermanentError:  # nothing was renamed: Odoo goes on as it was
            if was_running and (problem := runtime.try_to_start_odoo()):
                get_run_logger().error("Nothing was put in place, and Odoo does not start again: %s", problem)
            host.call("remove_tree", path=settings.swap_journal)
            raise
    kept_filestore = runtime.swap_filestores(scratch=scratch, kept=kept)
    start_problem = runtime.try_to_start_odoo() if was_running else None
    host.call("remove_tree", path=settings.swap_journal)
    host.call("remove_tree", path=settings.restore_spool)
    return Swap(
        kept_database=kept if replaced else None,
        kept_filestore=settings.filestore_of(kept) if kept_filestore else None,
        odoo_started=was_running,
        start_problem=start_problem,
    )
