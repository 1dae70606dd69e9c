"""A run that is killed in the middle of each long step, and the run after it.

The programs are the real ones. What holds a step in its middle is a lock that pg_dump waits for, a row whose CHECK
sleeps while pg_restore copies it, and restic throttled to a few KiB/s.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from real_processes import MarkedProcess, wait_until
from slow_restores import add_slow_row, restore_held

from flows.backup import backup
from flows.export_zip import export_zip
from flows.import_zip import import_zip
from flows.restore import restore
from odoo_ops.errors import CommandFailed
from odoo_ops.model.report import RestoreReport
from odoo_ops.model.zips import ImportReport

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_RESTIC = """#!/bin/sh
case "$*" in
  $(cat {folder}/slow)) exec {restic} --no-cache --limit-upload=2 --limit-download=2 "$@" ;;
esac
exec {restic} "$@"
"""


@pytest.fixture
def slow_restic(site: Site, restic: Path) -> Callable[[str], None]:
    """Throttles the restic commands that fit a shell pattern, from now on."""
    program, pattern = site.folder / "restic", site.folder / "slow"
    program.write_text(_RESTIC.format(folder=site.folder, restic=restic))
    program.chmod(0o755)
    pattern.write_text("none")
    site.register_host(restic=str(program))
    site.attach(os.urandom(1_000_000))
    return lambda words: pattern.write_text(words) and None


def _restic_works(site: Site) -> bool:
    return any((site.folder / "repository" / "locks").iterdir())


def test_backup_passes_when_the_runs_before_were_killed_in_each_long_step(
    site: Site, start: Callable[[str], MarkedProcess], slow_restic: Callable[[str], None]
) -> None:
    """Each killed run had to settle what the one before it left, or it would not have come further."""
    present = site.content()
    with site.pg_dump_held() as pg_dump_waits:
        run = start("backup")
        run.wait_until(pg_dump_waits, "pg_dump waits")
        run.kill()
    present["table held"] = site.content()["table held"]
    for command in ("backup", "ls"):
        site.free_limit()
        slow_restic(f"* {command} *")
        run = start("backup")
        run.wait_for_child("restic", "--limit-upload", f" {command} ")
        run.wait_until(lambda: _restic_works(site), "restic works")
        run.kill()
        assert site.content() == present
    slow_restic("none")
    site.free_limit()
    assert backup(site.name).hashed_files == 21
    assert site.leftovers() == []
    assert site.content() == present
    site.lose_all()
    restore(site.name)
    assert site.content() == present


def test_restore_passes_when_the_runs_before_were_killed_in_each_long_step(
    site: Site, start: Callable[[str], MarkedProcess], slow_restic: Callable[[str], None]
) -> None:
    backed_up = _backed_up_with_a_slow_row(site)
    site.attach(b"made after the backup")
    present = site.content()

    with restore_held(site, seconds=600) as pg_restore_sleeps:
        run = start("restore")
        run.wait_until(pg_restore_sleeps, "pg_restore works")
        run.kill()
    assert site.content() == present

    site.free_limit()
    slow_restic("* restore *--target=*/filestore/*")
    run = start("restore")
    run.wait_for_child("restic", "--limit-download", "/filestore/odoo_ops_scratch")
    run.wait_until(lambda: _restic_works(site), "restic works")
    run.kill()
    slow_restic("none")
    assert site.content() == present

    site.free_limit()
    _check_comes_back(site, backed_up, restore(site.name))


def test_restore_passes_when_the_run_before_was_killed_while_it_renamed_databases(
    site: Site, start: Callable[[str], MarkedProcess]
) -> None:
    backed_up = _backed_up_with_a_slow_row(site)
    site.attach(b"made after the backup")
    present = site.content()

    run = start("restore")
    with _rename_held(site, run):
        run.kill()
    wait_until(lambda: not site.has_session("query LIKE 'COMMENT ON DATABASE%'"), "the rename is still under way")
    assert Path(site.settings.swap_journal).exists()
    assert site.content() == present

    site.free_limit()
    _check_comes_back(site, backed_up, restore(site.name))


@pytest.mark.long
def test_zip_goes_out_and_in_when_the_runs_before_were_killed_in_each_long_step(
    site: Site, start: Callable[..., MarkedProcess], slow_restic: Callable[[str], None]
) -> None:
    backed_up = _backed_up_with_a_slow_row(site)
    destination, elsewhere = site.folder / "out.zip", site.folder / "elsewhere.zip"

    slow_restic("* dump *--archive=tar*")
    run = start("export_zip", str(destination))
    run.wait_for_child("restic", "--limit-download", "--archive=tar")
    run.wait_until(lambda: _restic_works(site), "restic works")
    partial = Path(f"{destination}.partial")
    assert partial.exists()
    run.kill()
    assert not destination.exists()
    slow_restic("none")
    site.free_limit()
    assert export_zip(site.name, str(elsewhere)).files == 21
    assert not partial.exists()
    assert site.leftovers() == []

    site.attach(b"made after the backup")
    present = site.content()
    site.free_limit()
    with restore_held(site, seconds=600) as psql_sleeps:
        run = start("import_zip", str(elsewhere))
        run.wait_until(psql_sleeps, "psql works")
        run.kill()
    assert site.content() == present
    site.free_limit()
    _check_comes_back(site, backed_up, import_zip(site.name, str(elsewhere), as_copy=False))


def test_restore_blames_postgresql_and_not_the_snapshot_when_it_ends_the_connection(site: Site) -> None:
    _backed_up_with_a_slow_row(site)
    present = site.content()
    with restore_held(site, seconds=600) as pg_restore_sleeps, ThreadPoolExecutor(max_workers=1) as beside:

        def end_session() -> None:
            wait_until(pg_restore_sleeps, "pg_restore works")
            with site.admin() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                )

        ended = beside.submit(end_session)
        with pytest.raises(CommandFailed, match=r"(?s)terminating connection.*see in PostgreSQL's log.*not to blame"):
            restore(site.name)
        ended.result()
    assert site.content() == present


def _backed_up_with_a_slow_row(site: Site) -> dict[str, str]:
    """Back up a site in which pg_restore can be held; returns what the backup holds."""
    add_slow_row(site)
    backed_up = site.content()
    backup(site.name)
    return backed_up


def _check_comes_back(site: Site, backed_up: dict[str, str], report: RestoreReport | ImportReport) -> None:
    assert site.content() == backed_up
    assert site.leftovers() == []
    assert site.made_databases() == [report.kept_database]


@contextmanager
def _rename_held(site: Site, run: MarkedProcess) -> Iterator[None]:
    """Hold a restore inside the transaction that renames the databases, where it marks the one to keep."""
    with restore_held(site, seconds=5) as pg_restore_sleeps:
        run.wait_until(pg_restore_sleeps, "pg_restore works")
        with psycopg.connect(site.conninfo, dbname="postgres") as lock:
            lock.execute("LOCK TABLE pg_shdescription IN SHARE MODE")
            run.wait_until(
                lambda: site.has_session("query LIKE 'COMMENT ON DATABASE%' AND wait_event_type = 'Lock'"),
                "the databases are being renamed",
            )
            yield
