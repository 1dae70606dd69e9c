"""A run is killed while restic makes a repository, frees space in it or copies it, and the runs after it.

What restic does in a moment is held by a script in front of it: that lets it come to its end, undoes what it does
last (or lets it copy one snapshot only), and stands there until it is killed. Where the repository is on a server,
restic really stands there: a proxy holds its request.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from backup_servers import RestServer
from faulty_proxy import FaultyProxy
from pydantic import SecretStr
from real_processes import MarkedProcess
from slices import first_of_today

from blocks import BackupRepository, OdooEnvironment
from flows.backup import backup
from flows.check_repository import check_repository
from flows.copy_offsite import copy_offsite
from flows.prune import prune
from flows.restore import restore
from odoo_ops.commands.restic import store_mark
from odoo_ops.commands.upkeep import forget_snapshots
from odoo_ops.errors import CommandFailed, PreconditionFailed
from odoo_ops.model.repository import FolderLocation, Repository
from odoo_ops.model.snapshot import VERIFIED_TAG

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_RESTIC = """#!/bin/sh
restic={restic}
. {folder}/first
exec $restic "$@"
"""

_INIT = """case "$*" in
  *" init "*) $restic "$@" && cd "$RESTIC_REPOSITORY" && {undo} && exec sleep 600 ;;
esac
"""

# what is undone of a `restic init`: as it was seen where one was really killed, at a hundred and fifty moments
_FOLDERS = _INIT.format(undo="rm -r config keys/* data/8?")
_KEY_BEGUN = _INIT.format(undo="rm config && for key in keys/*; do mv $key $key-tmp-1234567890; done")
_KEY = _INIT.format(undo="mv config config-tmp-1234567890")
_EARLIER = [_FOLDERS, _KEY_BEGUN]

_ONE_COPIED = """case "$*" in
  *" copy -- "*)
    for word; do
      shift
      [ "$done" ] || set -- "$@" "$word"
      [ "$last" != -- ] || done=1
      last=$word
    done
    $restic "$@" && exec sleep 600 ;;
esac
"""


@pytest.fixture
def before_restic(site: Site, restic: Path) -> Callable[[str], None]:
    """Sets what is done first where restic is run, as a shell script."""
    program, first = site.folder / "restic", site.folder / "first"
    program.write_text(_RESTIC.format(folder=site.folder, restic=restic))
    program.chmod(0o755)
    first.touch()
    site.register_host(restic=str(program))
    return lambda script: first.write_text(script) and None


@pytest.fixture
def kill(site: Site, start: Callable[..., MarkedProcess]) -> Callable[..., None]:
    """Runs a flow in a process of its own, and kills it where it stands; by `harshly` restic too, at once."""

    def run(flow: str, *more: str, stands: Callable[[], bool] | None = None, harshly: bool = False) -> None:
        process = start(flow, *more)
        if stands:
            process.wait_until(stands, "restic stands")
        else:
            process.wait_for_child("sleep", "600")
        process.kill_with_children() if harshly else process.kill()
        site.free_limit()

    return run


def _register_offsite(site: Site) -> Path:
    folder = site.folder / "offsite"
    settings = Repository(
        name="elsewhere", location=FolderLocation(path=str(folder)), password=SecretStr("another-password")
    )
    BackupRepository(settings=settings).save(f"{site.name}-offsite")
    environment = OdooEnvironment.load(site.name)
    environment.offsite = BackupRepository.load(f"{site.name}-offsite")
    environment.save(site.name, overwrite=True)
    return folder


@contextmanager
def _far(site: Site, server: RestServer) -> Iterator[FaultyProxy]:
    """Let the site's repository be on a server, behind a proxy."""
    with FaultyProxy.run(server.port) as proxy:
        location = replace(server, port=proxy.server_port).location()
        settings = Repository(name="far", location=location, password=SecretStr("repository-password"))
        BackupRepository(settings=settings).save(f"{site.name}-repository", overwrite=True)
        site.register()
        yield proxy


@pytest.mark.parametrize(
    ("points", "offsite"),
    [
        pytest.param([_EARLIER[first_of_today(len(_EARLIER))], _KEY], False, id="some"),
        pytest.param([*_EARLIER, _KEY], False, id="all", marks=pytest.mark.long),
        pytest.param([*_EARLIER, _KEY], True, id="all-offsite", marks=pytest.mark.long),
    ],
)
def test_first_backup_passes_when_the_runs_before_were_killed_while_they_made_the_repository(
    site: Site, before_restic: Callable[[str], None], kill: Callable[..., None], points: list[str], offsite: bool
) -> None:
    """That of the backups, and the one that holds the copies. A folder that holds anything else is left alone."""
    flow, name, folder = backup, "backup", site.folder / "repository"
    if offsite:
        backup(site.name)
        flow, name, folder = copy_offsite, "copy_offsite", _register_offsite(site)
    before = site.content()
    for point in points:
        before_restic(point)
        kill(name)
        assert not (folder / "config").exists()
    (key,) = (folder / "keys").iterdir()
    before_restic("")

    data = folder / "data" / "00" / "pack"
    for strange in (data, folder / "locks" / "lock", folder / "snapshots" / "link"):
        strange.symlink_to(site.filestore) if strange.name == "link" else strange.write_text("somebody's")
        with pytest.raises(PreconditionFailed, match=r"no repository in .*: there is .*data, .*Next step: "):
            flow(site.name)
        assert key.exists()
        assert strange.exists()
        strange.unlink()

    flow(site.name)
    assert not key.exists()
    assert len(list((folder / "keys").iterdir())) == 1
    assert not list(folder.glob("*-tmp-*"))
    assert check_repository(site.name, weeks=1, offsite=offsite).checks[0].outcome == "passed"
    site.lose_all()
    restore(site.name, from_offsite=offsite)
    assert site.content() == before
    assert site.leftovers() == []


def test_what_another_environment_has_begun_is_left_alone_when_a_repository_is_made(
    site: Site, make_site: Callable[..., Site], before_restic: Callable[[str], None], kill: Callable[..., None]
) -> None:
    """Both share it. Whose run died settles it; the other may see it while it is being made."""
    other = make_site()
    before_restic(_KEY)
    kill("backup")
    (key,) = (site.folder / "repository" / "keys").iterdir()
    with pytest.raises(PreconditionFailed, match=r"its making was cut off, and what keys holds may"):
        backup(other.name)
    assert key.exists()


@pytest.mark.long
def test_first_backup_passes_or_says_what_to_delete_when_the_repository_is_made_elsewhere(
    site: Site, rest_server_program: Path, tmp_path: Path, kill: Callable[..., None]
) -> None:
    """restic goes on with folders that it finds on a server, but not where a key is."""
    with RestServer.run(rest_server_program, tmp_path) as server, _far(site, server) as proxy:
        for held in ("POST /odoo/keys/", "POST /odoo/config"):
            proxy.hold(held)
            kill("backup", stands=proxy.holds.is_set)
            proxy.let_go()
        (key,) = (server.folder / "odoo" / "keys").iterdir()
        said = r"(?s)already contains keys.*Next step: .*hold nothing, a run died .*: delete what its folder keys holds"
        with pytest.raises(CommandFailed, match=said):
            backup(site.name)
        key.unlink()
        assert backup(site.name).files == 20
        assert site.leftovers() == []


@pytest.mark.long
def test_prune_passes_when_the_runs_before_were_killed_in_each_of_its_steps(
    site: Site, rest_server_program: Path, tmp_path: Path, kill: Callable[..., None]
) -> None:
    """It writes what is still needed anew, then the index, deletes the former index, then the former data."""
    with RestServer.run(rest_server_program, tmp_path, append_only=False) as server, _far(site, server) as proxy:
        site.attach(os.urandom(600_000))  # what is left must not be alarmingly little
        file = site.attach(os.urandom(3_000_000))
        forgotten = backup(site.name).snapshot_id
        with site.connect() as connection:
            connection.execute("DELETE FROM ir_attachment WHERE id = (SELECT max(id) FROM ir_attachment)")
        file.unlink()
        content = site.content()
        backup(site.name)
        runtime = OdooEnvironment.open(site.name)
        runtime.host.run(forget_snapshots(runtime.restic, runtime.repository, [forgotten]))
        stored = _bytes_in(server)
        for held in ("POST /odoo/data/", "POST /odoo/index/", "DELETE /odoo/index/", "DELETE /odoo/data/"):
            proxy.hold(held)
            kill("prune", "false", "0", stands=proxy.holds.is_set, harshly=True)
            proxy.let_go()
            assert list((server.folder / "odoo" / "locks").iterdir())
            assert backup(site.name).damaged_total == 0
        assert _bytes_in(server) > stored
        freed = prune(site.name, dry_run=False, max_unused_percent=0).space.freed_bytes
        assert (freed or 0) > 2_900_000
        assert stored - _bytes_in(server) > 2_500_000
        backup(site.name)
        assert check_repository(site.name, weeks=1).checks[0].outcome == "passed"
        assert not list((server.folder / "odoo" / "locks").iterdir())
        site.lose_all()
        restore(site.name)
        assert site.content() == content
        assert site.leftovers() == []


def _bytes_in(server: RestServer) -> int:
    return sum(file.stat().st_size for file in (server.folder / "odoo").rglob("*") if file.is_file())


@pytest.mark.long
def test_copy_is_completed_when_the_runs_before_were_killed_after_each_snapshot(
    site: Site, before_restic: Callable[[str], None], kill: Callable[..., None]
) -> None:
    """The newest first, each followed by its marks: until they are there, `latest` does not mean the copy."""
    first = backup(site.name).snapshot_id
    _mark_verified(site, first)
    site.attach(b"made on the second day")
    second, second_content = backup(site.name).snapshot_id, site.content()
    _register_offsite(site)
    before_restic(_ONE_COPIED)
    seen: list[dict[str, tuple[bool, bool]]] = []
    expected = [
        {second: (False, False)},
        {second: (True, False)},
        {second: (True, False), first: (False, False)},
        {second: (True, False), first: (True, False)},
        {second: (True, False), first: (True, True)},
    ]
    for _run in expected:
        kill("copy_offsite")
        copies = OdooEnvironment.open(site.name, offsite=True).snapshots(site.name)
        seen.append({copy.first_id: (copy.proved, copy.verified) for copy in copies})
        if not any(copy.proved for copy in copies):
            with pytest.raises(PreconditionFailed, match=r"0 snapshots .* fit 'latest'.*\(not proved\)"):
                restore(site.name, from_offsite=True)
            assert site.content() == second_content
        elif len(seen) in {2, 3}:
            restore(site.name, from_offsite=True)
            assert site.content() == second_content
    assert seen == expected
    before_restic("")
    report = copy_offsite(site.name)
    assert (report.copied, report.backups) == (0, 2)
    restore(site.name, from_offsite=True)
    assert site.content() == second_content
    assert site.leftovers() == []


def _mark_verified(site: Site, snapshot_id: str) -> None:
    """As a drill does."""
    runtime = OdooEnvironment.open(site.name)
    (snapshot,) = (found for found in runtime.snapshots(site.name) if found.id == snapshot_id)
    named = {"host": site.name, "snapshot": snapshot.first_id, "tree": snapshot.tree}
    runtime.host.run(store_mark(runtime.restic, runtime.repository, **named, mark=VERIFIED_TAG, text="[]"))
