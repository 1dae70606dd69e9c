"""What a run that failed says of what it had begun; the host and Prefect are stand-ins."""

from typing import Any

import httpx
import pytest
from prefect.exceptions import TerminationSignal
from prefect.states import Completed, Failed

from flows import _settle
from odoo_ops.adapters.held_locks import LockLost
from odoo_ops.errors import VerificationFailed


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


def test_run_that_passes_settles_nothing(ended: list[Any]) -> None:
    ended.append(Completed(data=["never"]))
    with _settle.settled_when_it_fails("erp", _Lock()):  # type: ignore[arg-type]
        pass
    assert len(ended) == 1
