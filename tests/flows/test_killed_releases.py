"""SIGKILL at every step of a release that updates a module, and of its rollback, then a normal run.

Those of its backup are among them. After each kill a run of any flow settles what is left; then people
are served one edition, whole: its files, its database, and what was written before.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from addons_repository import SHELF
from killed_runs import Ended, KilledRuns, killed_runs
from prefect import flow
from real_sshd import RealSshd
from shop import Shop

from flows.rollback import rollback
from tasks.identity import check_identity
from tasks.leftovers import settle_leftovers
from tasks.services import check_odoo_came_back

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.restic,
    pytest.mark.odoo,
    pytest.mark.sshd,
    pytest.mark.long,
    pytest.mark.timeout(3600),
]


@pytest.fixture
def shop(
    odoo_site: Site, sshd_program: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """With the first edition in place."""
    with (
        RealSshd.run(sshd_program, tmp_path_factory.mktemp("sshd")) as sshd,
        Shop.run(odoo_site, sshd, tmp_path) as shop,
    ):
        _push(shop, 1)
        shop.opens()
        shop.sql("INSERT INTO shelf_book (name) VALUES ('dune')")
        yield shop


def test_release_passes_when_the_runs_before_were_killed_at_every_step(shop: Shop) -> None:
    """A release that is in place in spite of its kill is followed by the next edition's."""
    pushed, places, in_place = 2, [], []
    _push(shop, pushed)
    with _killed_runs(shop, "release") as runs:
        for run in runs:
            places.append(run.place)
            in_place.append(_edition_after_settling(shop))
            assert in_place[-1] in (pushed - 1, pushed), run
            if run.place and in_place[-1] == pushed:
                pushed += 1
                _push(shop, pushed)
    assert run == Ended(None, 0), runs.log()
    assert in_place[-1] == pushed
    assert len(set(in_place)) > 2, "no run was killed after its swap"
    assert {"before note_cut_over", "before swap_in", "before finish_cut_over", "before the report"} <= set(places)


def test_rollback_passes_when_the_runs_before_were_killed_at_every_step(shop: Shop) -> None:
    """One that is in place in spite of its kill is rolled back by the next."""
    _push(shop, 2)
    shop.release()
    places, in_place = [], [2]
    with _killed_runs(shop, "rollback", "no", shop.site.name) as runs:
        for run in runs:
            places.append(run.place)
            in_place.append(_edition_after_settling(shop))
            assert in_place[-1] in (1, 2), run
    assert run == Ended(None, 0), runs.log()
    assert in_place[-1] != in_place[-2]
    assert {1, 2} <= set(in_place[:-1]), "no run was killed after its swap"
    assert {"before swap_in", "before finish_cut_over", "before the report"} <= set(places)
    rollback(shop.site.name, confirm=shop.site.name)
    assert _edition_after_settling(shop) == in_place[-2]


def _killed_runs(shop: Shop, flow: str, *more: str) -> AbstractContextManager[KilledRuns]:
    """Odoo, which a run starts again, goes on after it."""
    config = f"--config={shop.site.folder / 'odoo.conf'}"
    return killed_runs(flow, shop.site.name, *more, folder=shop.site.folder, lasting=config)


def _push(shop: Shop, edition: int) -> None:
    files = dict(SHELF)
    files["shelf/__manifest__.py"] = files["shelf/__manifest__.py"].replace("19.0.1.0.0", f"19.0.1.{edition}.0")
    files["shelf/shelf.py"] = files["shelf/shelf.py"].replace("the first edition", f"edition {edition};")
    shop.addons.push(files)


def _edition_after_settling(shop: Shop) -> int:
    """That which people are served; its files and its database are of the same."""
    shop.site.free_limit()
    _settle(shop.site.name)
    ((version,),) = shop.sql("SELECT latest_version FROM ir_module_module WHERE name = 'shelf'")
    edition = int(version.split(".")[3])
    assert f"'version': '{version}'" in (shop.link / "shelf" / "__manifest__.py").read_text()
    assert f"edition {edition};" in shop.page()
    assert shop.sql("SELECT name FROM shelf_book") == [("dune",)]
    assert shop.leftovers() == []
    return edition


@flow
def _settle(name: str) -> None:
    check_identity(name)
    settle_leftovers(name)
    check_odoo_came_back(name, 2)
