"""PostgreSQL stops in the middle of a restore and of a drill; then it runs again, and so does the flow.

It is that of all tests of this session: it ends as by SIGKILL and comes back from its log. (In a dump: test_faults.)
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest
from real_processes import wait_until
from slow_restores import add_slow_row, restore_held

from blocks import OdooEnvironment
from flows.backup import backup
from flows.drill import drill
from flows.restore import restore
from odoo_ops.errors import CommandFailed, PreconditionFailed, TransientError

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


def _said_when_postgresql_stopped(site: Site, flow: Callable[..., object], *names: str) -> str:
    """Stop PostgreSQL while pg_restore works for a site; it runs again when the flow has failed."""
    with ThreadPoolExecutor(1) as pool:
        with restore_held(site, seconds=600) as pg_restore_sleeps:
            run = pool.submit(copy_context().run, flow, *names)
            wait_until(lambda: run.done() or pg_restore_sleeps(), "pg_restore works", 90)
        with site.admin() as connection:  # the tests' server would lose what it was told last
            connection.execute("CHECKPOINT")
        site.cluster._control("stop", "-m", "immediate")
        try:
            with pytest.raises((CommandFailed, TransientError, PreconditionFailed)) as failure:
                run.result()
        finally:
            site.cluster.start()
    return str(failure.value)


def test_restore_leaves_the_present_state_and_the_next_one_passes_when_postgresql_stops_in_it(site: Site) -> None:
    add_slow_row(site)
    backed_up = site.content()
    backup(site.name)
    site.attach(b"made after the backup")
    present = site.content()
    assert "Next step: " in _said_when_postgresql_stopped(site, restore, site.name)
    assert site.content() == present
    report = restore(site.name)
    assert site.content() == backed_up
    assert site.made_databases() == [report.kept_database]
    assert site.leftovers() == []


@pytest.mark.odoo
def test_drill_harms_nothing_and_the_next_one_passes_when_postgresql_stops_in_it(
    odoo_site: Site, drill_site: Site
) -> None:
    add_slow_row(odoo_site)
    backup(odoo_site.name)
    present = odoo_site.content()
    said = _said_when_postgresql_stopped(drill_site, drill, odoo_site.name, drill_site.name)
    assert said.startswith("The drill of ")
    assert "Next step: " in said
    assert "the next run settles it" in said
    assert odoo_site.content() == present
    assert drill_site.seen_by_odoo() == []
    (snapshot,) = OdooEnvironment.open(odoo_site.name).snapshots(odoo_site.name)
    assert not snapshot.verified
    assert drill(odoo_site.name, drill_site.name).verified
    assert drill_site.made_databases() == []
    assert drill_site.leftovers() == []
    assert odoo_site.content() == present
