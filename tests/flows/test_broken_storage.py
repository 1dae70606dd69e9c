"""The repository's server goes away under a run, for a moment or for good, is slow, or answers with errors."""

import os
import re
import time
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
_GONE_FOR_GOOD = Fault(after_bytes=1_000_000)
_ERRORS_FOR_GOOD = Fault(after_bytes=1_000_000, status=500)
# restic tries a request for fifteen minutes, then to remove its lock; one that has just been started asks four times
# for the locks of others, fifteen minutes each; nothing shortens that
_TRIED_SECONDS = 5400
_SLOW_BYTES = 16_000_000  # no more than one pack takes: one request
_SLOW_BYTES_A_SECOND = 200_000


@dataclass
class FarSite:
    """An environment whose repository is on a server behind a proxy that makes faults."""

    site: Site
    server: RestServer
    proxy: FaultyProxy

    def fails(self, flow: Callable[[str], object], why: str) -> None:
        """The flow must fail, name the next step, and change nothing. Then the server is there again."""
        before = self.site.content()
        with pytest.raises(CommandFailed, match=rf"(?s)restic .*{why}.*Next step: .*see that the repository far"):
            flow(self.site.name)
        assert self.site.content() == before
        assert self.site.seen_by_odoo() == [self.site.settings.database.name]
        self.proxy.fault = None

    def leftovers(self) -> list[str]:
        locks = [str(path) for path in (self.server.folder / "odoo" / "locks").iterdir()]
        return [*locks, *self.site.leftovers()]


@pytest.fixture
def far(site: Site, rest_server_program: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FarSite]:
    """The size of its large attachment can be given as the fixture's parameter."""
    with RestServer.run(rest_server_program, tmp_path) as server, FaultyProxy.run(server.port) as proxy:
        location = replace(server, port=proxy.server_port).location()
        settings = Repository(name="far", location=location, password=SecretStr("repository-password"))
        BackupRepository(settings=settings).save(f"{site.name}-repository", overwrite=True)
        site.register()
        site.attach(os.urandom(getattr(request, "param", _PACKS_BYTES)))
        yield FarSite(site, server, proxy)


def test_backup_counts_nothing_and_the_next_one_passes_when_its_repository_goes_away_in_the_upload(
    far: FarSite, caplog: pytest.LogCaptureFixture
) -> None:
    far.proxy.break_with(_REVOKED)
    far.fails(backup, "403 Forbidden")
    assert OdooEnvironment.open(far.site.name).snapshots(far.site.name) == []
    far.proxy.break_with(replace(_CUT_FOR_A_MOMENT))
    assert backup(far.site.name).files == 21
    assert re.search(r"restic: Save\(<data/.*>\) returned error, retrying after", caplog.text)
    assert far.leftovers() == []


def test_restore_harms_nothing_and_the_next_one_passes_when_its_repository_goes_away(
    far: FarSite, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At first the upload meets errors for a moment."""
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
    far.fails(restore, "403 Forbidden")
    far.proxy.break_with(replace(_CUT_FOR_A_MOMENT))
    assert restore(far.site.name).files == 21
    shown = [record.getMessage() for record in caplog.records if "Restoring the filestore" in record.getMessage()]
    # restic tells of blobs that are whole: there may be none between the first line and the last
    amount = re.compile(r"Restoring the filestore: \d+ % \([\d.]+ \w+ of 24\.\d MB, [\d.]+ \w+/s")
    assert any(map(amount.match, shown)), shown
    assert far.site.content() == backed_up
    assert far.leftovers() == []


@pytest.mark.long
@pytest.mark.timeout(_TRIED_SECONDS)
def test_backup_counts_nothing_and_the_next_one_passes_when_its_repository_never_comes_back(far: FarSite) -> None:
    far.proxy.break_with(_GONE_FOR_GOOD)
    far.fails(backup, "(EOF|broken pipe|connection)")
    assert OdooEnvironment.open(far.site.name).snapshots(far.site.name) == []
    assert backup(far.site.name).files == 21
    assert far.leftovers() == []


@pytest.mark.long
@pytest.mark.timeout(_TRIED_SECONDS)
def test_restore_harms_nothing_and_the_next_one_passes_when_its_repository_never_comes_back(far: FarSite) -> None:
    backup(far.site.name)
    backed_up = far.site.content()
    far.site.attach(b"after the backup")
    far.proxy.break_with(_ERRORS_FOR_GOOD)
    far.fails(restore, "500 Internal Server Error")
    assert restore(far.site.name).files == 21
    assert far.site.content() == backed_up
    assert far.leftovers() == []


@pytest.mark.long
@pytest.mark.parametrize("far", [_SLOW_BYTES], indirect=True)
def test_backup_and_restore_take_their_time_when_the_repository_is_slow(
    far: FarSite, caplog: pytest.LogCaptureFixture
) -> None:
    """One request takes longer than a minute, and nobody takes that for an end."""
    far.proxy.bytes_a_second = _SLOW_BYTES_A_SECOND
    seconds = _SLOW_BYTES / _SLOW_BYTES_A_SECOND
    begun = time.monotonic()
    assert backup(far.site.name).files == 21
    assert time.monotonic() - begun > seconds
    backed_up = far.site.content()
    far.site.lose_all()
    begun = time.monotonic()
    assert restore(far.site.name).files == 21
    assert time.monotonic() - begun > seconds
    assert "retrying" not in caplog.text
    # its parts are fetched side by side, so that none may be whole until the end
    told = re.findall(r"Restoring the filestore: \d+ % \([\d.]+ \w+ of 16\.\d MB, [\d.]+ \w+/s", caplog.text)
    assert len(told) > seconds / 10, caplog.text
    assert far.site.content() == backed_up
    assert far.leftovers() == []
