"""A disk that is too small is seen before anything is written to it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.backup import backup
from flows.restore import restore
from odoo_ops.errors import PreconditionFailed

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


@pytest.fixture
def small_disk(site: Site) -> Iterator[Path]:
    """A file system of one megabyte."""
    if os.geteuid():
        pytest.skip("a small file system is a tmpfs, which only root can mount")
    folder = site.folder / "small"
    folder.mkdir()
    if subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False).returncode:
        pytest.skip("this machine's kernel lets no tmpfs be mounted here (a container?)")
    yield folder
    subprocess.run(["/bin/umount", folder], check=True)


def test_flow_is_refused_before_it_writes_when_the_disk_is_too_small(site: Site, small_disk: Path) -> None:
    with site.connect() as connection:
        connection.execute(f'SET ROLE "{site.settings.database.user}"')
        connection.execute("CREATE TABLE much AS SELECT md5(random()::text) FROM generate_series(1, 200000)")
    roomy = site.settings.state_dir
    backup(site.name)
    before = site.content()

    site.register(state_dir=str(small_disk / "state"))
    with pytest.raises(PreconditionFailed, match=r"here has [\d,]+ bytes free where .*the dump up to .*Next step"):
        backup(site.name)
    assert list(Path(site.settings.spool).iterdir()) == []
    with pytest.raises(PreconditionFailed, match=r"the fetched dump up to [\d,]+ bytes in .*small/state.*Next step"):
        restore(site.name)
    assert not Path(site.settings.restore_spool).exists()
    assert site.content() == before

    site.register(state_dir=roomy)
    assert backup(site.name).damaged_total == 0
    assert site.leftovers() == []
