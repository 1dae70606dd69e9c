"""A filestore with things in it that Odoo did not put there."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from toolbox_site import both_runtimes

from blocks import OdooEnvironment
from flows.backup import backup
from flows.restore import restore
from odoo_ops.errors import PreconditionFailed, Refused, VerificationFailed

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


@both_runtimes
def test_restore_follows_no_link_when_the_filestore_holds_strange_things(site: Site) -> None:
    """Stray files, links to outside and an attachment that is such a link, foreign owners and modes.

    As another user than root it cannot make foreign owners, and shows the rest.
    """
    outside = site.folder / "outside"
    outside.mkdir()
    secret = outside / "secret"
    secret.write_text("not of this filestore")
    secret.chmod(0o604)
    linked = site.attach(b"moved to another disk, with a link in its place")
    linked.rename(outside / "attachment")
    linked.symlink_to(outside / "attachment")
    (site.filestore / "stray.txt").write_text("stray")
    (site.filestore / "link").symlink_to(outside)
    (site.filestore / "broken").symlink_to(site.folder / "nowhere")
    foreign = site.attach(b"of a foreign owner")
    foreign.chmod(0o400)
    narrowed = site.attach(b"of another mode")
    narrowed.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(foreign, 65534, 65534)
        os.chown(foreign.parent, 65534, 65534)
        os.chown(secret, 65534, 65534)
    untouched = secret.stat()

    with pytest.raises(VerificationFailed, match=r"(?s)1 attachments .* damaged.*in its file's place is a link"):
        backup(site.name)
    (snapshot,) = OdooEnvironment.open(site.name).snapshots(site.name)
    assert (snapshot.proved, snapshot.damaged) == (True, True)
    with pytest.raises(PreconditionFailed, match="1 attachments were damaged already"):
        restore(site.name)

    linked.unlink()
    (outside / "attachment").rename(linked)
    assert backup(site.name).files == 23
    restore(site.name)
    assert (site.filestore / "stray.txt").read_text() == "stray"
    assert (site.filestore / "link").readlink() == outside
    assert (site.filestore / "broken").is_symlink()
    assert foreign.read_bytes() == b"of a foreign owner"
    assert (foreign.stat().st_mode & 0o777, narrowed.stat().st_mode & 0o777) == (0o400, 0o640)
    assert secret.read_text() == "not of this filestore"
    now = secret.stat()
    assert (now.st_uid, now.st_gid, now.st_mode) == (untouched.st_uid, untouched.st_gid, untouched.st_mode)
    owner = Path(site.settings.data_dir).stat()
    things = [site.filestore, *site.filestore.rglob("*")]
    assert {(found.lstat().st_uid, found.lstat().st_gid) for found in things} == {(owner.st_uid, owner.st_gid)}
    assert site.leftovers() == []


def test_backup_and_restore_refuse_a_filestore_that_is_a_link(site: Site) -> None:
    backup(site.name)
    before = site.content()
    elsewhere = site.folder / "disk"
    site.filestore.rename(elsewhere)
    site.filestore.symlink_to(elsewhere)
    for flow in (backup, restore):
        with pytest.raises(
            Refused, match=r"is a symbolic link, .*Nothing was changed\. Next step: stop Odoo, link .*filestore"
        ):
            flow(site.name)
    assert site.content() == before
    assert site.made_databases() == []
    assert len(OdooEnvironment.open(site.name).snapshots(site.name)) == 1
    assert site.leftovers() == []


def test_backup_and_restore_pass_when_the_folder_of_all_filestores_is_a_link(site: Site) -> None:
    above = site.filestore.parent
    above.rename(site.folder / "disk")
    above.symlink_to(site.folder / "disk")
    before = site.content()
    assert backup(site.name).files == 20
    site.attach(b"made after the backup")
    restore(site.name)
    assert site.content() == before
    assert above.is_symlink()
    assert site.leftovers() == []


@pytest.fixture
def mounted_filestore(site: Site, require: Callable[[str, Path | None, str], Path]) -> Iterator[Path]:
    """The filestore as a mount point, of a folder on the same disk. Only root can mount, and not in every container."""
    there = site.filestore
    mounted = os.geteuid() == 0 and subprocess.run(["/bin/mount", "--bind", there, there], check=False).returncode == 0
    require("a mount point", there if mounted else None, "run the tests as root where a folder can be mounted")
    yield there
    subprocess.run(["/bin/umount", there], check=True)


def test_restore_refuses_before_it_begins_a_filestore_that_is_a_mount_point(
    site: Site, mounted_filestore: Path
) -> None:
    assert backup(site.name).files == 20
    before = site.content()
    with pytest.raises(Refused, match=rf"{mounted_filestore} on here is a mount point, .*Nothing was changed"):
        restore(site.name)
    assert site.content() == before
    assert site.made_databases() == []
    assert site.leftovers() == []
