"""What a restore refuses by a snapshot's proof, and in which order it fetches; host and repository are stand-ins."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest.mock import MagicMock

import pytest
from pydantic import SecretStr

from odoo_ops.errors import CommandFailed, PreconditionFailed, VerificationFailed
from odoo_ops.model.command import Result
from odoo_ops.model.report import Damage, SnapshotProof
from odoo_ops.model.repository import FolderLocation, Limits, OpenRepository
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.runtimes import stored
from tasks import fetches, restores

_SNAPSHOT = Snapshot(
    environment="erp",
    id="aa11",
    taken_at=datetime(2026, 3, 1, tzinfo=UTC),
    tags=(),
    paths=(),
    proved=True,
    proof="bb22",
    damaged=True,
)
_PROOF = SnapshotProof(
    attachments=9,
    files=9,
    hashed_files=9,
    hashed_bytes=9,
    damaged=(
        Damage(
            id=7,
            fname="ab/ab12",
            checksum=None,
            size=None,
            model=None,
            record=None,
            field=None,
            reason="its file is gone",
        ),
    ),
    damaged_total=1,
    tree="tree",
).model_dump_json()


def _check(monkeypatch: pytest.MonkeyPatch, proof: str) -> None:
    repository = OpenRepository(name="main", location=FolderLocation(path="/main"), password=SecretStr("a-password"))
    runtime = MagicMock(restic="restic", repository=repository)
    runtime.host.run.return_value = Result(stdout=proof, stderr="", seconds=0)
    runtime.environment.backup.damaged_attachments_allowed = 0
    monkeypatch.setattr(restores.OdooEnvironment, "open_for", lambda *_: runtime)
    monkeypatch.setattr(restores.OdooEnvironment, "open", lambda *_: runtime)
    monkeypatch.setattr(restores, "get_run_logger", lambda: logging.getLogger("step"))
    restores.check_damage.fn("erp", _SNAPSHOT, 0)


def test_restore_is_refused_when_the_proof_names_more_damage_than_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PreconditionFailed, match="1 attachments were damaged already"):
        _check(monkeypatch, _PROOF)


@pytest.mark.parametrize("proof", [_PROOF.replace('"tree":', '"signed":true,"tree":'), "{}", "not JSON"])
def test_restore_goes_on_when_this_version_cannot_read_the_proof(
    proof: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _check(monkeypatch, proof)
    assert "How many attachments of the snapshot are damaged cannot be read" in caplog.text


@pytest.mark.parametrize(
    ("limits", "order"),
    [
        (Limits(), ["filestore begins", "dump", "block", "filestore ends"]),
        (Limits(upload_kib_per_second=9), ["filestore begins", "dump", "block", "filestore ends"]),
        (Limits(download_kib_per_second=9), ["dump", "filestore begins", "block", "filestore ends"]),
    ],
)
def test_filestore_follows_the_dump_where_downloads_are_limited(
    limits: Limits, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    @contextmanager
    def filestore_restored(*_: object) -> Iterator[None]:
        done.append("filestore begins")
        yield
        done.append("filestore ends")

    runtime = MagicMock()
    runtime.repository.limits = limits
    monkeypatch.setattr(fetches.OdooEnvironment, "open_for", lambda *_: runtime)
    monkeypatch.setattr(fetches, "fetch_dump", lambda *_: done.append("dump"))
    monkeypatch.setattr(fetches, "filestore_restored", filestore_restored)
    with fetches.snapshot_fetched("erp", _SNAPSHOT, MagicMock(), "scratch"):
        done.append("block")
    assert done == order


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        (
            'Fatal: cannot dump file: path "/x" not found in snapshot',
            VerificationFailed,
            "aa11 holds no manifest: .*Next step: name another snapshot",
        ),
        ("ReadFull(<data/ab>): <data/ab> does not exist", CommandFailed, "It said:\nReadFull"),
        ("Fatal: connection refused", CommandFailed, "It said:\nFatal: connection refused"),
    ],
)
def test_snapshot_is_blamed_for_its_manifest_only_where_it_holds_none(
    said: str, error: type[Exception], message: str
) -> None:
    repository = OpenRepository(name="main", location=FolderLocation(path="/main"), password=SecretStr("a-password"))
    runtime = MagicMock(restic="restic", repository=repository)
    runtime.host.run.side_effect = CommandFailed("restic dump", 1, said, where="erp")
    snapshot = _SNAPSHOT.model_copy(update={"paths": ("/x/odoo-ops-spool",)})
    with pytest.raises(error, match=message):
        stored.read_manifest(runtime, snapshot, MagicMock())
