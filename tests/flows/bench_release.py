"""What a release and a rollback cost, on a real Odoo with many modules and a large database: `make bench-release`.

Not a test: what it prints depends on the machine. Side by side in one run: our release of one changed module, and what
a script does, `-u all`. It fails where an aim is missed, once the figures are there.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from addons_repository import SHELF, put_on_record
from psycopg import sql
from real_sshd import RealSshd
from shop import Shop
from task_times import task_seconds

from blocks import OdooEnvironment
from flows.release import release
from flows.rollback import rollback

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo, pytest.mark.sshd, pytest.mark.timeout(7200)]

_APPLICATIONS = ("account", "crm", "hr_holidays", "purchase_stock", "sale_stock")
_MODULES = 86  # with all that these need or bring, and `shelf`
_AIM_RATIO = 0.25
_AIM_SWAP_SECONDS = 1
# no migration script: what that takes is its rows' affair
_CHANGED = {"shelf/views.xml": SHELF["shelf/views.xml"].replace("shelf with", "shelf, now with")}
_ROW_BYTES = 960  # 30 sums, too little for PostgreSQL to compress
_GROW = """INSERT INTO shelf_book (name) SELECT string_agg(md5(random()::text || row || part), '')
FROM generate_series(1, %s) row, generate_series(1, 30) part GROUP BY row"""


@pytest.fixture
def shop(
    odoo_site: Site, sshd_program: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> Iterator[Shop]:
    with (
        RealSshd.run(sshd_program, tmp_path_factory.mktemp("sshd")) as sshd,
        Shop.run(odoo_site, sshd, tmp_path) as made,
    ):
        yield made


def test_release_figures(shop: Shop) -> None:
    """Release one changed module of many, and roll it back; beside it `-u all` on a copy of the same database."""
    shop.initialises(",".join(_APPLICATIONS))
    put_on_record(shop.site.name)
    assert release(shop.site.name).plan.updates == ()
    shop.initialises("shelf")
    put_on_record(shop.site.name)
    wanted_bytes = int(os.environ.get("DATABASE_MB", "1000")) * 1_000_000
    _grow(shop, wanted_bytes)
    all_seconds = _seconds_of_update_all(shop)

    shop.addons.push({**SHELF, **_CHANGED})
    released = release(shop.site.name)
    of_release = task_seconds("release")
    back = rollback(shop.site.name, confirm=shop.site.name)
    of_rollback = task_seconds("rollback")
    assert [update.name for update in released.plan.updates] == ["shelf"]
    figures = {
        "modules": shop.sql("SELECT count(*) FROM ir_module_module WHERE state = 'installed'")[0][0],
        "database_bytes": _database_bytes(shop),
        "update_all_seconds": all_seconds,
        "update_seconds": of_release["update_modules"],
        "update_ratio": of_release["update_modules"] / all_seconds,
        "release_down_seconds": released.down_seconds,
        "clone_seconds": of_release["clone_data"],
        "rollback_swap_seconds": of_rollback["swap_in"],
        "rollback_down_seconds": back.down_seconds,
    }
    text = json.dumps(figures, indent=1)
    print(f"\n{text}")  # noqa: T201 - what it is for
    if path := os.environ.get("JSON"):
        Path(path).write_text(f"{text}\n")
    assert figures["modules"] == _MODULES, "the aim is of another number: choose other applications"
    assert figures["update_ratio"] <= _AIM_RATIO
    assert figures["rollback_swap_seconds"] <= _AIM_SWAP_SECONDS


def _grow(shop: Shop, wanted_bytes: int) -> None:
    missing = wanted_bytes - _database_bytes(shop)
    with shop.site.connect() as connection:
        connection.execute(_GROW, [max(missing, 0) // _ROW_BYTES])


def _database_bytes(shop: Shop) -> int:
    return int(shop.sql("SELECT pg_database_size(current_database())")[0][0])


def _seconds_of_update_all(shop: Shop) -> float:
    """What a script does, on a copy that nobody uses."""
    copy, odoo = f"{shop.database}_all", OdooEnvironment.open(shop.site.name).odoo
    odoo.stop()
    with shop.site.admin() as connection:
        names = [sql.Identifier(name) for name in (copy, shop.database, shop.site.settings.database.user)]
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(*names))
        begun = time.monotonic()
        shop.updates_all(copy)
        seconds = time.monotonic() - begun
        connection.execute(sql.SQL("DROP DATABASE {}").format(names[0]))
    odoo.start()
    return seconds
