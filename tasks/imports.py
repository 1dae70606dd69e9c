"""Stage Odoo's own zip beside the present state, and prove what was staged."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters import database, odoo_database
from odoo_ops.commands import postgres
from odoo_ops.errors import CommandFailed, PreconditionFailed
from odoo_ops.model.checks import Check
from odoo_ops.model.report import FilestoreProof
from odoo_ops.model.zips import ZipContents
from odoo_ops.policy.dumps import made_name
from odoo_ops.policy.loading import failed_load
from odoo_ops.policy.space import refuse_without_room
from odoo_ops.policy.zips import (
    database_bytes_needed,
    import_checks,
    judge_attachments,
    read_contents,
    refuse_import,
    refuse_series,
)
from odoo_ops.runtimes import staging
from odoo_ops.runtimes.runtime import Runtime
from tasks.progress import Progress

_UNREADABLE_SHOWN = 20


def refuse_unconfirmed_import(environment: str, confirm_production: str, *, as_copy: bool) -> None:
    """Raise Refused for an import into production that was not confirmed by name, or that would make a copy of it."""
    refuse_import(OdooEnvironment.open(environment).environment, confirm_production, as_copy=as_copy)


@task(cache_policy=NO_CACHE)
def inspect_zip(environment: str, source: str) -> ZipContents:
    """Read the zip's directory, its manifest and all of its SQL, before anything is written.

    Raises VerificationFailed for one that is no backup zip of Odoo's, is cut short or leads out of its folder;
    Refused for another Odoo series; PreconditionFailed when there is no room for what it says it holds, nobody may
    make databases, unaccent must be prepared and no superuser is named, or psql cannot be kept from running what the
    SQL names.
    """
    runtime = OdooEnvironment.open(environment)
    found = runtime.host.call("inspect_zip", on_progress=Progress("Reading dump.sql"), path=source)
    contents = read_contents(found, source)
    if contents.series:
        refuse_series(contents.series, runtime.environment, source)
    needs = staging.needs_of_staging(
        runtime, filestore_bytes=contents.filestore_bytes, database_bytes=database_bytes_needed(contents)
    )
    refuse_without_room(needs, runtime.host.name)
    staging.refuse_unfit_role(runtime, unaccent=contents.indexes_unaccent)
    _refuse_unrestricted_psql(runtime)
    return contents


def _refuse_unrestricted_psql(runtime: Runtime) -> None:
    """Make sure that psql can be restricted, without which a dump can run any program on the host."""
    settings = runtime.environment.database.model_copy(update={"name": "postgres"})
    with database.connect(runtime.host, settings) as connection:
        psql = runtime.postgres_program("psql", connection.info.server_version // 10000)
    try:
        runtime.host.run(postgres.run_script(psql, settings, script="\\restrict probe\n\\unrestrict probe\n"))
    except CommandFailed as error:
        raise PreconditionFailed(
            f"{psql} on {runtime.host.name} does not know \\restrict, so a dump could run programs there. Nothing was "
            "changed. Next step: update PostgreSQL's client there (13.22, 14.19, 15.14, 16.10, 17.6 or later)."
        ) from error


@task(cache_policy=NO_CACHE)
def create_scratch_for_zip(environment: str, contents: ZipContents) -> str:
    """A new scratch database with the extensions of a zip, and nothing else in it. Returns its name."""
    runtime = OdooEnvironment.open(environment)
    settings = runtime.environment
    prepared = settings.database.admin_user is not None and "unaccent" in contents.extensions
    scratch = made_name("scratch", settings.database.name, datetime.now(UTC))
    staging.create_scratch(runtime, scratch, contents.extensions, unaccent=prepared or contents.indexes_unaccent)
    return scratch


@task(cache_policy=NO_CACHE)
def load_database(environment: str, source: str, scratch: str) -> None:
    """Run `dump.sql` in the scratch database, as the environment's role; the first error ends it.

    Raises what `failed_load` makes of it.
    """
    runtime = OdooEnvironment.open(environment)
    settings, host = runtime.environment, runtime.host
    with database.connect(host, settings.database, "postgres") as connection:
        major = connection.info.server_version // 10000
    psql, vacuumdb = (runtime.postgres_program(name, major) for name in ("psql", "vacuumdb"))
    try:
        host.call_command(
            "load_sql",
            postgres.run_input(psql, settings.database.model_copy(update={"name": scratch})),
            on_progress=Progress("Loading dump.sql"),
            path=source,
            key=secrets.token_hex(24),
        )
        host.run(postgres.analyze(vacuumdb, settings.database, name=scratch, jobs=runtime.jobs))
    except CommandFailed as error:
        raise failed_load(
            error,
            f"dump.sql of {source} could not be loaded into the scratch database {scratch}: {error}\n"
            f"{settings.database.name!r} is as it was.",
            "look at the first error above; the zip may come from a newer PostgreSQL, or need an extension that is not "
            "here.",
        ) from error


@contextmanager
def filestore_unpacked(environment: str, source: str, scratch: str) -> Iterator[None]:
    """Unpack the attachments' files beside the present filestore while the block goes on.

    At its end all are there, owned as Odoo's data_dir is, but those that cannot be read in the zip: the proof
    names their attachments.
    """
    runtime = OdooEnvironment.open(environment)
    with staging.filestore_staged(runtime, scratch) as staged:
        progress = Progress("Unpacking the filestore")
        with runtime.writable.beside("unpack_filestore", on_progress=progress, path=source, root=staged) as unpacked:
            yield
            unreadable = unpacked()
    for name in unreadable[:_UNREADABLE_SHOWN]:
        get_run_logger().warning("The zip is damaged at filestore/%s", name)


@task(cache_policy=NO_CACHE)
def prove_import(
    environment: str, source: str, contents: ZipContents, scratch: str, damaged_accepted: int
) -> tuple[list[Check], FilestoreProof, str]:
    """Compare the scratch database with the zip, hash the file of every attachment.

    Returns the checks, what was found of the attachments, and Odoo's series as the database itself tells it.
    Raises Refused when that is not the environment's.
    """
    runtime = OdooEnvironment.open(environment)
    settings, host = runtime.environment, runtime.host
    inventory = f"{settings.restore_spool}/imported-inventory.jsonl"
    with database.connect(host, settings.database, scratch) as connection:
        series = ".".join(odoo_database.read_odoo_version(connection).split(".")[:2])
        refuse_series(series, settings, source)
        facts = odoo_database.read_facts(connection)
        psql = runtime.postgres_program("psql", connection.info.server_version // 10000)
    host.call("make_directory", path=settings.restore_spool)
    restored = settings.database.model_copy(update={"name": scratch})
    host.run(postgres.run_script(psql, restored, script=f"{odoo_database.INVENTORY};"), stdout_file=inventory)
    proof = FilestoreProof.model_validate(
        host.call(
            "prove_filestore",
            on_progress=Progress("Checking every sha1"),
            inventory=inventory,
            root=settings.filestore_of(scratch),
            changed_list=None,
        )
    )
    for damage in proof.damaged:
        get_run_logger().warning("Not in the zip as the database names it: %s", damage)
    accepted = max(damaged_accepted, settings.backup.damaged_attachments_allowed)
    attachments = judge_attachments(proof.attachments, proof.damaged, proof.damaged_total, accepted)
    return [*import_checks(contents, facts.rows, facts.modules), attachments], proof, series
