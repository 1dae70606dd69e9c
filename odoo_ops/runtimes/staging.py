"""What is put together beside the present state, to be swapped in: a scratch database and a filestore."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from odoo_ops.adapters import cluster, database
from odoo_ops.adapters.modules import read_row_changes
from odoo_ops.commands import postgres
from odoo_ops.errors import PreconditionFailed, Refused
from odoo_ops.model.checks import Check, first_of
from odoo_ops.model.environment import Environment
from odoo_ops.model.manifest import Manifest
from odoo_ops.policy import dumps
from odoo_ops.policy.releases import rows_written
from odoo_ops.policy.space import RESTORED_DATABASE, Need
from odoo_ops.runtimes.disks import read_database_disk
from odoo_ops.runtimes.runtime import Runtime

_COUNTED_AT_ONCE = 150000  # from this version of PostgreSQL on


def needs_of_staging(runtime: Runtime, *, filestore_bytes: int, database_bytes: int) -> list[Need]:
    """What a staged filestore and a scratch database take; the latter where PostgreSQL's folder can be seen.

    Raises PreconditionFailed when the environment's data_dir is not there.
    """
    settings, host = runtime.environment, runtime.host
    if not host.call("describe_path", path=settings.data_dir)["exists"]:
        raise PreconditionFailed(
            f"{settings.data_dir} is not there on {host.name}, so the filestore's owner is not known. "
            "Nothing was changed. Next step: mount its disk, or make the folder and give it to the user who runs Odoo."
        )
    filestore = runtime.need("the filestore", settings.filestores, filestore_bytes)
    scratch = _need_of_database(runtime, database_bytes)
    return [filestore, scratch] if scratch else [filestore]


def needs_of_restore(runtime: Runtime, manifest: Manifest, *, with_filestore: bool = True) -> list[Need]:
    """What a restore of the snapshot with this manifest takes. Raises as `needs_of_staging`."""
    dump = runtime.need("the fetched dump", runtime.environment.restore_spool, sum(manifest.dump_files.values()))
    staged = needs_of_staging(
        runtime,
        filestore_bytes=manifest.inventory.bytes if with_filestore else 0,
        database_bytes=manifest.database_bytes,
    )
    return [dump, *staged]


def _need_of_database(runtime: Runtime, needed_bytes: int) -> Need | None:
    """What a scratch database takes; None where PostgreSQL's folder is neither on the host nor in its project."""
    found = read_database_disk(runtime)
    if found is None:
        return None
    device, disk = found
    return Need(RESTORED_DATABASE, disk.folder, needed_bytes, disk.free_bytes, device)


def refuse_unfit_role(runtime: Runtime, *, unaccent: bool = False) -> None:
    """Raise PreconditionFailed when nobody whom the environment names may make databases.

    With `unaccent`, when it names no superuser either, who makes that IMMUTABLE.
    """
    settings = runtime.environment
    if unaccent and not settings.database.admin_user:
        raise PreconditionFailed(
            "The database that is restored has indexes that need an IMMUTABLE unaccent, which only a superuser can "
            f"make. Nothing was changed. Next step: {_next_step(settings)}"
        )
    with database.connect(runtime.host, settings.database, "postgres", admin=True) as connection:
        if not cluster.may_create_databases(connection):
            role = settings.database.admin_user or settings.database.user
            raise PreconditionFailed(
                f"The role {role} may make no database, so nothing can be put together beside "
                f"{settings.database.name!r}. Nothing was changed. Next step: let a superuser say "
                f'`ALTER ROLE "{role}" CREATEDB`, or {_next_step(settings)}'
            )


def _next_step(settings: Environment) -> str:
    return f"set admin_user and admin_password in the environment file of {settings.name} and register it again."


def judge_pg_restore(runtime: Runtime, server_major: int) -> Check:
    """Does the pg_restore that is there load anything into a server of this version?"""
    program = runtime.postgres_program("pg_restore", server_major)
    printed = runtime.host.run(postgres.print_version(program)).stdout
    return dumps.judge_pg_restore(program, printed, server_major, runtime.host.name)


def refuse_unfit_pg_restore(runtime: Runtime) -> None:
    """Raise PreconditionFailed where the pg_restore that is there loads nothing into the environment's server."""
    with database.connect(runtime.host, runtime.environment.database, "postgres") as connection:
        check = judge_pg_restore(runtime, connection.info.server_version // 10000)
    if check.outcome == "failed":
        raise PreconditionFailed(f"Nothing was changed: {check.detail}.")


def create_scratch(runtime: Runtime, name: str, extensions: Sequence[str], *, unaccent: bool) -> None:
    """Make an empty scratch database with extensions. With `unaccent`, that is made IMMUTABLE."""
    settings, host = runtime.environment, runtime.host
    with database.connect(host, settings.database, "postgres", admin=True, autocommit=True) as connection:
        cluster.create_scratch_database(
            connection, name, owner=settings.database.user, mark=dumps.scratch_mark(settings.name)
        )
    if settings.database.admin_user:
        with database.connect(host, settings.database, name, admin=True) as connection:
            cluster.prepare_extensions(connection, list(extensions), unaccent=unaccent)


@contextmanager
def filestore_staged(runtime: Runtime, scratch: str) -> Iterator[str]:
    """A new folder beside the present filestore, for the block to fill; then owned as Odoo's data_dir is."""
    settings, host = runtime.environment, runtime.writable
    staged = settings.filestore_of(scratch)
    with host.agents_kept():
        owner = host.call("describe_path", path=settings.data_dir)
        present = host.call("describe_path", path=settings.filestore)  # if it is lost: the folder above it
        host.call("make_directory", path=staged)
        yield staged
        host.call("give_tree", path=staged, uid=owner["uid"], gid=owner["gid"], mode=present["mode"])


def shut_unless_written(runtime: Runtime, connection: database.Connection, changes: dict[str, int]) -> None:
    """Let nobody into the database any more; raise Refused where something wrote to it since it was copied.

    Only then nobody can write to it, and every session that has ended has put on record what it wrote.

    Args:
        runtime: of the environment.
        connection: to `postgres`, as a role that may change databases. Needs autocommit.
        changes: rows that had been written to each table when the database was copied.
    """
    settings = runtime.environment
    with database.connect(runtime.host, settings.database) as reader:
        cluster.keep_out(connection, settings.database.name)
        ((process,),) = reader.execute("SELECT pg_backend_pid()").fetchall()
        cluster.end_sessions(connection, [settings.database.name], but=process)
        if reader.info.server_version < _COUNTED_AT_ONCE:
            reader.execute("SELECT pg_sleep(0.6)")  # its collector of statistics is as much behind
        written = rows_written(changes, read_row_changes(reader))
    if written:
        raise Refused(
            f"Something wrote to the database while its copy was updated, and the copy does not hold it: "
            f"{first_of([f'{rows} rows in {table}' for table, rows in written.items()])}. The database is as it was. "
            "Next step: stop what writes to it beside this Odoo (another node, a queue, an import), release again."
        )
