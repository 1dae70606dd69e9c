"""What a run that failed says of what it had begun; the host and Prefect are stand-ins."""

from contextlib import nullcontext
from typing import Any, NoReturn

import httpx
import pytest
from prefect.exceptions import TerminationSignal
from prefect.states import Completed, Failed

from flows import _settle
from odoo_ops.adapters.held_locks import LockLost
from odoo_ops.errors import TransientError, VerificationFailed
from odoo_ops.model.checks import Check


class _Lock:
    def __init__(self, *, held: bool = True) -> None:
        self.held = held

    def check(self) -> None:
        if not self.held:
            raise LockLost("the connection is gone")


def _message_of_a_failure(lock: _Lock) -> str:
    with pytest.raises(VerificationFailed) as failure, _settle.settled_when_it_fails("erp", lock):  # type: ignore[arg-type]
        raise VerificationFailed("It is cut short. Next step: name another snapshot.")
    return str(failure.value)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """How settling ends, one state a call; the last one is taken away by it."""
    states: list[Any] = []
    monkeypatch.setattr(_settle, "settle_leftovers", lambda _environment, **_: states.pop())
    return states


def test_failed_run_says_what_was_settled(ended: list[Any]) -> None:
    ended.append(Completed(data=["dropped database s", "deleted /spool"]))
    assert _message_of_a_failure(_Lock()).endswith(
        "another snapshot. What was begun is settled: dropped database s, deleted /spool."
    )
    ended.append(Completed(data=[]))
    assert _message_of_a_failure(_Lock()) == "It is cut short. Next step: name another snapshot."


def test_failed_run_keeps_its_error_when_nothing_can_be_settled(ended: list[Any]) -> None:
    ended.append(Failed(message="PostgreSQL does not answer"))
    said = _message_of_a_failure(_Lock())
    assert said.startswith("It is cut short.")
    assert said.endswith("still there: the next run settles it. (PostgreSQL does not answer)")


def test_failed_run_settles_nothing_when_its_lock_was_lost(ended: list[Any]) -> None:
    ended.append(Completed(data=["never"]))
    assert "The lock was lost, so what was begun is still there" in _message_of_a_failure(_Lock(held=False))
    assert len(ended) == 1


@pytest.mark.parametrize("ended", [TerminationSignal(signal=15), httpx.ConnectError("Prefect is away")])
def test_what_stopped_odoo_is_settled_when_its_run_is_cancelled_or_prefect_is_away(
    monkeypatch: pytest.MonkeyPatch, ended: BaseException
) -> None:
    settled = []
    monkeypatch.setattr(_settle, "_settle_patiently", settled.append)
    with pytest.raises(type(ended)), _settle.settled_whatever_ends_it("erp", _Lock()):  # type: ignore[arg-type]
        raise ended
    assert settled == ["erp"]


def test_error_that_stopped_odoo_goes_on_and_says_that_it_may_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason why it cannot be settled does not take the place of what went wrong first."""

    def fail(_environment: str) -> NoReturn:
        raise TransientError("PostgreSQL does not answer.")

    monkeypatch.setattr(_settle, "_settle_patiently", fail)
    first = TransientError("The connection was lost.")
    with pytest.raises(TransientError) as raised, _settle.settled_whatever_ends_it("erp", _Lock()):  # type: ignore[arg-type]
        raise first
    assert raised.value is first
    assert str(first).startswith("The connection was lost. Odoo may be stopped, and ")
    assert str(first).endswith("could not be settled: PostgreSQL does not answer.")


@pytest.mark.parametrize("awaited", [False, True])
def test_odoo_is_waited_for_by_a_new_connection_only_where_one_ran(
    monkeypatch: pytest.MonkeyPatch, awaited: bool
) -> None:
    came_back = Check(name="came back", outcome="failed", detail="it does not run")
    monkeypatch.setattr(_settle, "data_locked", lambda *_: nullcontext())
    monkeypatch.setattr(_settle, "settle_leftovers", lambda _: ["dropped database s"])
    monkeypatch.setattr(_settle, "is_odoo_awaited", lambda _: awaited)
    monkeypatch.setattr(_settle, "check_odoo_came_back", lambda *_: came_back)
    monkeypatch.setattr(_settle, "check_health", lambda _: [])
    monkeypatch.setattr(_settle, "settle", _settle.settle.fn)
    with pytest.raises(LockLost) as lost:
        _settle.settle_begun("erp", _Lock(held=False))  # type: ignore[arg-type]
    assert "it was settled: dropped database s." in str(lost.value)
    assert ("Odoo does not serve people: came back: it does not run" in str(lost.value)) is awaited
    assert ("No Odoo ran there before" in str(lost.value)) is not awaited


def test_run_that_passes_settles_nothing(ended: list[Any]) -> None:
    ended.append(Completed(data=["never"]))
    with _settle.settled_when_it_fails("erp", _Lock()):  # type: ignore[arg-type]
        pass
    assert len(ended) == 1
