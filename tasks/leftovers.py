"""Settle what a dead run left behind, and delete what was kept long enough."""

import json
from datetime import UTC, datetime

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters import cluster, database
from odoo_ops.policy.dumps import disposable, disposable_filestores, swap_was_done, unmarked_scratch
from odoo_ops.runtimes import image_releases, release_records, site_switch
from odoo_ops.runtimes.runtime import Runtime


@task(cache_policy=NO_CACHE)
def settle_leftovers(environment: str) -> list[str]:
    """Settle an interrupted swap, release or restart, drop scratch and expired data, empty the spool.

    Returns what was done, in words.
    """
    runtime = OdooEnvironment.open(environment)
    settings = runtime.environment
    done = _settle_swap(runtime) + release_records.settle(runtime) + _settle_restart(runtime)
    if site_switch.open_site_again(runtime) is not None:
        done.append("led nginx to the Odoo that is in place")
    if image_releases.remove_trial(runtime):
        done.append("deleted the compose file of an image that was tried")
    now = datetime.now(UTC)
    with database.connect(runtime.host, settings.database, "postgres", admin=True, autocommit=True) as connection:
        marks = cluster.read_database_marks(connection)
        unmarked = unmarked_scratch(cluster.list_databases(connection), marks, settings.database.name, now)
        for name in [*disposable(marks, settings.name, now), *unmarked]:
            cluster.drop_database(connection, name)
            done.append(f"dropped database {name}")
        databases = set(cluster.list_databases(connection))
    folders = runtime.host.call("list_directory", path=settings.filestores)
    for name in disposable_filestores(
        folders, databases, settings.database.name, now, settings.backup.keep_replaced_hours
    ):
        runtime.writable.call("remove_tree", path=settings.filestore_of(name))
        done.append(f"deleted filestore {name}")
    done += _delete_partial_zip(runtime)
    for folder in (settings.spool, settings.restore_spool, settings.copy_dir):
        if runtime.host.call("remove_tree", path=folder):
            done.append(f"deleted {folder}")
    for line in done:
        get_run_logger().info("Settled what an earlier run left: %s", line)
    return done


def _delete_partial_zip(runtime: Runtime) -> list[str]:
    """The zip that a dead export had begun, wherever that was."""
    journal = runtime.environment.export_journal
    text = runtime.host.call("read_text", path=journal)
    if text is None:
        return []
    partial = json.loads(text)["partial"]
    existed = runtime.host.call("remove_tree", path=partial)
    runtime.host.call("remove_tree", path=journal)
    return [f"deleted {partial}"] if existed else []


def _settle_restart(runtime: Runtime) -> list[str]:
    """An Odoo that a restart, or a swap, stopped is started again."""
    if not runtime.host.call("describe_path", path=runtime.environment.restart_mark)["exists"]:
        return []
    if problem := runtime.try_to_start_odoo():  # the mark stays: the next run tries again
        get_run_logger().error("Odoo, stopped by an interrupted run, does not start: %s", problem)
        return []
    runtime.host.call("remove_tree", path=runtime.environment.restart_mark)
    return ["started Odoo, which an interrupted run had stopped"]


def _settle_swap(runtime: Runtime) -> list[str]:
    """A swap whose databases were renamed is finished; one that did not come so far is undone."""
    settings = runtime.environment
    text = runtime.host.call("read_text", path=settings.swap_journal)
    if text is None:
        return []
    journal = json.loads(text)
    with database.connect(runtime.host, settings.database, "postgres", admin=True, autocommit=True) as connection:
        cluster.let_in(connection, settings.database.name)
        names = cluster.list_databases(connection)
    renamed = swap_was_done(journal, names, settings.database.name)
    if renamed:
        runtime.swap_filestores(scratch=journal["scratch"], kept=journal["kept"])
    if journal["was_running"]:  # started by `_settle_restart`, now or in a later run
        runtime.host.call("write_text", path=settings.restart_mark, text="Odoo is to be started again.\n")
    runtime.host.call("remove_tree", path=settings.swap_journal)
    return ["finished an interrupted restore" if renamed else "undid a restore interrupted before its swap"]
