"""Repositories elsewhere: S3, SFTP, an append-only rest-server; and a second one that holds copies."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from backup_servers import RestServer, S3Server, client, sftp_location
from prefect_aws import AwsCredentials
from pydantic import SecretStr
from real_processes import MarkedProcess
from real_sshd import RealSshd
from toolbox_site import both_runtimes_at_length

from blocks import BackupRepository, OdooEnvironment
from flows.backup import backup
from flows.copy_offsite import copy_offsite
from flows.restore import restore
from odoo_ops.errors import PreconditionFailed, Refused, VerificationFailed
from odoo_ops.model.repository import FolderLocation, Limits, Location, Repository, S3Keys
from odoo_ops.runtimes.new_repository import make_repository
from tasks.identity import forget_database

if TYPE_CHECKING:
    from conftest import Site, SiteMaker
else:
    Site = SiteMaker = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_PASSWORD = "another-password"
_UPLOADED_KIB, _UPLOAD_KIB_PER_SECOND = 3072, 512
_COMPOSE_AT_LENGTH = [pytest.mark.docker, pytest.mark.long]

# it makes a repository, which has no `config` yet for some seconds
_SLOW_INIT = """#!/bin/sh
case "$*" in
  *" init "*)
    {restic} "$@" && cd "$RESTIC_REPOSITORY" && mv config config-tmp-1 && sleep 10 && exec mv config-tmp-1 config ;;
esac
exec {restic} "$@"
"""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server.run(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def rest(rest_server_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestServer]:
    with RestServer.run(rest_server_program, tmp_path_factory.mktemp("rest")) as server:
        yield server


@pytest.fixture
def sshd(sshd_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSshd]:
    with RealSshd.run(sshd_program, tmp_path_factory.mktemp("sshd")) as running:
        yield running


def _block(name: str, location: Location, keys: S3Keys | None = None) -> BackupRepository:
    credentials = keys and AwsCredentials(
        aws_access_key_id=keys.access_key_id, aws_secret_access_key=keys.secret_access_key
    )
    if credentials:
        credentials.save(name, overwrite=True)
    settings = Repository(name="elsewhere", location=location, password=SecretStr(_PASSWORD))
    return BackupRepository(settings=settings, credentials=credentials and AwsCredentials.load(name))


def _use(site: Site, block: BackupRepository) -> None:
    block.save(f"{site.name}-repository", overwrite=True)
    site.register()


def _use_offsite(site: Site, block: BackupRepository) -> None:
    block.save(f"{site.name}-offsite", overwrite=True)
    environment = OdooEnvironment.load(site.name)
    environment.offsite = BackupRepository.load(f"{site.name}-offsite")
    environment.save(site.name, overwrite=True)


@pytest.mark.parametrize(
    ("runtime", "kind"),
    [
        ("native", "s3"),
        ("native", "sftp"),
        ("native", "rest"),
        pytest.param("compose", "s3", marks=pytest.mark.docker),
        pytest.param("compose", "sftp", marks=_COMPOSE_AT_LENGTH),
        pytest.param("compose", "rest", marks=_COMPOSE_AT_LENGTH),
    ],
    indirect=["runtime"],
)
def test_restore_brings_everything_back_when_the_repository_is_elsewhere(
    site: Site, runtime: str, kind: str, request: pytest.FixtureRequest
) -> None:
    match kind:
        case "s3":
            server: S3Server = request.getfixturevalue("s3")
            block = _block(site.name, server.location(prefix=site.name), server.keys)
        case "sftp":
            _refuse_nameless_user(runtime, request)
            block = _block(site.name, sftp_location(request.getfixturevalue("sshd"), site.folder / "far"))
        case _:
            block = _block(site.name, request.getfixturevalue("rest").location())
    _use(site, block)
    before = site.content()
    assert backup(site.name).hashed_files == 20
    again = backup(site.name)
    assert again.hashed_files == 0
    site.lose_all()
    assert restore(site.name).files == 20
    assert site.content() == before
    assert not (site.folder / "repository").exists()


def test_failure_says_what_to_do_when_the_keys_or_the_bucket_are_wrong(site: Site, s3: S3Server) -> None:
    wrong = S3Keys(access_key_id=s3.keys.access_key_id, secret_access_key=SecretStr("not-the-secret"))
    location = s3.location(prefix=site.name)
    _use(site, _block(site.name, location, wrong))
    with pytest.raises(PreconditionFailed, match=r"(?s)cannot be opened: .*Nothing was changed\. Next step: .*keys"):
        backup(site.name)
    _use(site, _block(site.name, location, s3.keys))
    backup(site.name)
    _use(site, _block(site.name, s3.location(bucket="not-there"), s3.keys))
    with pytest.raises(PreconditionFailed, match=r"There is no repository in .*not-there.* none was made"):
        backup(site.name)
    assert "not-there" not in str(client(s3.port, "s3", s3.keys).list_buckets()["Buckets"])


@pytest.mark.parametrize("region", ["us-east-1", pytest.param(None, marks=pytest.mark.long)])
def test_first_backup_and_first_copy_make_no_bucket_when_it_is_missing(
    site: Site, s3: S3Server, region: str | None
) -> None:
    missing = s3.location(bucket="not-made", prefix=site.name, region=region)
    said = r"There is no bucket not-made at .*none was made.* Next step: correct the name .* or make the bucket"
    main = OdooEnvironment.load(site.name).repository
    _use(site, _block(site.name, missing, s3.keys))
    with pytest.raises(PreconditionFailed, match=said):
        backup(site.name)
    _use(site, main)
    _use_offsite(site, _block(f"{site.name}-offsite", missing, s3.keys))
    with pytest.raises(PreconditionFailed, match=said):
        copy_offsite(site.name)
    assert "not-made" not in str(client(s3.port, "s3", s3.keys).list_buckets()["Buckets"])


@both_runtimes_at_length
@pytest.mark.parametrize("kind", ["s3", pytest.param("rest", marks=pytest.mark.long)])
def test_restore_from_the_copy_brings_everything_back_when_the_repository_is_lost(
    site: Site, kind: str, request: pytest.FixtureRequest
) -> None:
    backup(site.name)
    server = request.getfixturevalue(kind)
    keys = server.keys if kind == "s3" else None
    location = server.location(prefix=site.name) if kind == "s3" else server.location()
    _use_offsite(site, _block(f"{site.name}-offsite", location, keys))
    site.attach(b"made on the second day")
    before = site.content()
    backup(site.name)
    copies = OdooEnvironment.open(site.name, offsite=True).snapshots(site.name)
    assert [(copy.proved, copy.offsite) for copy in copies] == [(True, True), (True, True)]
    assert copy_offsite(site.name).copied == 0
    shutil.rmtree(site.folder / "repository")
    site.lose_all()
    with pytest.raises(PreconditionFailed, match="There is no repository"):
        restore(site.name)
    assert restore(site.name, from_offsite=True).files == 21
    assert site.content() == before
    assert site.leftovers() == []


def _refuse_nameless_user(runtime: str, request: pytest.FixtureRequest) -> None:
    """OpenSSH works for nobody whom its machine does not know; the image of a toolbox knows root."""
    if runtime == "compose":
        request.getfixturevalue("as_root")


@contextmanager
def _servers(kind: str, site: Site, request: pytest.FixtureRequest, folder: Path) -> Iterator[list[BackupRepository]]:
    """Two servers of one kind, each with keys of its own, and a repository on each."""
    names = [site.name, f"{site.name}-offsite"]
    with ExitStack() as stack:
        folders = [folder / name for name in names]
        for each in folders:
            each.mkdir()
        match kind:
            case "s3":
                buckets = [stack.enter_context(S3Server.run(each)) for each in folders]
                yield [_block(name, s3.location(), s3.keys) for name, s3 in zip(names, buckets, strict=True)]
            case "sftp":
                program: Path = request.getfixturevalue("sshd_program")
                machines = [stack.enter_context(RealSshd.run(program, each)) for each in folders]
                yield [
                    _block(name, sftp_location(sshd, each / "far"))
                    for name, sshd, each in zip(names, machines, folders, strict=True)
                ]
            case _:
                program = request.getfixturevalue("rest_server_program")
                passwords = ["first/password", "second:password"]
                rests = [
                    stack.enter_context(RestServer.run(program, each, password))
                    for each, password in zip(folders, passwords, strict=True)
                ]
                yield [_block(name, rest.location()) for name, rest in zip(names, rests, strict=True)]


@both_runtimes_at_length
@pytest.mark.parametrize(
    "kind", ["s3", pytest.param("sftp", marks=pytest.mark.long), pytest.param("rest", marks=pytest.mark.long)]
)
def test_copy_goes_to_a_server_of_the_same_kind_when_it_has_other_keys(
    site: Site, runtime: str, kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if kind == "sftp":
        _refuse_nameless_user(runtime, request)
    with _servers(kind, site, request, tmp_path_factory.mktemp("servers")) as (main, offsite):
        _use(site, main)
        _use_offsite(site, offsite)
        before = site.content()
        backup(site.name)
        (copy,) = OdooEnvironment.open(site.name, offsite=True).snapshots(site.name)
        assert (copy.proved, copy.offsite) == (True, True)
        site.lose_all()
        assert restore(site.name, from_offsite=True).files == 20
        assert site.content() == before
    assert site.leftovers() == []


def test_backup_is_kept_and_the_run_marked_when_the_copy_fails(
    site: Site, rest: RestServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = _block(f"{site.name}-offsite", rest.location())
    _use_offsite(site, block)
    backup(site.name)
    wrong = block.settings.model_copy(update={"password": SecretStr("not-the-password")})
    _use_offsite(site, BackupRepository(settings=wrong))
    with pytest.raises(
        PreconditionFailed,
        match=r"(?s)^The backup .{8} of .* is kept and proved.*cannot be opened.*wrong password.*Next step: ",
    ):
        backup(site.name)
    assert [snapshot.proved for snapshot in OdooEnvironment.open(site.name).snapshots(site.name)] == [True, True]
    _use_offsite(site, block)
    data = site.folder / "repository" / "data"
    data.rename(site.folder / "away")
    data.mkdir()
    with pytest.raises(VerificationFailed, match=r"(?s)are kept in main; .*Next step: .*`copy_offsite`"):
        copy_offsite(site.name)
    data.rmdir()
    (site.folder / "away").rename(data)
    monkeypatch.setattr("tasks.progress._EVERY_SECONDS", 0)
    assert copy_offsite(site.name).copied == 1
    assert re.search(r"Copying off-site, snapshot 1 of 2: 100 % \((\d+) packs of \1 packs", caplog.text)


@pytest.mark.parametrize(
    ("side", "flow"), [("repository", backup), pytest.param("offsite", copy_offsite, marks=pytest.mark.long)]
)
def test_refusal_says_what_to_delete_when_a_repository_was_moved_on_purpose(
    site: Site, side: str, flow: Callable[[str], object]
) -> None:
    """To where another one is, to where nothing is, and whole."""
    use = {"repository": _use, "offsite": _use_offsite}[side]
    for folder in ("another", "main"):
        _use(site, _block(site.name, FolderLocation(path=str(site.folder / folder))))
        make_repository(OdooEnvironment.open(site.name))
    marker = Path(site.settings.state_dir) / {"repository": "marker.json", "offsite": "marker-offsite.json"}[side]

    def move(folder: str) -> None:
        use(site, _block(f"{site.name}-{side}", FolderLocation(path=str(site.folder / folder))))

    move("first")
    backup(site.name)
    move("another")
    said = rf"{side} was .* and is .*`restic snapshots` lists there .*: delete {marker} on here and run again"
    with pytest.raises(Refused, match=said):
        flow(site.name)
    move("nothing")
    said = rf"There is no repository in .*/nothing on here: there is nothing\..*delete {marker} on here and run again"
    with pytest.raises(PreconditionFailed, match=said):
        flow(site.name)
    assert not (site.folder / "nothing").exists()
    shutil.copytree(site.folder / "first", site.folder / "moved")
    move("moved")
    flow(site.name)
    move("nothing")
    marker.unlink()
    flow(site.name)
    assert (site.folder / "nothing" / "config").exists()
    assert side in json.loads(marker.read_text())


def test_copies_follow_the_environments_own_marker(site: Site) -> None:
    """A move forgets the database that was there; another PostgreSQL is refused, whichever repository is worked on."""
    _use_offsite(site, _block(f"{site.name}-offsite", FolderLocation(path=str(site.folder / "copies"))))
    backup(site.name)
    forget_database(site.name)
    with site.connect() as connection:
        connection.execute("UPDATE ir_config_parameter SET value = 'another' WHERE key = 'database.uuid'")
    backup(site.name)
    assert copy_offsite(site.name).copied == 0
    marker = Path(site.settings.state_dir) / "marker.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "system_identifier": "another"}))
    with pytest.raises(Refused, match=rf"system_identifier was another .*delete {marker} on here"):
        restore(site.name, from_offsite=True)


def test_first_backups_of_two_environments_share_a_repository_when_both_begin_at_once(
    site: Site, make_site: SiteMaker, start: Callable[[str], MarkedProcess], restic: Path
) -> None:
    """One makes it; the other waits for it, and makes none."""
    other, repository = make_site(), site.folder / "repository"
    other.create_database()
    other.filestore.mkdir()
    other.fill()
    slow = site.folder / "slow-restic"
    slow.write_text(_SLOW_INIT.format(restic=restic))
    slow.chmod(0o755)
    site.register_host(restic=str(slow))
    first = start("backup")
    first.wait_until((repository / "config-tmp-1").exists, "the repository is being made")
    assert backup(other.name).files > 0
    assert first.end(120) == 0, first.log()
    (_key,) = (repository / "keys").iterdir()


def test_upload_takes_its_time_when_the_repository_has_a_limit(site: Site, rest: RestServer, restic: Path) -> None:
    """restic's own seconds, at least: what a limit gives at once is a second's worth, and what is sent is more."""
    settings = _block(site.name, rest.location()).settings
    limits = Limits(upload_kib_per_second=_UPLOAD_KIB_PER_SECOND)
    _use(site, BackupRepository(settings=settings.model_copy(update={"limits": limits})))
    site.attach(os.urandom(_UPLOADED_KIB * 1024))
    stored = backup(site.name).snapshot_id
    told = subprocess.run(
        [restic, "snapshots", "--json", stored],
        env={**os.environ, "RESTIC_REPOSITORY": str(rest.folder / "odoo"), "RESTIC_PASSWORD": _PASSWORD},
        check=True,
        capture_output=True,
    ).stdout
    (snapshot,) = json.loads(told)
    begun, ended = (datetime.fromisoformat(snapshot["summary"][f"backup_{moment}"]) for moment in ("start", "end"))
    assert (ended - begun).total_seconds() > 0.75 * _UPLOADED_KIB / _UPLOAD_KIB_PER_SECOND


def test_repository_is_made_at_the_root_of_a_new_disk(site: Site) -> None:
    (site.folder / "disk" / "lost+found").mkdir(parents=True)
    _use(site, _block(site.name, FolderLocation(path=str(site.folder / "disk"))))
    assert backup(site.name).damaged_total == 0


def test_copy_is_refused_when_both_are_one_repository(site: Site) -> None:
    _use_offsite(site, _block(f"{site.name}-offsite", FolderLocation(path=str(site.folder / "repository"))))
    with pytest.raises(Refused, match="where the backups are"):
        copy_offsite(site.name)
