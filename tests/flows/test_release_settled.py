"""A release that died while it was put in place is settled by the next run of any flow."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prefect import flow

from blocks import OdooEnvironment
from odoo_ops.adapters import cluster
from odoo_ops.adapters.modules import read_database_oid
from odoo_ops.model.release import ReleaseRecord
from odoo_ops.policy.dumps import kept_mark, made_name, scratch_mark
from odoo_ops.runtimes import release_records
from tasks.identity import check_identity
from tasks.leftovers import settle_leftovers

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


@flow
def _settle(name: str) -> list[str]:
    check_identity(name, needs_repository=False)
    return settle_leftovers(name)


def _number(site: Site) -> int:
    """PostgreSQL's own of the environment's database."""
    with site.connect() as connection:
        return read_database_oid(connection)


def _links(folder: Path) -> tuple[Path, Path]:
    """Two links, the first of which leads to the new commit already: where a run died between them."""
    one, two = folder / "one", folder / "two"
    one.symlink_to(folder / "new")
    two.symlink_to(folder / "old")
    return one, two


def _record(folder: Path, scratch: str | None, kept: str | None) -> ReleaseRecord:
    names = ("one", "two")
    return ReleaseRecord(
        at=datetime.now(UTC),
        addons={str(folder / name): str(folder / "new") for name in names},
        former={str(folder / name): str(folder / "old") for name in names},
        scratch=scratch,
        kept_database=kept,
    )


@pytest.mark.parametrize("died", ["before", "within", "after"])
def test_interrupted_release_is_undone_before_its_swap_and_finished_after_it(site: Site, died: str) -> None:
    runtime, now = OdooEnvironment.open(site.name), datetime.now(UTC)
    settings = runtime.environment
    Path(settings.state_dir).mkdir()
    scratch, kept = (made_name(kind, settings.database.name, now) for kind in ("scratch", "kept"))
    links = _links(site.folder)
    number = _number(site)
    with site.admin() as connection:
        cluster.clone_database(
            connection,
            settings.database.name,
            scratch,
            owner=settings.database.user,
            mark=scratch_mark(site.name),
        )
        release_records.write_journal(runtime, _record(site.folder, scratch, kept))
        swap = {"scratch": scratch, "kept": kept, "replaced": True, "was_running": False}
        Path(settings.swap_journal).write_text(json.dumps(swap))
        if died == "within":
            cluster.keep_out(connection, settings.database.name)
        if swapped := died == "after":
            cluster.swap_databases(
                connection,
                scratch=scratch,
                target=settings.database.name,
                kept=kept,
                kept_mark=kept_mark(site.name, now, 1),
            )
    done = _settle(site.name)
    assert ("finished an interrupted release" in done) == swapped
    assert {link.readlink().name for link in links} == {"new" if swapped else "old"}
    assert [record.kept_database for record in release_records.read_records(runtime)] == ([kept] if swapped else [])
    assert site.made_databases() == ([kept] if swapped else [])
    assert not Path(settings.release_journal).exists()
    assert (_number(site) != number) == swapped
    assert _settle(site.name) == []


def test_release_that_is_on_record_already_is_finished(site: Site) -> None:
    """Killed between its record and the end of its journal, where no module is updated."""
    runtime, links = OdooEnvironment.open(site.name), _links(site.folder)
    Path(runtime.environment.state_dir).mkdir()
    release_records.write_journal(runtime, record := _record(site.folder, None, None))
    release_records.finish(runtime)
    release_records.write_journal(runtime, record)
    assert "finished an interrupted release" in _settle(site.name)
    assert {link.readlink().name for link in links} == {"new"}
    assert [found.at for found in release_records.read_records(runtime)] == [record.at]


def test_copy_that_was_cut_off_before_its_mark_is_dropped(site: Site) -> None:
    Path(site.settings.state_dir).mkdir()
    name = made_name("scratch", site.settings.database.name, datetime.now(UTC))
    with site.admin() as connection:
        connection.execute(f'CREATE DATABASE "{name}" IS_TEMPLATE true')
    assert f"dropped database {name}" in _settle(site.name)
    assert site.made_databases() == []


def test_interrupted_release_without_a_module_to_update_is_undone(site: Site) -> None:
    runtime, links = OdooEnvironment.open(site.name), _links(site.folder)
    Path(runtime.environment.state_dir).mkdir()
    release_records.write_journal(runtime, _record(site.folder, None, None))
    assert "undid a release interrupted before it was put in place" in _settle(site.name)
    assert {link.readlink().name for link in links} == {"old"}
    assert release_records.read_records(runtime) == ()
