"""Progress of long steps, for every task module: log lines, and a bar in the Prefect UI, which ends no step."""

import time
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from blocks.prefect_api import PREFECT_AWAY
from odoo_ops.units import shown_progress

_EVERY_SECONDS = 5.0
_WHOLE = 100.0


def show_retry(_stream: str, line: str) -> None:
    """Show that restic tries something again: a step that waits for its repository does not look dead."""
    get_run_logger().warning("restic: %s", line)


class Progress:
    """Shows how far a step is: every five seconds, and at its end.

    Called with what is done, the total and the unit. A step that ends sooner shows nothing. Made inside a task.
    Where Prefect's API does not answer, the step goes on with log lines alone: each try would hold it up for a minute.
    """

    def __init__(self, work: str) -> None:
        self._work = work
        self._begun = self._last = time.monotonic()
        self._bar: UUID | None = None
        self._shown, self._has_bar = False, True

    def __call__(self, done: int, total: int, unit: str) -> None:
        """Show it, unless that was done less than five seconds ago."""
        now = time.monotonic()
        ended = done >= total and self._shown
        if not total or (now - self._last < _EVERY_SECONDS and not ended):
            return
        self._last = now
        percent = min(_WHOLE, done * _WHOLE / total)
        get_run_logger().info(
            "%s: %.0f %% (%s)", self._work, percent, shown_progress(done, total, unit, now - self._begun)
        )
        self._shown = True
        if self._has_bar:
            self._show_bar(percent)

    def _show_bar(self, percent: float) -> None:
        try:
            if self._bar is None:
                self._bar = create_progress_artifact(percent, description=self._work)  # type: ignore[assignment]
            else:
                update_progress_artifact(self._bar, percent)
        except PREFECT_AWAY as error:
            self._has_bar = False
            get_run_logger().warning(
                "%s goes on without its bar: Prefect's API does not answer (%s)", self._work, error
            )
