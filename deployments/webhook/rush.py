"""Answers go first: while deliveries pour in, a burst gets the processor that making runs would take."""

import time

_CALM_SECONDS = 0.1
_PATIENCE_SECONDS = 0.25
_LOOK_SECONDS = 0.02


class Rush:
    """Knows when the last delivery came."""

    def __init__(self) -> None:
        self._last = 0.0

    def seen(self) -> None:
        """A delivery came."""
        self._last = time.monotonic()

    def let_pass(self) -> None:
        """Wait until none came for a moment; not for long, so that a steady stream does not hold up everything."""
        patience = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < min(patience, self._last + _CALM_SECONDS):
            time.sleep(_LOOK_SECONDS)
