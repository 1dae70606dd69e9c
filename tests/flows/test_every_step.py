"""SIGKILL at every step of a backup and a restore, then a normal run; and at every operation of a swap.

At some of these steps in each run of the tests, others every day, and at all where a test may take long. Each run has
to settle what the one before it left, or it would not come further. (Drills: test_killed_drills; `forget`:
test_retention.)
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from killed_runs import Ended, killed_runs
from offsite_folders import register_offsite
from prefect import flow
from slices import sliced

from blocks import OdooEnvironment
from flows.backup import backup
from flows.restore import restore
from tasks.leftovers import settle_leftovers

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


@sliced(10)
def test_backup_passes_when_the_runs_before_were_killed_at_every_step(site: Site, every: int) -> None:
    """Its copy off-site is a part of it. What was proved counts, whatever its run did not come to."""
    register_offsite(site)
    present, places, proved = site.content(), [], 0
    with killed_runs("backup", site.name, folder=site.folder, every=every) as runs:
        for run in runs:
            assert site.content() == present, run
            site.free_limit()
            proved += "before record_proof" in run.passed
            places.append(run.place)
            assert _proved(site) == proved, run
            assert _proved(site, offsite=True) <= proved, run
    assert run == Ended(None, 0), runs.log()
    steps = places if every == 1 else run.passed
    assert {"before dump_database", "before the report", "before the figures", "before copy_backups"} <= set(steps)
    assert _proved(site, offsite=True) == proved
    assert site.leftovers() == []
    assert list((site.folder / "offsite" / "locks").iterdir()) == []
    site.lose_all()
    restore(site.name, from_offsite=True)
    assert site.content() == present


def _proved(site: Site, *, offsite: bool = False) -> int:
    """How many backups count. Their repository need not be there yet."""
    if not (site.folder / ("offsite" if offsite else "repository") / "config").exists():
        return 0
    snapshots = OdooEnvironment.open(site.name, offsite=offsite).snapshots(site.name)
    return sum(snapshot.proved for snapshot in snapshots)


@sliced(10)
def test_restore_passes_when_the_runs_before_were_killed_at_every_step(site: Site, every: int) -> None:
    """Within the swap the state is looked at when it was settled: old or restored, never a mixture."""
    backed_up = site.content()
    backup(site.name)
    places = []
    with killed_runs("restore", site.name, folder=site.folder, within="swap_in", every=every) as runs:
        present, kept = _write(site), set(site.made_databases())
        for run in runs:
            places.append(run.place)
            if str(run.place).startswith("in swap_in"):
                _settle(site.name)
            new = {name for name in site.made_databases() if "kept" in name} - kept
            assert site.content() == (backed_up if new else present), run
            assert len(new) == ("in swap_in before swap_databases" in run.passed), run
            for name in new:
                assert _files(site.settings.filestore_of(name)) == _files_in(present), run
            site.free_limit()
            if run.place:
                present, kept = _write(site), kept | new
    assert run == Ended(None, 0), runs.log()
    steps = places if every == 1 else run.passed
    assert steps.count("in swap_in before rename") == 2
    assert site.leftovers() == []
    assert site.seen_by_odoo() == [site.settings.database.name]


def _write(site: Site) -> dict[str, str]:
    """An attachment that no backup holds; returns what is there now."""
    site.attach(f"number {len(list(site.filestore.rglob('*')))}, {len(site.made_databases())} kept".encode())
    return site.content()


def _files(folder: str) -> set[str]:
    return {str(file.relative_to(folder)) for file in Path(folder).rglob("*") if file.is_file()}


def _files_in(content: dict[str, str]) -> set[str]:
    return {name.removeprefix("file ") for name in content if name.startswith("file ")}


@flow
def _settle(name: str) -> list[str]:
    return settle_leftovers(name)
