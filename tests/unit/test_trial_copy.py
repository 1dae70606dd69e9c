"""How drills and forecasts end that something else keeps from their end; the host and Prefect are stand-ins."""

from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from prefect.states import Completed, Failed

from flows import _settle, _trial_copy
from flows import drill as runbook
from flows import forecast as forecasting
from odoo_ops.adapters.held_locks import HeldLock, LockLost
from odoo_ops.errors import CommandFailed, OdooOpsError, PreconditionFailed, TransientError, VerificationFailed
from odoo_ops.model.checks import Check
from odoo_ops.model.release import ReleasePlan
from tasks import drills

_AT = datetime(2026, 3, 1, tzinfo=UTC)


def _full() -> CommandFailed:
    return CommandFailed("pg_restore", 1, "No space left on device", where="here", hint="make room, then run again.")


class _Lock(HeldLock):
    def __init__(self) -> None:
        self.held = True

    def check(self) -> None:
        if not self.held:
            raise LockLost("the connection is gone")


@pytest.fixture
def lock() -> _Lock:
    return _Lock()


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was settled, each time."""
    found: list[str] = []

    def settle(environment: str, **_: object) -> object:
        found.append(environment)
        return Completed(data=["dropped database s"])

    monkeypatch.setattr(_settle, "settle_leftovers", settle)
    monkeypatch.setattr(_trial_copy, "settle_leftovers", settle)
    return found


@pytest.mark.parametrize("error", [None, VerificationFailed("a row is gone"), KeyError("a mistake of ours")])
def test_copy_is_deleted_once_however_the_block_ends(error: Exception | None, settled: list[str], lock: _Lock) -> None:
    if error is None:
        with _trial_copy.copy_deleted("erp", lock):
            pass
    else:
        with pytest.raises(type(error)) as failure, _trial_copy.copy_deleted("erp", lock):
            raise error
        assert failure.value is error
    assert settled == ["erp"]


def test_first_error_goes_on_when_the_copy_cannot_be_deleted(monkeypatch: pytest.MonkeyPatch, lock: _Lock) -> None:
    away = Failed(message="PostgreSQL does not answer")
    monkeypatch.setattr(_settle, "settle_leftovers", lambda *_, **__: away)
    with (
        pytest.raises(TransientError, match="lost. Next step: see its log. .* still there.*PostgreSQL does not answer"),
        _trial_copy.copy_deleted("erp", lock),
    ):
        raise TransientError("The connection was lost. Next step: see its log.")


def test_nothing_is_deleted_when_the_lock_was_lost(settled: list[str], lock: _Lock) -> None:
    lock.held = False
    with pytest.raises(LockLost), _trial_copy.copy_deleted("erp", lock):
        pass
    with pytest.raises(VerificationFailed, match="The lock was lost"), _trial_copy.copy_deleted("erp", lock):
        raise VerificationFailed("a row is gone.")
    assert settled == []


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch, settled: list[str], lock: _Lock) -> list[Any]:  # noqa: ARG001
    """The reports that a drill published."""
    found: list[Any] = []
    stand_ins: dict[str, Any] = {
        "environment_locked": lambda *_: nullcontext(lock),
        "read_snapshot": lambda *_, **__: SimpleNamespace(id="aa11", short_id="aa11", taken_at=_AT),
        "measure_rpo": lambda *_, **__: None,
        "judge": lambda _name, _manifest, checks, *_: (checks, ["all"]),
        "publish_drill_report": found.append,
        "read_refutation": drills.read_refutation.fn,
    }
    done = ("refuse_unfit_target", "create_role", "check_apart", "check_identity", "settle_leftovers")
    for name in (*done, "keep_drill_figures", "publish_trends"):
        stand_ins[name] = lambda *_, **__: None
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(runbook, name, stand_in)
    return found


def _fail_with(error: OdooOpsError, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(runbook, "read_manifest", fail)


def test_drill_that_a_full_disk_ends_blames_no_backup(pages: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _fail_with(_full(), monkeypatch)
    with pytest.raises(CommandFailed, match="(?s)^The drill of erp could not .* neither proved nor refuted.*make room"):
        runbook.drill.fn("erp", "drill")
    assert pages == []


def test_drill_of_a_backup_that_is_not_whole_says_so(pages: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _fail_with(VerificationFailed("The dump is cut short. Next step: name another snapshot."), monkeypatch)
    with pytest.raises(VerificationFailed, match="(?s)erp did not stand the drill.*Came to the end: The dump is cut"):
        runbook.drill.fn("erp", "drill")
    assert [page.verified for page in pages] == [False]


@pytest.fixture
def forecasts(monkeypatch: pytest.MonkeyPatch, settled: list[str], lock: _Lock) -> list[Any]:  # noqa: ARG001
    """The reports that a forecast published, on a copy that is made without an error."""
    found: list[Any] = []
    stand_ins: dict[str, Any] = {
        "environment_locked": lambda *_: nullcontext(lock),
        "fetched_plan": lambda *_: ReleasePlan(environment="erp", addons=()),
        "read_snapshot": lambda *_, **__: SimpleNamespace(id="aa11"),
        "read_manifest": lambda *_, **__: SimpleNamespace(taken_at=_AT, odoo_series="19.0"),
        "neutralize_copy": lambda *_, **__: [Check(name="Neutralised", outcome="passed")],
        "watch_locks": lambda *_: SimpleNamespace(found=None),
        "publish_forecast_report": found.append,
    }
    done = ("refuse_unfit_request", "check_identity", "settle_leftovers", "scratch_name", "downtime_budget")
    for name in (*done, "fetch_dump", "create_scratch", "restore_database", "link_filestore"):
        stand_ins[name] = lambda *_, **__: None
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(forecasting, name, stand_in)
    return found


@pytest.mark.parametrize(
    "error", [_full(), VerificationFailed("The dump is cut short. Next step: make room for another one.")]
)
def test_forecast_whose_copy_cannot_be_made_blames_no_release(
    forecasts: list[Any], monkeypatch: pytest.MonkeyPatch, error: OdooOpsError
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(forecasting, "restore_database", fail)
    with pytest.raises(type(error), match="(?s)^The release to erp could not be tried out, so nothing .*make room"):
        forecasting.forecast.fn("erp")
    assert forecasts == []


@pytest.mark.parametrize(
    "error", [PreconditionFailed("The disk is full. Next step: make room."), TransientError("PostgreSQL is away.")]
)
def test_forecast_whose_update_ends_for_another_reason_blames_no_release(
    forecasts: list[Any], monkeypatch: pytest.MonkeyPatch, error: OdooOpsError
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(forecasting, "try_release", fail)
    with pytest.raises(type(error), match="^The release to erp could not be tried out, so nothing is known of it"):
        forecasting.forecast.fn("erp")
    assert forecasts == []


def test_forecast_of_a_release_that_does_not_boot_says_so(
    forecasts: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise VerificationFailed("Odoo ended while it was starting.")

    monkeypatch.setattr(forecasting, "try_release", fail)
    with pytest.raises(VerificationFailed, match="(?s)erp did not stand its forecast.*Came to the end: Odoo ended"):
        forecasting.forecast.fn("erp")
    assert [check.name for report in forecasts for check in report.checks] == ["Neutralised", "Came to the end"]


def test_drill_of_a_damaged_repository_says_that_the_backup_does_not_restore(
    pages: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "ignoring error for /f: decrypting blob <data/ab> from cd failed: ciphertext verification failed"
    _fail_with(CommandFailed("restic restore", 1, said, where="here"), monkeypatch)
    with pytest.raises(VerificationFailed, match="(?s)aa11 does not restore.*ciphertext.*`check_repository`"):
        runbook.drill.fn("erp", "drill")
    assert [page.verified for page in pages] == [False]


_MISSING = "ReadFull(<data/af27c01393>): open /r/data/af/af27c01393: no such file or directory"


@pytest.mark.parametrize("opened", [None, PreconditionFailed("It cannot be opened."), TransientError("It was lost.")])
def test_drill_whose_repository_is_away_blames_no_backup(
    opened: OdooOpsError | None, pages: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = MagicMock()
    runtime.try_to_open.side_effect = [opened]
    monkeypatch.setattr(drills.OdooEnvironment, "open_for", lambda *_: runtime)
    _fail_with(CommandFailed("restic restore", 1, _MISSING, where="here"), monkeypatch)
    with pytest.raises(CommandFailed, match="(?s)^The drill of erp could not .* neither proved nor refuted"):
        runbook.drill.fn("erp", "drill")
    assert pages == []


def test_drill_of_a_repository_that_opens_and_misses_a_pack_says_that_the_backup_does_not_restore(
    pages: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = MagicMock()
    runtime.try_to_open.return_value = "id"
    monkeypatch.setattr(drills.OdooEnvironment, "open_for", lambda *_: runtime)
    _fail_with(CommandFailed("restic restore", 1, _MISSING, where="here"), monkeypatch)
    with pytest.raises(VerificationFailed, match="(?s)aa11 does not restore.*no such file.*`check_repository`"):
        runbook.drill.fn("erp", "drill")
    assert [page.verified for page in pages] == [False]
