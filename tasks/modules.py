"""Modules of Odoo, updated and tried out in a copy of database and filestore that nobody else sees."""

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters import cluster, database
from odoo_ops.adapters.modules import read_installed, read_row_changes, record_checksums
from odoo_ops.commands import modules
from odoo_ops.errors import CommandFailed, VerificationFailed
from odoo_ops.model.checks import Check, first_of
from odoo_ops.model.release import ReleasePlan
from odoo_ops.policy.dumps import scratch_mark
from odoo_ops.policy.loading import failed_on_copy
from odoo_ops.runtimes import releases
from odoo_ops.runtimes.copies import BOOT_SECONDS, booted, write_config
from odoo_ops.runtimes.image_releases import tried
from odoo_ops.runtimes.runtime import Runtime
from odoo_ops.runtimes.smoke import smoke
from tasks.progress import Progress

UPDATED = "Modules are updated without an error in the log"
SETTLED = "No module waits to be changed"
BOOTS = "Registry loads, /web/login answers"
ASSETS = "Scripts and styles of the login page"
SMOKE = "Pages and records of the environment's own"


@task(cache_policy=NO_CACHE)
def clone_data(environment: str, scratch: str) -> dict[str, int]:
    """Copy the database on its server, and its filestore by hard links. Odoo is stopped, so that both fit.

    Returns the rows that had been written to each table before it was copied, by which `swap_in` sees others.
    """
    runtime = OdooEnvironment.open(environment)
    settings = runtime.environment
    get_run_logger().info("Copying the database to %s", scratch)
    with database.connect(runtime.host, settings.database, "postgres", admin=True, autocommit=True) as connection:
        cluster.end_sessions(connection, [settings.database.name])
        with database.connect(runtime.host, settings.database) as of_source:
            changes = read_row_changes(of_source)
        cluster.clone_database(
            connection,
            settings.database.name,
            scratch,
            owner=settings.database.user,
            mark=scratch_mark(settings.name),
        )
    _link_filestore(runtime, scratch, in_use=False)
    return changes


@task(cache_policy=NO_CACHE)
def link_filestore(environment: str, scratch: str) -> None:
    """Give a copy of the database the filestore's files by hard links; Odoo may go on working meanwhile.

    Its files are never written to again, and one that Odoo deletes stays in the copy.
    """
    _link_filestore(OdooEnvironment.open(environment), scratch, in_use=True)


def _link_filestore(runtime: Runtime, scratch: str, *, in_use: bool) -> None:
    settings = runtime.environment
    if runtime.writable.call("describe_path", path=settings.filestore)["exists"]:
        runtime.writable.call(
            "link_tree", source=settings.filestore, destination=settings.filestore_of(scratch), in_use=in_use
        )


@task(cache_policy=NO_CACHE)
def update_modules(environment: str, scratch: str, plan: ReleasePlan, seconds: float) -> list[Check]:
    """Update modules in the copy with the new addons, and put on record there of which files they are.

    Raises VerificationFailed where Odoo fails, takes longer than these seconds, or logs an error; PreconditionFailed
    where PostgreSQL was lost or has no room.
    """
    with tried(OdooEnvironment.open(environment), plan.image) as runtime:
        return _update_modules(runtime, scratch, plan, seconds)


def _update_modules(runtime: Runtime, scratch: str, plan: ReleasePlan, seconds: float) -> list[Check]:
    settings = runtime.environment
    copy = settings.database.model_copy(update={"name": scratch})
    names = [update.name for update in plan.updates]
    progress, troubles = Progress("Updating modules"), list[str]()

    def watch(_stream: str, line: str) -> None:
        if trouble := modules.trouble_in(line):
            troubles.append(trouble)
        if loaded := modules.loading_in(line):
            progress(*loaded, "modules")

    get_run_logger().info("Updating %s", ", ".join(names))
    with runtime.beside_odoo() as host:
        config = write_config(settings, host, scratch, instead=plan.links)
        command = modules.update(settings.odoo.command, config, copy, names)
        try:
            host.run(command, on_line=watch, timeout_seconds=seconds)
        except CommandFailed as error:
            why = f"{first_of(troubles)}\n{error}" if troubles else str(error)
            raise failed_on_copy(f"Modules cannot be updated: {why}", error.output) from error
        finally:
            host.call("remove_tree", path=settings.copy_dir)
    _refuse_trouble(UPDATED, troubles)
    with database.connect(runtime.host, settings.database, scratch) as connection:
        installed = read_installed(connection)
        _refuse_trouble(SETTLED, list(installed.unsettled))
        checksums = dict(plan.checksums)
        if installed.versions.keys() - checksums.keys():  # Odoo installed what installs itself
            found = releases.read_modules(runtime, installed, plan.links)
            checksums |= {name: facts.checksum for name, facts in found.items()}
        record_checksums(connection, {name: checksums[name] for name in installed.versions if name in checksums})
    _give_filestore(runtime, scratch)
    return [
        Check(name=UPDATED, outcome="passed", detail=f"{len(names)} modules, and those that depend on them"),
        Check(name=SETTLED, outcome="passed", detail=f"{len(installed.versions)} modules are installed"),
    ]


def _refuse_trouble(question: str, troubles: list[str]) -> None:
    if troubles:
        raise VerificationFailed(f"{question}? No: {first_of(troubles)}")


def _give_filestore(runtime: Runtime, scratch: str) -> None:
    """Files that the update made are Odoo's, whoever ran it."""
    settings, host = runtime.environment, runtime.writable
    made = settings.filestore_of(scratch)
    if host.call("describe_path", path=made)["exists"]:
        owner, present = (host.call("describe_path", path=path) for path in (settings.data_dir, settings.filestore))
        host.call("give_tree", path=made, uid=owner["uid"], gid=owner["gid"], mode=present["mode"])


@task(cache_policy=NO_CACHE)
def try_release(
    environment: str, scratch: str, plan: ReleasePlan, seconds: float, *, neutralized: bool = False
) -> list[Check]:
    """Boot the release on the updated copy, where nobody else sees it, and use it.

    On a `neutralized` copy an administrator reads records: see `tasks.forecasts.read_as_user`.
    Raises VerificationFailed for the first that does not answer, for a boot that takes longer than these seconds, and
    for an error in Odoo's log; PreconditionFailed where PostgreSQL is to blame.
    """
    runtime = OdooEnvironment.open(environment)
    get_run_logger().info("Booting the release on the copy %s", scratch)
    with tried(runtime, plan.image) as beside, booted(beside, scratch, plan.links) as copy:
        try:
            copy.wait_for_login_page(min(seconds, BOOT_SECONDS))
            assets = copy.site.read_assets()
            used = smoke(copy.site, runtime.environment, scratch, reads=not neutralized)
            _refuse_trouble(BOOTS, [trouble for line in copy.read_log() if (trouble := modules.trouble_in(line))])
        except VerificationFailed as error:
            raise failed_on_copy(str(error), "\n".join(copy.read_log())) from error
    _give_filestore(runtime, scratch)
    return [
        Check(name=BOOTS, outcome="passed", detail="on the updated copy, before users came to it"),
        Check(name=ASSETS, outcome="passed", detail=f"{len(assets)} files"),
        Check(
            name=SMOKE,
            outcome="passed" if used else "not measured",
            detail=", ".join(used) or "the environment names none",
        ),
    ]
