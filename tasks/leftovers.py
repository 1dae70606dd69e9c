"""Settle what a dead run left behind, and delete what was kept long enough."""

import json
from datetime import UTC, datetime

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.adapters import cluster, database
from odoo_ops.policy.dumps import disposable, disposable_filestores, swap_was_done
from odoo_ops.runtimes.native import NativeRuntime


@task(cache_policy=NO_CACHE)
def settle_leftovers(environment: str) -> list[str]:
    """Finish or undo an interrupted swap, drop scratch and expired databases and filestores, empty the spool.

    Returns what was done, in words.
    """
    runtime = OdooEnvironment.open(environment)
    settings = runtime.environment
    done = _settle_swap(runtime)
    now = datetime.now(UTC)
    with database.connect(runtime.host, settings.database, "postgres", admin=True, autocommit=True) as connection:
        for name in disposable(cluster.read_database_marks(connection), settings.name, now):
            cluster.drop_database(connection, name)
            done.append(f"dropped database {name}")
        databases = set(cluster.list_databases(connection))
    folders = runtime.host.call("list_directory", path=f"{settings.data_dir}/filestore")
    for name in disposable_filestores(
        folders, databases, settings.database.name, now, settings.backup.keep_replaced_hours
    ):
        runtime.host.call("remove_tree", path=settings.filestore_of(name))
        done.append(f"deleted filestore {name}")
    done += _delete_partial_zip(runtime)
    for folder in (settings.spool, settings.restore_spool, settings.copy_dir):
        if runtime.host.call("remove_tree", path=folder):
            done.append(f"deleted {folder}")
    for line in done:
        get_run_logger().info("Settled what an earlier run left: %s", line)
    return done


def _delete_partial_zip(runtime: NativeRuntime) -> list[str]:
    """The zip that a dead export had begun, wherever that was."""
    journal = runtime.environment.export_journal
    text = runtime.host.call("read_text", path=journal)
    if text is None:
        return []
    partial = json.loads(text)["partial"]
    existed = runtime.host.call("remove_tree", path=partial)
    runtime.host.call("remove_tree", path=journal)
    return [f"deleted {partial}"] if existed else []


def _settle_swap(runtime: NativeRuntime) -> list[str]:
    """A swap whose databases were renamed is finished; one that did not come so far is undone."""
    settings = runtime.environment
    text = runtime.host.call("read_text", path=settings.swap_journal)
    if text is None:
        return []
    journal = json.loads(text)
    with database.connect(runtime.host, settings.database, "postgres", admin=True, autocommit=True) as connection:
        names = cluster.list_databases(connection)
    renamed = swap_was_done(journal, names, settings.database.name)
    if renamed:
        runtime.swap_filestores(scratch=journal["scratch"], kept=journal["kept"])
    if journal["was_running"] and (problem := runtime.try_to_start_odoo()):
        get_run_logger().error("Odoo, stopped by an interrupted restore, does not start: %s", problem)
    runtime.host.call("remove_tree", path=settings.swap_journal)
    return ["finished an interrupted restore" if renamed else "undid a restore interrupted before its swap"]
