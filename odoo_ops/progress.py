"""Progress of long work as log lines."""

import time
from logging import Logger, LoggerAdapter
from typing import Any

_EVERY_SECONDS = 5.0


class LogProgress:
    """Logs how far a piece of work is: every five seconds, and at its end.

    Called with what is done, the total and the unit.
    """

    def __init__(self, logger: Logger | LoggerAdapter[Any], work: str) -> None:
        self._logger = logger
        self._work = work
        self._last = time.monotonic()

    def __call__(self, done: int, total: int, unit: str) -> None:
        """Log it, unless that was done less than five seconds ago."""
        """Log it if it is time."""
        now = time.monotonic()
        if now - self._last >= _EVERY_SECONDS:
            self._last = now
            percent = f"{done * 100 // total} %" if total else "begun"
            self._logger.info("%s: %s (%s of %s %s)", self._work, percent, done, total, unit)
