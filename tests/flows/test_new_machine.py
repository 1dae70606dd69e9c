"""The machine is gone, and all that was on it: what is left is the repository elsewhere, and the environment file."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from backup_servers import RestServer
from prefect import flow
from pydantic import SecretStr
from real_sshd import RealSshd
from toolbox_site import both_runtimes

from blocks import BackupRepository, OdooEnvironment
from flows.backup import backup
from flows.drill import drill
from flows.restore import restore
from odoo_ops.commands import postgres
from odoo_ops.errors import PreconditionFailed, VerificationFailed
from odoo_ops.model.host import SshConnection
from odoo_ops.model.repository import FolderLocation, Repository
from tasks.identity import check_identity

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_NEWER = """#!/bin/sh
case "$*" in --version) echo 'pg_restore (PostgreSQL) 17.2' ;; *) exec {pg_restore} "$@" ;; esac
"""


@pytest.fixture
def rest(rest_server_program: Path, tmp_path: Path) -> Iterator[RestServer]:
    with RestServer.run(rest_server_program, tmp_path) as server:
        yield server


@pytest.fixture
def burned(sshd_program: Path, tmp_path_factory: pytest.TempPathFactory) -> SshConnection:
    """The way to a machine on which nothing answers any more."""
    with RealSshd.run(sshd_program, tmp_path_factory.mktemp("burned")) as sshd:
        return sshd.connection()


@both_runtimes
def test_environment_lives_on_where_it_was_set_up_anew(site: Site) -> None:
    """A new Odoo was seen there before the restore; the next backup finds the one that came back, and the copies."""
    _keep_copies(site)
    backup(site.name)
    before = site.content()
    site.lose_all()
    shutil.rmtree(site.folder / "repository")
    for left in Path(site.settings.state_dir).iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    site.create_database()
    site.filestore.mkdir(parents=True)
    site.fill()
    with site.connect() as connection:
        connection.execute("UPDATE ir_config_parameter SET value = 'a new one' WHERE key = 'database.uuid'")
    assert _seen(site.name)["database_uuid"] == "a new one"
    restore(site.name, from_offsite=True)
    assert site.content() == before
    report = backup(site.name)
    assert report.hashed_files == 20
    restore(site.name)
    assert site.content() == before


@pytest.mark.odoo
def test_backup_is_drilled_while_the_host_that_it_is_of_is_lost(
    odoo_site: Site, drill_site: Site, rest: RestServer, burned: SshConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """What it was when it was first seen cannot be asked; its description says that it is elsewhere."""
    name = odoo_site.name
    settings = Repository(name="elsewhere", location=rest.location(), password=SecretStr("another-password"))
    BackupRepository(settings=settings).save(f"{name}-repository", overwrite=True)
    odoo_site.register()
    backup(name)
    odoo_site.register_host(connection=burned)
    assert drill(name, drill_site.name).verified
    assert f"What {name} was when it was first seen is not compared: " in caplog.text


def test_backup_is_kept_and_restore_refused_where_pg_restore_loads_nothing_into_the_server(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_programs: Path
) -> None:
    """As with a toolbox of PostgreSQL 17 beside an older server: its dumps are good, but come back elsewhere alone."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("psql", "pg_dump", "vacuumdb"):
        (programs / name).symlink_to(postgres_programs / name)
    stand_in = programs / "pg_restore"
    stand_in.write_text(_NEWER.format(pg_restore=postgres_programs / "pg_restore"))
    stand_in.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "program_folders", lambda _major: [str(programs)])
        with pytest.raises(VerificationFailed, match=r"kept and proved, but .*restores nothing into a server of \d+"):
            backup(site.name)
        before = site.content()
        with pytest.raises(PreconditionFailed, match=r"Nothing was changed: .*--build-arg POSTGRES_VERSION=\d+"):
            restore(site.name)
        assert site.content() == before
    restore(site.name)


def _keep_copies(site: Site) -> None:
    name, location = f"{site.name}-offsite", FolderLocation(path=str(site.folder / "copies"))
    settings = Repository(name="elsewhere", location=location, password="another-password")
    BackupRepository(settings=settings).save(name, overwrite=True)
    environment = OdooEnvironment.load(site.name)
    environment.offsite = BackupRepository.load(name)
    environment.save(site.name, overwrite=True)


@flow
def _seen(name: str) -> dict[str, str]:
    return check_identity(name, needs_repository=False)
