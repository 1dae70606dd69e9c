"""A disk that is too small is seen before anything is written to it."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.backup import backup
from flows.restore import restore
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.environment import Environment
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.runtimes import stored
from odoo_ops.runtimes.native import NativeRuntime

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


def test_restore_is_refused_when_postgresql_has_no_room(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest's own figure is changed, not the disk."""
    backup(site.name)
    read = stored.read_manifest

    def much(runtime: NativeRuntime, snapshot: Snapshot, source: Environment) -> Manifest:
        return read(runtime, snapshot, source).model_copy(update={"database_bytes": 10**18})

    monkeypatch.setattr(stored, "read_manifest", much)
    folder = re.escape(str(site.cluster.data))
    with pytest.raises(PreconditionFailed, match=rf"the restored database up to [\d,]+ bytes in {folder}"):
        restore(site.name)
    assert site.made_databases() == []


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
