"""SIGKILL at every step of a drill, then a normal run: at some of them, others every day, and at all with LONG=1."""

from typing import TYPE_CHECKING, Any

import pytest
from killed_runs import Ended, killed_runs
from slices import sliced

from blocks import OdooEnvironment
from flows.backup import backup

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo]


@sliced(10)
def test_drill_passes_when_the_runs_before_were_killed_at_every_step(
    odoo_site: Site, drill_site: Site, every: int
) -> None:
    before = odoo_site.content()
    backup(odoo_site.name)
    with killed_runs("drill", odoo_site.name, drill_site.name, folder=odoo_site.folder, every=every) as runs:
        for run in runs:
            assert drill_site.seen_by_odoo() == [], run
            assert not drill_site.exists(), run
            (snapshot,) = OdooEnvironment.open(odoo_site.name).snapshots(odoo_site.name)
            assert snapshot.verified == ("before record_verified" in run.passed), run
            drill_site.free_limit()
    assert run == Ended(None, 0), runs.log()
    assert odoo_site.content() == before
    assert drill_site.leftovers() == []
    assert odoo_site.leftovers() == []
