"""Flows on a host that is reached by a real SSH server: what they do is the same, and what they start ends there."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from real_processes import processes_with, wait_until
from real_sshd import RealSshd, make_key, public_part

from blocks import OdooEnvironment
from flows.backup import backup
from flows.drill import drill
from flows.restore import restore
from odoo_ops.errors import Refused, TransientError

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.sshd]


@pytest.fixture
def sshd(sshd_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSshd]:
    with RealSshd.run(sshd_program, tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def far_site(site: Site, sshd: RealSshd) -> Site:
    site.register_host(name="far", connection=sshd.connection(), python=sys.executable)
    return site


def test_restore_brings_everything_back_when_the_host_is_reached_by_ssh(far_site: Site, sshd: RealSshd) -> None:
    before = far_site.content()
    assert backup(far_site.name).hashed_files == 20
    far_site.lose_all()
    assert restore(far_site.name).files == 20
    assert far_site.content() == before
    assert far_site.leftovers() == []
    assert processes_with(sshd.mark) == {}


@pytest.mark.odoo
def test_drill_boots_odoo_where_its_host_is_and_ends_it(odoo_site: Site, drill_site: Site, sshd: RealSshd) -> None:
    for site in (odoo_site, drill_site):
        site.register_host(name="far", connection=sshd.connection(), python=sys.executable)
    backup(odoo_site.name)
    report = drill(odoo_site.name, drill_site.name)
    assert [check for check in report.checks if check.outcome == "failed"] == []
    assert report.verified
    assert drill_site.leftovers() == []
    assert processes_with(sshd.mark) == {}


@pytest.mark.parametrize("run", [backup, restore])
def test_flow_is_refused_and_changes_nothing_when_the_host_key_changed(
    far_site: Site, sshd: RealSshd, run: Callable[[str], object]
) -> None:
    before = far_site.content()
    known_hosts = f"[127.0.0.1]:{sshd.port} {public_part(make_key(far_site.folder / 'other'))}"
    far_site.register_host(connection=sshd.connection(known_hosts=known_hosts))
    with pytest.raises(Refused, match=r"has changed: .*Nothing was sent. Next step: verify this fingerprint"):
        run(far_site.name)
    assert far_site.content() == before
    assert not Path(far_site.settings.state_dir).exists()
    assert not (far_site.folder / "repository").exists()


def test_backup_leaves_nothing_running_when_the_connection_is_cut_in_the_dump(far_site: Site, sshd: RealSshd) -> None:
    with far_site.pg_dump_held() as pg_dump_waits, ThreadPoolExecutor(1) as pool:
        run = pool.submit(copy_context().run, backup, far_site.name)
        wait_until(lambda: run.done() or pg_dump_waits(), "pg_dump waits")
        assert any("pg_dump" in command for command in processes_with(sshd.mark).values())
        sshd.cut_connections()
        with pytest.raises(TransientError, match=r"connection to far was lost during `.*(pg_dump|psql) .*Next step: "):
            run.result()
        wait_until(lambda: not processes_with(sshd.mark), lambda: f"still there: {processes_with(sshd.mark)}")
    assert backup(far_site.name).damaged_total == 0
    assert far_site.leftovers() == []
    assert [snapshot.proved for snapshot in OdooEnvironment.open(far_site.name).snapshots(far_site.name)] == [True]
