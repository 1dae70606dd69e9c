"""A step's progress, and what else goes on where Prefect's API does not answer."""

import logging
from datetime import UTC, datetime
from unittest.mock import MagicMock
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.exceptions import PrefectHTTPStatusError
from pydantic import SecretStr

from odoo_ops.adapters.agent import OnLine, OnProgress
from odoo_ops.model.command import Command
from odoo_ops.model.repository import FolderLocation, OpenRepository
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.policy.dumps import table_file_bytes
from tasks import fetches, progress, trends
from tasks.progress import Progress, TableProgress

_REQUEST = httpx.Request("POST", "http://prefect/api/artifacts/")
_AWAY = [
    httpx.ConnectError("All connection attempts failed", request=_REQUEST),
    httpx.ReadTimeout("timed out", request=_REQUEST),
    PrefectHTTPStatusError("503", request=_REQUEST, response=httpx.Response(503, request=_REQUEST)),
]


class _Api:
    """Artifacts of a server that is away as soon as `error` is set."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked: list[float] = []

    def create(self, percent: float, description: str) -> UUID:
        assert description
        return self.update(uuid4(), percent)

    def update(self, bar: UUID, percent: float) -> UUID:
        self.asked.append(percent)
        if self.error:
            raise self.error
        return bar


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> _Api:
    api = _Api()
    monkeypatch.setattr(progress, "create_progress_artifact", api.create)
    monkeypatch.setattr(progress, "update_progress_artifact", api.update)
    monkeypatch.setattr(progress, "get_run_logger", lambda: logging.getLogger("step"))
    monkeypatch.setattr(progress, "_EVERY_SECONDS", 0.0)
    return api


@pytest.mark.parametrize("error", _AWAY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("before", [0, 1])
def test_step_goes_on_with_log_lines_when_prefect_does_not_answer(
    api: _Api, caplog: pytest.LogCaptureFixture, error: Exception, before: int
) -> None:
    caplog.set_level(logging.INFO, "step")
    shown = Progress("Dumping")
    for done in range(before):
        shown(done, 4, "files")
    api.error = error
    for done in range(before, 5):
        shown(done, 4, "files")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"Dumping goes on without its bar: Prefect's API does not answer ({error})"]
    assert [f"Dumping: {percent} %" in caplog.text for percent in (0, 25, 50, 75, 100)] == [True] * 5
    assert len(api.asked) == before + 1  # each try would hold the step up


def test_bar_follows_the_step_when_prefect_answers(api: _Api) -> None:
    shown = Progress("Dumping")
    for done in range(5):
        shown(done, 4, "files")
    assert api.asked == [0, 25, 50, 75, 100]


DUMPED_BY_TWO = [
    'pg_dump: dumping contents of table "public.mail_message"',
    'pg_dump: dumping contents of table "public.res_partner"',
    "pg_dump: finished item 4106 TABLE DATA res_partner",
    'pg_dump: dumping contents of table "public.res_users"',
    "pg_dump: finished item 4108 TABLE DATA res_users",
    "pg_dump: finished item 4104 TABLE DATA mail_message",
]
DUMPED_BY_ONE = [
    'pg_dump: dumping contents of table "public.res_partner"',
    'pg_dump: dumping contents of table "public.res_users"',
    'pg_dump: dumping contents of table "public.mail_message"',
]
RESTORED_BY_TWO = [
    'pg_restore: creating TABLE "public.mail_message"',
    "pg_restore: entering main parallel loop",
    "pg_restore: launching item 4104 TABLE DATA mail_message",
    "pg_restore: launching item 4106 TABLE DATA res_partner",
    'pg_restore: processing data for table "public.mail_message"',
    'pg_restore: processing data for table "public.res_partner"',
    "pg_restore: finished item 4106 TABLE DATA res_partner",
    "pg_restore: launching item 4108 TABLE DATA res_users",
    'pg_restore: processing data for table "public.res_users"',
    "pg_restore: finished item 4108 TABLE DATA res_users",
    "pg_restore: launching item 3950 CONSTRAINT res_users res_users_pkey",
    "pg_restore: finished item 3950 CONSTRAINT res_users res_users_pkey",
    "pg_restore: finished item 4104 TABLE DATA mail_message",
]
RESTORED_BY_ONE = [
    'pg_restore: creating TABLE "public.mail_message"',
    'pg_restore: processing data for table "public.res_partner"',
    'pg_restore: processing data for table "public.res_users"',
    'pg_restore: processing data for table "public.mail_message"',
    "pg_restore: executing SEQUENCE SET res_users_id_seq",
    'pg_restore: creating CONSTRAINT "public.res_users res_users_pkey"',
]
_BY_NAME = {"public.mail_message": 900, "public.res_partner": 60, "public.res_users": 40}


_BY_ITEM = table_file_bytes({"toc.dat": 5000, "4104.dat.zst": 900, "4106.dat": 60, "4108.dat.gz": 40, "blobs.toc": 7})


@pytest.mark.parametrize(
    ("lines", "jobs", "weights"),
    [
        (DUMPED_BY_TWO, 2, _BY_NAME),
        (DUMPED_BY_ONE, 1, _BY_NAME),
        (RESTORED_BY_TWO, 2, _BY_ITEM),
        (RESTORED_BY_ONE, 1, _BY_NAME),
    ],
)
def test_tables_count_when_they_are_finished_and_by_their_size(
    api: _Api, caplog: pytest.LogCaptureFixture, lines: list[str], jobs: int, weights: dict[str, int]
) -> None:
    caplog.set_level(logging.INFO, "step")
    shown = TableProgress("Working", weights, "bytes", jobs=jobs, then="indexes")
    for line in lines:
        shown("stderr", line)
    # nothing tells the end of a dump's last table when there is one job
    ended = lines is not DUMPED_BY_ONE
    assert api.asked == ([6, 10, 100] if ended else [6, 10])
    assert ("Working: indexes" in caplog.text) is ended


def test_mistake_of_our_own_ends_the_step(api: _Api) -> None:
    api.error = TypeError("no such argument")
    with pytest.raises(TypeError):
        Progress("Dumping")(1, 4, "files")


def test_last_backup_s_manifest_is_read_when_prefect_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise _AWAY[0]

    monkeypatch.setattr(trends, "_kept", away)
    monkeypatch.setattr(trends, "get_run_logger", lambda: logging.getLogger("step"))
    monkeypatch.setattr(trends, "read_manifest", lambda *_: "manifest")
    monkeypatch.setattr(trends, "sizes_of", lambda manifest, snapshot, total_bytes: (manifest, snapshot, total_bytes))
    assert trends._sizes(MagicMock(), MagicMock(id="aa11")) == ("manifest", "aa11", None)
    assert "which is away: All connection attempts failed" in caplog.text


def test_fetch_of_a_dump_shows_what_restic_tries_again(
    api: _Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = Snapshot(
        environment="erp", id="aa11", taken_at=datetime(2026, 3, 1, tzinfo=UTC), tags=(), paths=("/x/odoo-ops-spool",)
    )
    repository = OpenRepository(name="main", location=FolderLocation(path="/main"), password=SecretStr("a-password"))
    runtime = MagicMock(restic="restic", repository=repository)
    runtime.environment.restore_spool = "/restored"
    manifest = MagicMock(dump_files={"toc.dat": 1})
    runtime.host.call.return_value = manifest.dump_files

    def restore(_operation: str, _command: Command, *, on_progress: OnProgress, on_line: OnLine) -> None:
        on_line("stderr", "Load(<data/aa11>) returned error, retrying after 1s")
        on_progress(1, 2, "files")

    runtime.host.call_command.side_effect = restore
    monkeypatch.setattr(fetches.OdooEnvironment, "open_for", lambda *_: runtime)
    fetches.fetch_dump.fn("erp", snapshot, manifest)
    assert "restic: Load(<data/aa11>) returned error, retrying after 1s" in caplog.text
    assert api.asked == [50]
