"""What is said of a copy off-site that fails."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from odoo_ops.adapters.agent import OnLine, OnProgress
from odoo_ops.errors import CommandFailed, PreconditionFailed, VerificationFailed
from odoo_ops.model.command import Command, Result
from odoo_ops.model.environment import BackupPolicy
from odoo_ops.model.repository import FolderLocation, OpenRepository
from odoo_ops.model.snapshot import PROOF_TAG, TAG, Snapshot, mark_tags
from tasks import offsite

_TAKEN_AT = datetime(2026, 3, 1, tzinfo=UTC)


def _snapshot(identity: str, *tags: str) -> Snapshot:
    return Snapshot(environment="erp", id=identity, taken_at=_TAKEN_AT, tags=tags, paths=(), tree="tree")


_COPIED = """
snapshot aa11 of [/x] at 2026-03-01 00:00:00 by root@erp
[0:05] 12.50%  3 / 24 packs copied
[0:09] 100.00%  24 / 24 packs copied
snapshot bb22 saved
[0:00] 100.00%  1 / 1 packs copied
snapshot bb33 saved
""".splitlines()


class _Runtime:
    """An environment with one of its repositories, and a restic that copies nothing, or fails for good."""

    restic = "restic"
    environment = SimpleNamespace(backup=BackupPolicy())

    def __init__(self, name: str, listed: list[Snapshot], failure: CommandFailed | None = None) -> None:
        self.repository = OpenRepository(
            name=name, location=FolderLocation(path=f"/{name}"), password=SecretStr("a-password")
        )
        self.host, self.listed, self.failure = self, listed, failure
        self.other: _Runtime | None = None

    def list_snapshots(self, _environment: str) -> list[Snapshot]:
        if self.failure and not self.other:
            raise self.failure
        return self.listed

    def run(self, _command: Command, *, on_line: OnLine) -> Result:
        for line in _COPIED:
            on_line("stdout", line)
        if self.failure and self.other:
            self.other.failure = self.failure  # from now on it cannot be listed, either
            raise self.failure
        return Result(stdout="", stderr="", seconds=0)


def _use(monkeypatch: pytest.MonkeyPatch, failure: CommandFailed | None) -> None:
    proved = [_snapshot("aa11", TAG), _snapshot("p1", *mark_tags(PROOF_TAG, "aa11", "tree"))]
    main, elsewhere = _Runtime("main", proved, failure), _Runtime("elsewhere", [])
    main.other = elsewhere

    def opened(_environment: str, *, offsite: bool = False) -> _Runtime:
        return elsewhere if offsite else main

    monkeypatch.setattr(offsite.OdooEnvironment, "open", opened)


def test_copy_to_a_repository_that_is_gone_says_what_restic_said_and_that_backups_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _use(monkeypatch, CommandFailed("restic copy", 1, "connection refused", where="erp", hint="see that it answers."))
    with pytest.raises(VerificationFailed) as raised:
        offsite.copy_backups.fn("erp")
    assert str(raised.value) == (
        "The backups of erp are kept in main; of 2 snapshots that elsewhere (/elsewhere) lacks, not all could be "
        "copied there: connection refused. Next step: see that it answers. `copy_offsite` goes on where this one ended."
    )


def test_copy_shows_how_far_each_snapshot_is(monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, None)
    shown: list[tuple[str, int, int, str]] = []

    def progress(work: str) -> OnProgress:
        return lambda done, total, unit: shown.append((work, done, total, unit))

    monkeypatch.setattr(offsite, "Progress", progress)
    with pytest.raises(VerificationFailed):
        offsite.copy_backups.fn("erp")
    first, second = (f"Copying off-site, snapshot {number} of 2" for number in (1, 2))
    assert shown == [(first, 3, 24, "packs"), (first, 24, 24, "packs"), (second, 1, 1, "packs")]


def test_copy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, None)
    with pytest.raises(VerificationFailed, match="the copy of aa11 of 2026-03-01 00:00 UTC is missing"):
        offsite.copy_backups.fn("erp")


def test_error_says_first_how_it_stands() -> None:
    error = PreconditionFailed("The repository cannot be opened. Nothing was changed.")
    error.say_first("The backup is kept.")
    assert str(error) == "The backup is kept. The repository cannot be opened. Nothing was changed."
