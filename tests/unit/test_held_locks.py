"""A lock tells its worker that it is held, so that the connection of one that vanished ends."""

import threading
from pathlib import Path

import pytest

from odoo_ops.hostside import locks


class _Channel:
    """Stands in for the connection: the third event finds nobody there."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.abandoned = threading.Event()

    def send(self, event: str) -> None:
        self.sent.append(event)
        if len(self.sent) == 3:
            self.abandoned.set()


def test_lock_goes_on_telling_that_it_is_held_until_nobody_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_ALIVE_SECONDS", 0.01)
    channel = _Channel()
    held = threading.Thread(
        target=locks.hold_lock, args=(channel, str(tmp_path / "lock"), {"holder": "erp"}), daemon=True
    )
    held.start()
    held.join(30)
    assert channel.sent == ["ready", "alive", "alive"]
