"""Progress of long steps, for every task module: log lines, and a bar in the Prefect UI."""

import time
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from odoo_ops.units import shown_progress

_EVERY_SECONDS = 5.0
_WHOLE = 100.0


def show_retry(_stream: str, line: str) -> None:
    """Show that restic tries something again: a step that waits for its repository does not look dead."""
    get_run_logger().warning("restic: %s", line)


class Progress:
    """Shows how far a step is: every five seconds, and at its end.

    Called with what is done, the total and the unit. A step that ends sooner shows nothing. Made inside a task.
    """

    def __init__(self, work: str) -> None:
        self._work = work
        self._begun = self._last = time.monotonic()
        self._bar: UUID | None = None

    def __call__(self, done: int, total: int, unit: str) -> None:
        """Show it, unless that was done less than five seconds ago."""
        now = time.monotonic()
        ended = done >= total and self._bar is not None
        if not total or (now - self._last < _EVERY_SECONDS and not ended):
            return
        self._last = now
        percent = min(_WHOLE, done * _WHOLE / total)
        get_run_logger().info(
            "%s: %.0f %% (%s)", self._work, percent, shown_progress(done, total, unit, now - self._begun)
        )
        if self._bar is None:
            self._bar = create_progress_artifact(percent, description=self._work)  # type: ignore[assignment]
        else:
            update_progress_artifact(self._bar, percent)
