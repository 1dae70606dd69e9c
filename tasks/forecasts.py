"""A release tried out on a copy that is thrown away: used as a user would, and by Odoo's own tests."""

import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters import cluster, copies, database, odoo_database
from odoo_ops.adapters.table_locks import LockWatch
from odoo_ops.commands import modules
from odoo_ops.errors import CommandFailed, PreconditionFailed, VerificationFailed
from odoo_ops.model.checks import Check, first_of
from odoo_ops.model.release import ReleasePlan
from odoo_ops.policy.dumps import made_name, scratch_mark
from odoo_ops.policy.loading import failed_on_copy
from odoo_ops.policy.releases import judge_tests, policy_of
from odoo_ops.policy.space import refuse_without_room
from odoo_ops.runtimes import staging
from odoo_ops.runtimes.copies import BootedCopy, booted, write_config
from odoo_ops.runtimes.image_releases import tried

READS = "An administrator reads what the environment names"
TESTS = "Odoo's own tests"
_TEST_SECONDS = 3600


@task(cache_policy=NO_CACHE)
def time_copy(environment: str, scratch: str) -> float | None:
    """Seconds in which PostgreSQL copies a database, as a release does it; None: it cannot be tried, the log says why.

    That copy is dropped at once; it is marked as what the next run drops where this one is killed.
    """
    runtime = OdooEnvironment.open(environment)
    settings, host = runtime.environment, runtime.host
    with database.connect(host, settings.database, scratch) as connection:
        size = odoo_database.read_database_bytes(connection)
    copy = made_name("scratch", settings.database.name, datetime.now(UTC))
    try:
        needs = staging.needs_of_staging(runtime, filestore_bytes=0, database_bytes=size)
        refuse_without_room(needs, host.name)
        with database.connect(host, settings.database, "postgres", admin=True, autocommit=True) as connection:
            begun = time.monotonic()
            cluster.clone_database(
                connection, scratch, copy, owner=settings.database.user, mark=scratch_mark(settings.name)
            )
            seconds = time.monotonic() - begun
            cluster.drop_database(connection, copy)
    except PreconditionFailed as error:
        get_run_logger().warning("How long the copy of the database takes is not measured: %s", error)
        return None
    return seconds


def watch_locks(environment: str, scratch: str) -> LockWatch:
    """What sees, in a block, which tables of the copy are locked meanwhile; it fails nothing of the block."""
    runtime = OdooEnvironment.open(environment)
    return LockWatch(runtime.host, runtime.environment.database, scratch)


@task(cache_policy=NO_CACHE)
def read_as_user(environment: str, scratch: str, plan: ReleasePlan) -> Check:
    """Log in on the updated copy as an administrator, and read records of the environment's models by the web's RPC.

    The copy gets a password for that: it is for copies that are thrown away. Raises PreconditionFailed where PostgreSQL
    was lost or has no room.
    """
    runtime = OdooEnvironment.open(environment)
    models = policy_of(runtime.environment).smoke_models
    if not models:
        return Check(name=READS, outcome="not measured", detail="the environment names no smoke_models")
    password = secrets.token_urlsafe(24)
    with database.connect(runtime.host, runtime.environment.database, scratch) as connection:
        login = copies.give_login(connection, password)
    try:
        with tried(runtime, plan.image) as beside, booted(beside, scratch, plan.links) as copy:
            counts = _read_records(copy, scratch, (login, password), models)
    except VerificationFailed as error:
        return Check(name=READS, outcome="failed", detail=str(error))
    return Check(name=READS, outcome="passed", detail=", ".join(counts))


def _read_records(copy: BootedCopy, scratch: str, login: tuple[str, str], models: Sequence[str]) -> list[str]:
    try:
        copy.wait_for_login_page()
        copy.site.log_in(scratch, *login)
        counts = [f"{copy.site.count(model):,} of {model}" for model in models]
        for model in models:
            copy.site.read_one(model)
    except VerificationFailed as error:
        raise failed_on_copy(str(error), "\n".join(copy.read_log())) from error
    return counts


@task(cache_policy=NO_CACHE)
def run_odoo_tests(environment: str, scratch: str, plan: ReleasePlan) -> Check:
    """Run Odoo's tests of the updated modules on the copy, those with the environment's tags.

    They write to it, and need an update once more: it is for copies that are thrown away. Raises PreconditionFailed
    where PostgreSQL was lost or has no room.
    """
    runtime = OdooEnvironment.open(environment)
    settings = runtime.environment
    tags = policy_of(settings).test_tags
    if not tags or not plan.updates:
        why = "no module is updated" if tags else "the environment names no test_tags"
        return Check(name=TESTS, outcome="not measured", detail=why)
    troubles, ran = list[str](), list[int]()

    def watch(_stream: str, line: str) -> None:
        if trouble := modules.trouble_in(line):
            troubles.append(trouble)
        if (count := modules.tests_in(line)) is not None:
            ran.append(count)

    get_run_logger().info("Running Odoo's tests %s", tags)
    names = [update.name for update in plan.updates]
    copy = settings.database.model_copy(update={"name": scratch})
    with tried(runtime, plan.image) as beside, beside.beside_odoo() as host:
        config = write_config(settings, host, scratch, int(host.call("free_port")), plan.links)
        command = modules.test(settings.odoo.command, config, copy, names, tags)
        try:
            host.run(command, on_line=watch, timeout_seconds=_TEST_SECONDS)
        except CommandFailed as error:
            failed = failed_on_copy(first_of(troubles) or str(error), error.output)
            if isinstance(failed, PreconditionFailed):
                raise failed from error
            return Check(name=TESTS, outcome="failed", detail=str(failed))
        finally:
            host.call("remove_tree", path=settings.copy_dir)
    return judge_tests(TESTS, ran, tags, plan.updates, plan.checksums)
