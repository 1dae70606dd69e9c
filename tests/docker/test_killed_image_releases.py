"""SIGKILL at every step by which an image is put in place, then a normal run.

After each kill a run of any flow settles what is left; then people are served one image, whole: its pages, its files,
its database, and what was written before. What comes before these steps changes nothing that anybody sees.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from addons_repository import SHELF
from image_shop import FIRST, Shop, image_shop
from killed_runs import Ended, killed_runs
from prefect import flow
from steady_load import load

from deployments.engines.docker import DockerEngine
from tasks.identity import check_identity
from tasks.leftovers import settle_leftovers
from tasks.services import check_odoo_came_back

pytestmark = [
    pytest.mark.docker,
    pytest.mark.odoo,
    pytest.mark.restic,
    pytest.mark.long,
    pytest.mark.timeout(3600),
]


@pytest.fixture
def shop(
    docker: DockerEngine,
    image: Callable[[str], str],
    prefect_server: None,  # noqa: ARG001 - the server must run
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shop]:
    with image_shop(docker, image, tmp_path_factory) as made:
        yield made


def test_image_takes_over_when_the_runs_before_were_killed_at_every_step(shop: Shop, tmp_path: Path) -> None:
    """One that is in place in spite of its kill is followed by the other one. No request fails all the time."""
    said = {shop.images["first"]: "as it was", shop.images["same"]: "as it is now"}
    former, wanted = said
    in_place = [former]
    shop.names(wanted)
    with (
        load(shop.site) as asked,
        killed_runs("release", shop.site.name, folder=tmp_path, since="note_cut_over") as runs,
    ):
        for run in runs:
            in_place.append(_image_after_settling(shop))
            assert shop.static() == said[in_place[-1]], run
            if run.place and in_place[-1] == wanted:
                former, wanted = wanted, former
                shop.names(wanted)
    assert run == Ended(None, 0), runs.log()
    assert in_place[-1] == wanted
    assert set(in_place) == set(said), "no run was killed after it had put its image in place"
    steps = ("start_beside", "check_beside", "finish_cut_over", "take_over", "keep_images")
    assert {*(f"before {step}" for step in steps), "before the report"} <= set(run.passed)
    assert asked.failed == []
    assert set(asked.answers) == {200}


def test_image_whose_modules_are_updated_passes_when_the_runs_before_were_killed_at_every_step(
    shop: Shop, tmp_path: Path
) -> None:
    """One that is in place in spite of its kill is followed by the next edition. People are told to come back."""
    shop.site.sql("INSERT INTO shelf_book (name) VALUES ('dune')", "erp")
    images = [shop.images["first"], _edition(shop, 1)]
    shop.names(images[-1])
    with (
        load(shop.site, slow=False) as asked,
        killed_runs("release", shop.site.name, folder=tmp_path, since="close_site") as runs,
    ):
        for run in runs:
            present = _image_after_settling(shop)
            _see_that_it_is_whole(shop, images.index(present))
            if run.place and present == images[-1]:
                images.append(_edition(shop, len(images)))
                shop.names(images[-1])
    assert run == Ended(None, 0), runs.log()
    assert present == images[-1]
    assert len(images) > 2, "no run was killed after its swap"
    steps = (
        "update_modules",
        "try_release",
        "swap_in",
        "finish_cut_over",
        "start_odoo",
        "open_site_again",
        "keep_images",
    )
    assert {*(f"before {step}" for step in steps), "before the report"} <= set(run.passed)
    assert asked.failed == []
    assert set(asked.answers) == {200, 503}


def _edition(shop: Shop, number: int) -> str:
    files = dict(FIRST)
    files["shelf/__manifest__.py"] = SHELF["shelf/__manifest__.py"].replace("19.0.1.0.0", f"19.0.1.{number}.0")
    files["shelf/shelf.py"] = files["shelf/shelf.py"].replace("the first edition", f"edition {number};")
    return shop.build(f"edition{number}", files)


def _image_after_settling(shop: Shop) -> str:
    """That by which people are served; nothing else is left of the run."""
    shop.site.free_limit()
    _settle(shop.site.name)
    folder = shop.site.project.folder
    assert not (folder / "config/nginx/release.conf").exists()
    assert not (folder / "compose.release.yaml").exists()
    assert shop.site.sql("SELECT datname FROM pg_database WHERE datname LIKE '%scratch%'") == ""
    return shop.running_image()


def _see_that_it_is_whole(shop: Shop, edition: int) -> None:
    version = shop.site.sql("SELECT latest_version FROM ir_module_module WHERE name = 'shelf'", "erp")
    assert version == f"19.0.1.{edition}.0"
    assert ("the first edition" if edition == 0 else f"edition {edition};") in shop.page("/shelf")
    assert shop.site.sql("SELECT name FROM shelf_book", "erp") == "dune"


@flow
def _settle(name: str) -> None:
    check_identity(name)
    settle_leftovers(name)
    check_odoo_came_back(name, 2)
