"""A filestore with things in it that Odoo did not put there."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from toolbox_site import both_runtimes_at_length

from blocks import OdooEnvironment
from flows.backup import backup
from flows.restore import restore
from odoo_ops.errors import VerificationFailed

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


@both_runtimes_at_length
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
    with pytest.raises(VerificationFailed, match="1 attachments are damaged"):
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
