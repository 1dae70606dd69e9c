"""A commit's code is run as Odoo's user where agents are root: by a real Odoo, of which another user owns the data."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from addons_repository import SECOND, SHELF, put_on_record
from own_user import PYTHON
from real_sshd import RealSshd
from shop import Shop

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.restic,
    pytest.mark.odoo,
    pytest.mark.sshd,
    pytest.mark.usefixtures("as_root"),
]

OWNER = "daemon"  # an account that every Debian has

# the engine's own Python may be in a home that nobody else enters
_PROGRAM = """#!/bin/sh
export PYTHONPATH={engine}/debian/usr/lib/python3/dist-packages:{packages} PYTHONDONTWRITEBYTECODE=1 TZ=UTC
exec {python} {engine}/debian/usr/bin/odoo "$@"
"""
# people are served by the owner of the data, as a systemd unit says it
_SERVED = """#!/bin/sh
test "$(id -u)" != 0 || exec runuser -u {owner} -- {program} "$@"
exec {program} "$@"
"""
_TELLING = """
import os
import pwd


def migrate(cr, version):
    cr.execute("UPDATE shelf_book SET title = %s", [pwd.getpwuid(os.geteuid()).pw_name])
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where every user comes to, and Odoo's writes its pid file."""
    with tempfile.TemporaryDirectory(prefix="odoo-ops-test-site-") as folder:
        Path(folder).chmod(0o755)
        shutil.chown(folder, OWNER)
        yield Path(folder)


@pytest.fixture
def shop(odoo_site: Site, sshd_program: Path, tmp_path: Path, folder: Path) -> Iterator[Shop]:
    """An Odoo of which program, data and process are another user's, operated by root. `shelf` is installed."""
    program, served, data = folder / "odoo", folder / "served", folder / "data"
    engine = Path(odoo_site.settings.odoo.command[0]).resolve().parents[1]
    (packages,) = engine.glob("venv/lib/python3*/site-packages")
    program.write_text(_PROGRAM.format(engine=engine, packages=packages, python=PYTHON))
    served.write_text(_SERVED.format(owner=OWNER, program=program))
    for file in (program, served):
        file.chmod(0o755)
    shutil.copytree(odoo_site.settings.data_dir, data)
    for path in (data, *data.rglob("*")):
        shutil.chown(path, OWNER)
    odoo_site.folder = folder
    odoo_site.register(data_dir=str(data), odoo=odoo_site.settings.odoo.model_copy(update={"command": (str(served),)}))
    odoo_site.register_host(python=PYTHON)
    with RealSshd.run(sshd_program, tmp_path) as sshd, Shop.run(odoo_site, sshd, folder) as shop:
        put_on_record(odoo_site.name)
        shop.release()
        shop.initialises("shelf")
        odoo_site.register(odoo=odoo_site.settings.odoo.model_copy(update={"command": (str(program),)}))
        yield shop


def test_commit_is_checked_updated_and_tried_as_odoos_user(shop: Shop) -> None:
    shop.sql("INSERT INTO shelf_book (name) VALUES ('dune')")
    policy = shop.site.settings.release
    (repository,) = policy.addons
    asked = repository.model_copy(update={"checks": (("sh", "-c", f'test "$(id -un)" = {OWNER}'),)})
    shop.site.register(release=policy.model_copy(update={"addons": (asked,)}))
    migration = {"shelf/migrations/19.0.2.0.0/post-migrate.py": _TELLING}
    shop.addons.push({**SHELF, **SECOND, **migration})
    shop.release()
    assert shop.sql("SELECT title FROM shelf_book") == [(OWNER,)]
    made = [path for path in (Path(shop.site.settings.data_dir), *shop.site.filestore.rglob("*")) if path.exists()]
    assert {path.owner() for path in made} == {OWNER}
    assert shop.leftovers() == []
