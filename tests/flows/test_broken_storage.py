"""The repository's server goes away under a run, is slow, or answers with errors."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from backup_servers import RestServer
from faulty_proxy import Fault, FaultyProxy
from pydantic import SecretStr

from blocks import BackupRepository, OdooEnvironment
from flows.backup import backup
from flows.restore import restore
from odoo_ops.errors import CommandFailed
from odoo_ops.model.repository import Repository

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_PACKS_BYTES = 24_000_000
_REVOKED = Fault(after_bytes=1_000_000, status=403)
_CUT_FOR_A_MOMENT = Fault(after_bytes=1_000_000, requests=3)
_ERRORS_FOR_A_MOMENT = Fault(after_bytes=1_000_000, status=500, requests=3)


@dataclass
class FarSite:
    """An environment whose repository is on a server behind a proxy that makes faults."""

    site: Site
    server: RestServer
    proxy: FaultyProxy

    def fails(self, flow: Callable[[str], object]) -> None:
        """The flow must fail, name the next step, and change nothing."""
        before = self.site.content()
        said = r"(?s)restic .*403 Forbidden.*Next step: .*see that the repository far"
        with pytest.raises(CommandFailed, match=said):
            flow(self.site.name)
        assert self.site.content() == before
        assert self.site.seen_by_odoo() == [self.site.settings.database.name]
        self.proxy.fault = None

    def leftovers(self) -> list[str]:
        locks = [str(path) for path in (self.server.folder / "odoo" / "locks").iterdir()]
        return [*locks, *self.site.leftovers()]


@pytest.fixture
def far(site: Site, rest_server_program: Path, tmp_path: Path) -> Iterator[FarSite]:
    with RestServer.run(rest_server_program, tmp_path) as server, FaultyProxy.run(server.port) as proxy:
        location = replace(server, port=proxy.server_port).location()
        settings = Repository(name="far", location=location, password=SecretStr("repository-password"))
        BackupRepository(settings=settings).save(f"{site.name}-repository", overwrite=True)
        site.register()
        site.attach(os.urandom(_PACKS_BYTES))
        yield FarSite(site, server, proxy)


def test_backup_counts_nothing_and_the_next_one_passes_when_its_repository_goes_away_in_the_upload(
    far: FarSite, caplog: pytest.LogCaptureFixture
) -> None:
    far.proxy.break_with(_REVOKED)
    far.fails(backup)
    assert OdooEnvironment.open(far.site.name).snapshots(far.site.name) == []
    far.proxy.break_with(replace(_CUT_FOR_A_MOMENT))
    assert backup(far.site.name).files == 21
    assert re.search(r"restic: Save\(<data/.*>\) returned error, retrying after", caplog.text)
    assert far.leftovers() == []


def test_restore_harms_nothing_and_the_next_one_passes_when_its_repository_goes_away(
    far: FarSite, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is slow as well, and at first the upload meets errors for a moment."""
    monkeypatch.setattr("tasks.progress._EVERY_SECONDS", 0)
    far.proxy.bytes_a_second = 10_000_000
    far.proxy.break_with(replace(_ERRORS_FOR_A_MOMENT))
    assert backup(far.site.name).files == 21
    assert far.proxy.fault is not None
    assert far.proxy.fault.met == far.proxy.fault.requests
    assert re.search(r"Storing: \d+ % \([\d.]+ MB of 24\.\d MB, [\d.]+ MB/s", caplog.text)
    backed_up = far.site.content()
    far.site.attach(b"after the backup")
    far.proxy.break_with(_REVOKED)
    far.fails(restore)
    far.proxy.break_with(replace(_CUT_FOR_A_MOMENT))
    assert restore(far.site.name).files == 21
    shown = [record.getMessage() for record in caplog.records if "Restoring the filestore" in record.getMessage()]
    # restic tells of blobs that are whole: there may be none between the first line and the last
    amount = re.compile(r"Restoring the filestore: \d+ % \([\d.]+ \w+ of 24\.\d MB, [\d.]+ \w+/s")
    assert any(map(amount.match, shown)), shown
    assert far.site.content() == backed_up
    assert far.leftovers() == []
