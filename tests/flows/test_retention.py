"""Backups are forgotten, space is freed, the repository is checked and its password changed: on real repositories.

A script in front of restic gives snapshots an older time (`restic backup --time`), and holds a command so that a run
can be killed at it.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from backup_servers import RestServer
from killed_runs import Ended, killed_runs
from prefect.artifacts import Artifact
from pydantic import SecretStr
from real_processes import MarkedProcess, wait_until
from toolbox_site import both_runtimes_at_length, put_program

from blocks import BackupRepository, OdooEnvironment
from flows.backup import backup
from flows.check_repository import check_repository
from flows.copy_offsite import copy_offsite
from flows.drill import drill
from flows.forget import forget
from flows.prune import prune
from flows.restore import restore
from flows.rotate_repository_key import rotate_repository_key
from odoo_ops.commands import repositories
from odoo_ops.commands import restic as restic_commands
from odoo_ops.errors import CommandFailed, PreconditionFailed, Refused, VerificationFailed
from odoo_ops.model.environment import Objectives, Retention
from odoo_ops.model.repository import FolderLocation, Repository
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.model.snapshot import PROOF_TAG, VERIFIED_TAG
from odoo_ops.runtimes.new_repository import make_repository
from tasks.trends import read_history

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_RESTIC = """#!/bin/sh
for word; do
  shift
  set -- "$@" "$word"
  if [ "$word" = backup ] && [ -s {folder}/time ]; then set -- "$@" "--time=$(cat {folder}/time)"; fi
done
case "$*" in
  $(cat {folder}/hold)) exec sleep 600 ;;
esac
exec {restic} "$@"
"""

PASSWORD = "repository-password"
_DAMAGED = r"(?s)restic .*ended with status .*Next step: .*is damaged, restore another snapshot .*`check_repository`"


class Repo:
    """The repository of a site, as restic alone sees it, and the script in front of restic."""

    def __init__(self, site: Site, program: Path) -> None:
        self.site, self.program, self.folder = site, program, site.folder / "repository"
        script = site.folder / "restic"
        project = site.settings.runtime if isinstance(site.settings.runtime, ComposeProject) else None
        script.write_text(_RESTIC.format(folder=site.folder, restic="/usr/bin/restic" if project else program))
        script.chmod(0o755)
        (site.folder / "hold").write_text("none")
        if project:
            put_program(project, script, "/usr/local/bin/restic")
        else:
            site.register_host(restic=str(script))

    def __call__(self, *arguments: str, password: str = PASSWORD, check: bool = True) -> str:
        environment = {**os.environ, "RESTIC_REPOSITORY": str(self.folder), "RESTIC_PASSWORD": password}
        done = subprocess.run(
            [self.program, *arguments],
            env=environment,
            cwd=self.site.folder,  # `repair packs` keeps a copy of each there
            check=check,
            capture_output=True,
            text=True,
        )
        return done.stdout if done.returncode == 0 else f"status {done.returncode}: {done.stderr}"

    def back_up(self, days_ago: float) -> str:
        taken_at = datetime.now().astimezone() - timedelta(days=days_ago)
        (self.site.folder / "time").write_text(f"{taken_at:%Y-%m-%d %H:%M:%S}")
        snapshot = backup(self.site.name).snapshot_id
        (self.site.folder / "time").write_text("")
        return snapshot

    def store(self, days_ago: float, *, proved: bool = True) -> str:
        """As `back_up` leaves it, but quicker, and there is nothing in it to restore."""
        taken_at = f"{datetime.now().astimezone() - timedelta(days=days_ago):%Y-%m-%d %H:%M:%S}"
        options = (f"--time={taken_at}", f"--host={self.site.name}", "--tag=odoo-ops", "--json", "--quiet")
        summary = self("backup", *options, str(self.site.folder / "hold")).splitlines()[-1]
        snapshot = str(json.loads(summary)["snapshot_id"])
        if proved:
            self.mark(snapshot, PROOF_TAG)
        return snapshot

    def mark(self, snapshot: str, mark: str) -> None:
        runtime = OdooEnvironment.open(self.site.name)
        command = restic_commands.store_mark(
            runtime.restic,
            runtime.repository,
            host=self.site.name,
            snapshot=snapshot,
            tree=self.tree(snapshot),
            mark=mark,
            text="[]",
        )
        runtime.host.run(command)

    def tree(self, snapshot: str) -> str:
        return str(json.loads(self("cat", "snapshot", snapshot))["tree"])

    def pack_of(self, snapshot: str, file: Path) -> tuple[Path, int]:
        """Where the first piece of a file's content is stored, and where in that pack: it holds others' pieces, too."""
        folder = json.loads(self("cat", "tree", f"{snapshot}:{file.parent}"))
        (piece, *_) = next(node["content"] for node in folder["nodes"] if node["name"] == file.name)
        indexes = (json.loads(self("cat", "index", name)) for name in self("list", "index").split())
        packs = (pack for index in indexes for pack in index["packs"])
        pack, offset = next((p["id"], b["offset"]) for p in packs for b in p["blobs"] if b["id"] == piece)
        return self.folder / "data" / pack[:2] / pack, offset

    def flip_a_bit(self, snapshot: str, file: Path) -> Path:
        """The pack that was changed."""
        stored, offset = self.pack_of(snapshot, file)
        content = bytearray(stored.read_bytes())
        content[offset + 1] ^= 1
        stored.chmod(0o600)
        stored.write_bytes(content)
        return stored

    def hold(self, pattern: str) -> None:
        (self.site.folder / "hold").write_text(pattern)

    def snapshots(self) -> dict[str, list[str]]:
        """Tags of every snapshot and mark, by id."""
        return {entry["id"]: entry.get("tags", []) for entry in json.loads(self("snapshots", "--json"))}

    def marks_of(self, snapshot: str) -> int:
        return sum(f"of-{snapshot}" in tags for tags in self.snapshots().values())

    def files(self) -> dict[str, int]:
        return {
            str(file): file.stat().st_size
            for file in self.folder.rglob("*")
            if file.is_file() and file.parent.name != "locks"
        }

    def register(self, **changes: object) -> None:
        name = f"{self.site.name}-repository"
        settings = BackupRepository.load(name).settings
        BackupRepository(settings=settings.model_copy(update=changes)).save(name, overwrite=True)


@pytest.fixture
def repo(site: Site, restic: Path) -> Repo:
    return Repo(site, restic)


def _keep_two_days(site: Site) -> None:
    retention = Retention(keep_daily=2, keep_weekly=0, keep_monthly=0, keep_yearly=0)
    backup_policy = site.settings.backup.model_copy(update={"retention": retention})
    site.register(backup=backup_policy, objectives=Objectives(rpo_minutes=30 * 24 * 60))  # days lie between backups


def _name_offsite(site: Site, name: str) -> None:
    environment = OdooEnvironment.load(site.name)
    environment.offsite = BackupRepository.load(name)  # type: ignore[union-attr]
    environment.save(site.name, overwrite=True)  # type: ignore[union-attr]


def test_backup_is_kept_and_the_run_marked_when_the_clock_was_set_back_an_hour(site: Site, repo: Repo) -> None:
    ahead = repo.back_up(days_ago=-1 / 24)
    repo.mark(ahead, VERIFIED_TAG)
    site.attach(b"made after the backup that has the later time")
    present = site.content()
    with pytest.raises(VerificationFailed, match=r"(?s)kept and proved, but a clock was set back.*Next step: "):
        backup(site.name)
    figures = read_history(site.name).backups[-1]
    assert (figures.gap_seconds or 0) >= 0
    assert figures.verified_age_seconds is None  # of the future
    _keep_two_days(site)
    plan = forget(site.name, dry_run=False).plan
    assert [backup.proved for backup in plan.kept] == [True, True]
    assert plan.kept[0].id == ahead
    with pytest.raises(PreconditionFailed, match=rf"{ahead[:8]} of .*, is of the future: .*Next step: set the clocks"):
        restore(site.name)
    restore(site.name, plan.kept[1].short_id)
    assert site.content() == present

    repo("rewrite", "--new-time=2026-01-01 00:00:00", "--forget", ahead)
    snapshots = OdooEnvironment.open(site.name).snapshots(site.name)
    assert [(snapshot.first_id, snapshot.proved) for snapshot in snapshots] == [(plan.kept[1].id, True), (ahead, True)]
    assert restore(site.name).snapshot_id == plan.kept[1].id


@both_runtimes_at_length
def test_forget_shows_its_plan_then_forgets_and_what_is_kept_can_be_restored(site: Site, repo: Repo) -> None:
    _keep_two_days(site)
    content = site.content()
    verified = repo.back_up(20)
    repo.mark(verified, VERIFIED_TAG)  # as a drill does
    site.attach(b"made after the verified backup")
    superseded, earlier, newest = repo.store(11), repo.store(10), repo.store(0)
    files = repo.files()

    plan = forget(site.name).plan
    assert repo.files() == files
    assert [backup.id for backup in plan.forgotten] == [superseded]
    assert [(backup.id, backup.verified) for backup in plan.kept] == [
        (newest, False),
        (earlier, False),
        (verified, True),
    ]
    page = str(Artifact.get(f"forget-{site.name}").data)  # type: ignore[union-attr]
    assert "1 of 4 backups would be forgotten" in page
    assert f"`restic forget {superseded[:8]}`" in page

    report = forget(site.name, dry_run=False)
    assert (report.not_applied, report.plan.marks) == (None, 1)
    assert superseded not in repo.snapshots()
    assert [repo.marks_of(snapshot) for snapshot in (verified, superseded, earlier, newest)] == [2, 0, 1, 1]
    assert len(repo.snapshots()) == 7
    assert f"| `{verified[:8]}` | proved, verified | kept | newest verified |" in str(
        Artifact.get(f"forget-{site.name}").data  # type: ignore[union-attr]
    )
    table = json.loads(str(Artifact.get(f"forget-{site.name}-backups").data))  # type: ignore[union-attr]
    assert [row["decision"] for row in table] == ["kept", "kept", "goes", "kept"]

    assert forget(site.name, dry_run=False).plan.forgotten == []
    site.lose_all()
    restore(site.name, verified)
    assert site.content() == content
    assert site.leftovers() == []


def test_copy_does_not_bring_back_what_was_forgotten_off_site(site: Site, repo: Repo) -> None:
    _keep_two_days(site)
    fewer = Retention(keep_daily=1, keep_weekly=0, keep_monthly=0, keep_yearly=0)
    site.register(backup=site.settings.backup.model_copy(update={"offsite_retention": fewer}))
    location = FolderLocation(path=str(site.folder / "copies"))
    settings = Repository(name="copies", location=location, password=SecretStr("another-password"))
    BackupRepository(settings=settings).save(f"{site.name}-offsite", overwrite=True)
    environment = OdooEnvironment.load(site.name)
    environment.offsite = BackupRepository.load(f"{site.name}-offsite")  # type: ignore[union-attr]
    environment.save(site.name, overwrite=True)  # type: ignore[union-attr]

    def copies() -> list[str]:
        return [copy.first_id for copy in OdooEnvironment.open(site.name, offsite=True).snapshots(site.name)]

    def kept() -> list[str]:
        return [backup.id for backup in OdooEnvironment.open(site.name).snapshots(site.name)]

    older, newer = repo.back_up(3), repo.back_up(2)
    assert copies() == [newer, older], "each was the newest when it was copied"
    assert [backup.first_id for backup in forget(site.name, dry_run=False, offsite=True).plan.forgotten] == [older]
    forget(site.name, dry_run=False)
    assert kept() == [newer, older]
    report = copy_offsite(site.name)
    assert (report.copied, report.backups, copies()) == (0, 1, [newer])
    newest = repo.back_up(0)
    assert copies() == [newest, newer]
    assert restore(site.name, from_offsite=True).snapshot_id != newest, "it is the copy's own id"
    assert site.leftovers() == []


def test_forget_passes_when_the_runs_before_were_killed_at_every_step(site: Site, repo: Repo) -> None:
    """Each run finds one more backup to forget than the runs before it have forgotten."""
    _keep_two_days(site)
    content, newest, kept = site.content(), repo.back_up(0), repo.store(2)
    superseded, places = [repo.store(30)], []
    with killed_runs("forget", site.name, "false", folder=site.folder) as runs:
        for run in runs:
            site.free_limit()
            places.append(run.place)
            present, forgotten = repo.snapshots(), "before forget_backups" in places[:-1]
            assert {newest, kept} <= present.keys(), run
            assert [snapshot in present for snapshot in superseded] == [not forgotten] * len(superseded), run
            if run.place:
                superseded = [*([] if forgotten else superseded), repo.store(30 + len(places))]
    assert run == Ended(None, 0), runs.log()
    assert "before forget_orphaned_marks" in places
    assert [repo.marks_of(snapshot) for snapshot in (newest, kept)] == [1, 1]
    assert len(repo.snapshots()) == 4
    assert site.leftovers() == []
    site.lose_all()
    assert restore(site.name).snapshot_id == newest
    assert site.content() == content


def test_repository_that_another_run_does_not_leave_is_told_as_such(
    site: Site, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not as one that does not answer."""
    make_repository(OdooEnvironment.open(site.name))
    monkeypatch.setattr(repositories, "_PATIENCE", "--retry-lock=1s")
    said = r"(?s)status 11 .*Next step: another run works in the repository main,.*`restic unlock --remove-all`"
    argv = [repo.program, "--repo", repo.folder, "backup", "--stdin"]
    environment = {**os.environ, "RESTIC_PASSWORD": PASSWORD}
    with subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as other:
        wait_until(lambda: any((repo.folder / "locks").iterdir()), lambda: "no lock", 60)
        with pytest.raises(CommandFailed, match=said):
            prune(site.name, dry_run=False)
        other.communicate(b"what it waited for")
    assert other.returncode == 0
    assert not prune(site.name, dry_run=False).dry_run


def test_append_only_repository_is_only_looked_at(site: Site, repo: Repo) -> None:
    _keep_two_days(site)
    make_repository(OdooEnvironment.open(site.name))
    for days_ago in (20, 10, 5):
        repo.store(days_ago)
    repo.register(append_only=True)
    files = repo.files()
    report = forget(site.name, dry_run=False)
    assert "append-only" in str(report.not_applied)
    assert len(report.plan.forgotten) == 1
    pruned = prune(site.name, dry_run=False, return_state=True)
    assert (pruned.is_completed(), pruned.name) == (True, "NothingToFree")
    assert "append-only" in str(pruned.message)
    assert repo.files() == files
    repo.register(append_only=False, object_lock_days=30)
    assert forget(site.name, dry_run=False).plan.forgotten == []


def test_forget_says_what_to_set_when_the_server_is_append_only_and_nobody_said_so(
    site: Site, restic: Path, rest_server_program: Path
) -> None:
    """restic ends with status 0 there, although it deleted nothing. The off-site repository is that server's."""
    with RestServer.run(rest_server_program, site.folder) as server:
        name, location = f"{site.name}-offsite", server.location()
        settings = Repository(name="elsewhere", location=location, password=SecretStr(PASSWORD))
        BackupRepository(settings=settings).save(name)
        _name_offsite(site, name)
        repo = Repo(site, restic)
        kept = repo.back_up(0)
        for days_ago in (20, 10, 5):
            repo.store(days_ago)
        copy_offsite(site.name)
        _keep_two_days(site)  # earlier only the two of them would have been copied
        _name_offsite(site, name)
        assert len(forget(site.name, dry_run=False).plan.forgotten) == 2

        before = {path: path.stat().st_size for path in server.folder.rglob("*") if "locks" not in path.parts}
        plan = forget(site.name, offsite=True).plan
        assert (len(plan.forgotten), plan.kept[0].first_id) == (2, kept)
        with pytest.raises(VerificationFailed, match=r"restic did not forget .*`append_only: true`"):
            forget(site.name, dry_run=False, offsite=True)
        BackupRepository(settings=settings.model_copy(update={"append_only": True})).save(name, overwrite=True)
        assert "append-only" in str(forget(site.name, dry_run=False, offsite=True).not_applied)
        pruned = prune(site.name, dry_run=False, offsite=True, return_state=True)
        assert (pruned.name, "elsewhere is append-only" in str(pruned.message)) == ("NothingToFree", True)
        assert check_repository(site.name, weeks=1, offsite=True).checks[0].outcome == "passed"
        assert {path: path.stat().st_size for path in server.folder.rglob("*") if "locks" not in path.parts} == before
        assert Artifact.get(f"forget-{site.name}-offsite") is not None

        new = {"password": SecretStr("the-new-password"), "former_password": SecretStr(PASSWORD), "append_only": True}
        BackupRepository(settings=settings.model_copy(update=new)).save(name, overwrite=True)
        with pytest.raises(PreconditionFailed, match="rotate_repository_key with offsite"):
            copy_offsite(site.name)
        added, removed = rotate_repository_key(site.name, offsite=True).checks
        assert (added.outcome, removed.outcome) == ("passed", "not measured")
        assert "append-only: run `restic key remove" in removed.detail
        copy_offsite(site.name)


def test_prune_frees_what_was_forgotten_and_restore_still_works(site: Site, repo: Repo) -> None:
    _keep_two_days(site)
    large = site.attach(os.urandom(3_000_000))
    repo.back_up(20)
    with site.connect() as connection:
        connection.execute("DELETE FROM ir_attachment WHERE id = (SELECT max(id) FROM ir_attachment)")
    large.unlink()
    content = site.content()
    repo.store(3)
    repo.back_up(0)
    forget(site.name, dry_run=False)
    files = repo.files()
    shown = prune(site.name).space
    assert repo.files() == files
    freed = prune(site.name, dry_run=False, max_unused_percent=0).space
    assert shown.freed_bytes is not None
    assert freed.freed_bytes is not None
    assert freed.freed_bytes >= shown.freed_bytes > 2_900_000
    assert sum(files.values()) - sum(repo.files().values()) > 2_900_000
    assert "MB freed" in str(Artifact.get(f"prune-{site.name}").data)  # type: ignore[union-attr]
    repo("check", "--read-data")
    site.lose_all()
    restore(site.name)
    assert site.content() == content
    assert site.leftovers() == []


def _marked(site: Site) -> list[tuple[str, bool, bool]]:
    """First id of each backup, and whether it is proved and verified."""
    backups = OdooEnvironment.open(site.name).snapshots(site.name)
    return [(backup.first_id, backup.proved, backup.verified) for backup in backups]


def test_check_repository_finds_one_flipped_bit_and_its_advice_mends_it(site: Site, repo: Repo) -> None:
    attached = site.attach(os.urandom(3_000_000))
    first = repo.back_up(2)
    repo.mark(first, VERIFIED_TAG)
    (check,) = check_repository(site.name, weeks=1).checks
    assert (check.outcome, check.name) == ("passed", "Structure, and part 1/1 of all packs")
    assert "packs read" in check.detail

    pack = repo.flip_a_bit(first, attached)
    with pytest.raises(VerificationFailed) as failure:
        check_repository(site.name, weeks=1)
    message = str(failure.value)
    assert f"Affected: {first[:8]} (1 snapshots)" in message
    assert f"1 files: {attached}." in message
    assert f"`restic repair packs {pack.name}`" in message
    assert "DAMAGED" in str(Artifact.get(f"check-repository-{site.name}").data)  # type: ignore[union-attr]

    repo("repair", "packs", pack.name, check=False)
    shutil.copytree(repo.folder, site.folder / "aside")
    repo("repair", "snapshots", "--forget")  # what is lost is lost: nothing was stored again
    assert _marked(site) == [(first, False, False)]
    shutil.rmtree(repo.folder)
    (site.folder / "aside").rename(repo.folder)

    with pytest.raises(VerificationFailed, match=r"storing the file again[\s\S]* were stored again now"):
        backup(site.name)
    newest = repo.back_up(0)
    (check,) = check_repository(site.name, weeks=1).checks
    assert check.outcome == "passed"
    repo("repair", "snapshots", "--forget")
    assert [marked for marked in _marked(site) if marked[1]] == [(newest, True, False), (first, True, True)]
    present = site.content()
    site.lose_all()
    assert restore(site.name).snapshot_id == newest
    assert site.content() == present


def test_restore_and_drill_fail_and_change_nothing_when_a_bit_flipped_in_the_repository(
    site: Site, repo: Repo, make_site: Callable[..., Site]
) -> None:
    """Where an attachment's content is stored, and where the dump is."""
    attached, trial = site.attach(os.urandom(3_000_000)), make_site()
    snapshot = backup(site.name).snapshot_id
    site.attach(b"made after the backup")
    present = site.content()
    for file in (attached, Path(site.settings.spool, "dump", "toc.dat")):
        repo.flip_a_bit(snapshot, file)
        with pytest.raises(CommandFailed, match=_DAMAGED):
            restore(site.name)
        with pytest.raises(VerificationFailed, match=rf"(?s){snapshot[:8]} does not restore.*`check_repository`"):
            drill(site.name, trial.name)
        assert site.content() == present
        assert site.made_databases() == []
        assert [*site.leftovers(), *trial.leftovers()] == []
        assert _marked(site) == [(snapshot, True, False)]
        repo.flip_a_bit(snapshot, file)
    assert restore(site.name).snapshot_id == snapshot, "both bits were flipped back"


def test_drill_refutes_a_backup_whose_pack_is_gone_or_cut_short(
    site: Site, repo: Repo, make_site: Callable[..., Site]
) -> None:
    attached, trial = site.attach(os.urandom(20_000_000)), make_site()
    snapshot = backup(site.name).snapshot_id
    dump = Path(site.settings.spool, "dump", "toc.dat")
    missing, short = "no such file or directory", "too short"
    for file, said in ((attached, missing), (dump, missing), (attached, short)):
        (pack, _offset), away = repo.pack_of(snapshot, file), site.folder / "pack"
        pack.rename(away)
        if said == short:
            pack.write_bytes(away.read_bytes()[:10])
        refuted = rf"(?s){snapshot[:8]} does not restore.*{said}.*`check_repository`"
        with pytest.raises(VerificationFailed, match=refuted):
            drill(site.name, trial.name)
        assert [*site.leftovers(), *trial.leftovers()] == []
        assert _marked(site) == [(snapshot, True, False)]
        away.rename(pack)
    assert restore(site.name).snapshot_id == snapshot, "all is back"


def test_rotation_is_repeated_when_it_was_killed_before_the_former_key_was_removed(
    site: Site, repo: Repo, start: Callable[..., MarkedProcess]
) -> None:
    repo.back_up(0)
    new = "canary-the-new-password"
    with pytest.raises(Refused, match="has no `former_password`"):
        rotate_repository_key(site.name)
    repo.register(password=SecretStr(new), former_password=SecretStr("canary-wrong"))
    with pytest.raises(PreconditionFailed, match="Neither `password` nor `former_password`") as failure:
        rotate_repository_key(site.name)
    assert "canary-" not in str(failure.value)
    repo.register(former_password=SecretStr(PASSWORD))
    with pytest.raises(PreconditionFailed, match="rotate_repository_key"):
        backup(site.name)

    repo.hold("* key remove *")
    run = start("rotate_repository_key")
    run.wait_for_child("sleep", "600")
    assert not [command for command in run.children().values() if "canary-" in command]
    run.kill()
    assert "canary-" not in run.log()
    assert len(json.loads(repo("key", "list", "--json"))) == 2
    assert len(json.loads(repo("key", "list", "--json", password=new))) == 2

    repo.hold("none")
    site.free_limit()
    added, removed = rotate_repository_key(site.name).checks
    assert (added.detail, removed.outcome) == ("it did already", "passed")
    assert repo("cat", "config", check=False).startswith("status 12")
    assert len(json.loads(repo("key", "list", "--json", password=new))) == 1
    assert rotate_repository_key(site.name).checks[1].detail == "it did not before"
    page = str(Artifact.get(f"rotate-repository-key-{site.name}").data)  # type: ignore[union-attr]
    assert "opened by its new password" in page
    assert "The key that encrypts the data is the same as before" in page
    repo.register(former_password=None)
    backup(site.name)
    assert site.leftovers() == []


def test_stale_lock_of_a_dead_process_is_settled(site: Site, repo: Repo) -> None:
    make_repository(OdooEnvironment.open(site.name))
    locks = repo.folder / "locks"
    environment = {**os.environ, "RESTIC_REPOSITORY": str(repo.folder), "RESTIC_PASSWORD": PASSWORD}
    with subprocess.Popen([repo.program, "backup", "--stdin"], stdin=subprocess.PIPE, env=environment) as process:
        wait_until(lambda: [lock for lock in locks.iterdir() if "-tmp-" not in lock.name], "restic locks nothing")
        process.kill()
    assert list(locks.iterdir())
    assert prune(site.name).dry_run
    assert list(locks.iterdir()) == []
