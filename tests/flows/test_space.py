"""A disk that is too small is seen before anything is written to it."""

import os
import re
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deployments.engines.cluster import PostgresCluster
from flows.backup import backup
from flows.restore import restore
from odoo_ops.errors import CommandFailed, OdooOpsError, PreconditionFailed
from odoo_ops.model.environment import Environment
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.runtimes import stored
from odoo_ops.runtimes.runtime import Runtime
from tasks import backups, restores

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


def test_restore_is_refused_when_postgresql_has_no_room(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest's own figure is changed, not the disk."""
    backup(site.name)
    read = stored.read_manifest

    def much(runtime: Runtime, snapshot: Snapshot, source: Environment) -> Manifest:
        return read(runtime, snapshot, source).model_copy(update={"database_bytes": 10**18})

    monkeypatch.setattr(stored, "read_manifest", much)
    folder = re.escape(str(site.cluster.data))
    with pytest.raises(PreconditionFailed, match=rf"the restored database up to [\d,]+ bytes in {folder}"):
        restore(site.name)
    assert site.made_databases() == []


def _add_much(site: Site) -> None:
    """More rows than a small disk takes."""
    with site.connect() as connection:
        connection.execute(f'SET ROLE "{site.settings.database.user}"')
        connection.execute("CREATE TABLE much AS SELECT md5(random()::text) FROM generate_series(1, 200000)")


Require = Callable[[str, Path | None, str], Path]


@contextmanager
def _mounted(folder: Path, size: str, require: Require) -> Iterator[Path]:
    """A file system of a size: a tmpfs, which only root can mount, and not in every container."""
    folder.mkdir(parents=True)
    mount = ["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0
    require("a small file system", folder if mounted else None, "run the tests as root where a tmpfs can be mounted")
    yield folder
    subprocess.run(["/bin/umount", folder], check=True)


@pytest.fixture
def small_disk(site: Site, require: Require) -> Iterator[Path]:
    """A file system of one megabyte."""
    with _mounted(site.folder / "small", "1m", require) as folder:
        yield folder


@pytest.fixture
def spool_disk(site: Site, require: Require) -> Iterator[Path]:
    """A file system that a dump of its size fills within seconds."""
    with _mounted(site.folder / "spool-disk", "512m", require) as folder:
        yield folder


@pytest.fixture
def postgres_disk(tmp_path: Path, require: Require) -> Iterator[Path]:
    """A file system beside the data of a PostgreSQL: asked for before that one, it is unmounted after its end."""
    with _mounted(tmp_path / "postgres" / "disk", "1g", require) as folder:
        yield folder


def test_flow_is_refused_before_it_writes_when_the_disk_is_too_small(site: Site, small_disk: Path) -> None:
    _add_much(site)
    roomy = site.settings.state_dir
    backup(site.name)
    before = site.content()

    site.register(state_dir=str(small_disk / "state"))
    with pytest.raises(PreconditionFailed, match=r"here has [\d,]+ bytes free where .*the dump up to .*Next step"):
        backup(site.name)
    assert site.leftovers() == []
    with pytest.raises(PreconditionFailed, match=r"the fetched dump up to [\d,]+ bytes in .*small/state.*Next step"):
        restore(site.name)
    assert not Path(site.settings.restore_spool).exists()
    assert site.content() == before

    site.register(state_dir=roomy)
    assert backup(site.name).damaged_total == 0
    assert site.leftovers() == []


def test_restore_is_refused_when_the_disk_of_all_filestores_has_no_room(site: Site, small_disk: Path) -> None:
    """The folder `filestore` leads to a small disk, and the data_dir above it has room."""
    site.attach(secrets.token_bytes(2**21))
    backup(site.name)
    data_dir = site.folder / "other-data"
    data_dir.mkdir()
    (data_dir / "filestore").symlink_to(small_disk)
    site.register(data_dir=str(data_dir))
    with pytest.raises(PreconditionFailed, match=rf"the filestore up to [\d,]+ bytes in {data_dir}/filestore"):
        restore(site.name)
    assert list(small_disk.iterdir()) == []
    assert site.made_databases() == []


@pytest.fixture
def filled_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk had room when it was asked; somebody else filled it then. So the question itself is left out."""
    for module in (backups, restores):
        monkeypatch.setattr(module, "refuse_without_room", lambda _needs, _host: None)


@pytest.mark.usefixtures("filled_later")
def test_nothing_is_lost_when_a_spool_fills_while_it_is_written(site: Site, small_disk: Path) -> None:
    _add_much(site)
    roomy = site.settings.state_dir
    kept = backup(site.name).snapshot_id
    before = site.content()

    site.register(state_dir=str(small_disk / "state"))
    with pytest.raises(
        OdooOpsError,
        match=r"(?s)pg_dump.*(No space left on device|is left to others).*What was begun is settled: deleted",
    ):
        backup(site.name)
    assert site.leftovers() == [], "the disk is not left full"
    with pytest.raises(OdooOpsError, match=r"(?si)no space left on device"):
        restore(site.name)
    assert site.leftovers() == []
    assert site.content() == before
    assert site.made_databases() == []

    site.register(state_dir=roomy)
    assert restore(site.name).snapshot_id == kept
    assert site.content() == before
    assert backup(site.name).damaged_total == 0
    assert site.leftovers() == []


def _add_what_swells(site: Site) -> None:
    """Rows of a few kilobytes in PostgreSQL, which compresses them; a megabyte each in a dump."""
    with site.connect() as connection:
        connection.execute(f'SET ROLE "{site.settings.database.user}"')
        connection.execute("CREATE TABLE swells AS SELECT repeat('odoo', 262144) AS text FROM generate_series(1, 800)")


def test_backup_leaves_room_to_others_when_the_dump_is_far_larger_than_foreseen(site: Site, spool_disk: Path) -> None:
    _add_what_swells(site)
    roomy = site.settings.state_dir
    site.register(state_dir=str(spool_disk / "state"))
    said = (
        r"(?s)`\S*pg_dump .* was ended on here: less than [\d,]+ bytes were free on the disk of \S+/odoo-ops-spool, "
        r".*Next step: make room there.*What was begun is settled: deleted \S+/odoo-ops-spool"
    )
    with pytest.raises(PreconditionFailed, match=said):
        backup(site.name)
    assert site.leftovers() == []
    found = os.statvfs(spool_disk)
    assert found.f_bavail > 0.9 * found.f_blocks, "what it wrote is deleted"

    site.register(state_dir=roomy)
    assert backup(site.name).damaged_total == 0


@pytest.mark.usefixtures("filled_later")
def test_nothing_is_lost_when_the_filestore_s_disk_fills_while_it_is_restored(site: Site, small_disk: Path) -> None:
    site.attach(secrets.token_bytes(2**21))
    roomy = site.settings.data_dir
    backup(site.name)
    before = site.content()

    site.register(data_dir=str(small_disk))
    with pytest.raises(OdooOpsError, match=r"(?si)no space left on device"):
        restore(site.name)
    assert [path for path in small_disk.rglob("*") if path.name.startswith("odoo_ops_")] == []
    assert site.made_databases() == []
    site.register(data_dir=roomy)
    assert site.content() == before

    restore(site.name)
    assert site.content() == before
    assert site.leftovers() == []


def _leave(disk: Path, free_bytes: int) -> None:
    """As where others fill a disk, or somebody makes room."""
    found = os.statvfs(disk)
    size = (found.f_blocks - found.f_bfree) * found.f_frsize + free_bytes
    subprocess.run(["/bin/mount", "-o", f"remount,size={size}", disk], check=True)


@pytest.mark.long
def test_nothing_is_lost_when_postgresql_s_own_disk_fills_while_it_is_restored(
    postgres_disk: Path, site_on_own_cluster: Site
) -> None:
    """Its tables lie on a disk of their own, and a restore asks for room where PostgreSQL's folder is."""
    site, disk = site_on_own_cluster, postgres_disk
    assert isinstance(site.cluster, PostgresCluster)
    tables = site.cluster.data / "base"
    site.cluster.stop()
    subprocess.run(["/bin/mv", tables, disk / "base"], check=True)
    tables.symlink_to("../disk/base")  # PostgreSQL's account may not enter all folders above
    site.cluster.start()
    _add_much(site)
    kept = backup(site.name).snapshot_id
    backed_up = site.content()
    site.attach(b"made after the backup")
    present = site.content()

    _leave(disk, 12 * 2**20)  # enough for a new database, not for its tables
    said = r"(?s)pg_restore.*No space left on device.*Next step: make room on the disk of PostgreSQL's data"
    with pytest.raises(CommandFailed, match=said) as failure:
        restore(site.name)
    assert "What was begun is settled: dropped database odoo_ops_scratch" in str(failure.value)
    assert site.leftovers() == []
    assert site.made_databases() == []
    _leave(disk, 2**29)
    assert site.content() == present

    report = restore(site.name)
    assert report.snapshot_id == kept
    assert site.content() == backed_up
    assert site.made_databases() == [report.kept_database]
    assert site.leftovers() == []
