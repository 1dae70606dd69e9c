"""Progress of long steps, for every task module: log lines, and a bar in the Prefect UI, which ends no step."""

import re
import time
from collections.abc import Mapping
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from blocks.prefect_api import PREFECT_AWAY
from odoo_ops.units import shown_progress

_EVERY_SECONDS = 5.0
_WHOLE = 100.0
# lines of `pg_dump --verbose` and `pg_restore --verbose`; the last one only with several jobs
_BEGUN = re.compile(r'(?:dumping contents of|processing data for) table "(?P<table>.+)"')
_OTHER = re.compile(r"pg_restore: (?:creating|executing) ")
_FINISHED = re.compile(r"finished item (?P<item>\d+) TABLE DATA (?P<table>.+)")


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


class TableProgress:
    """Shows how much of the tables pg_dump or pg_restore has finished, told by the lines of its `--verbose`.

    With several jobs it says which item is finished; with one, a table is finished when something else begins.

    Args:
        work: what is done.
        weights: what each table counts, by `schema.table`, or by its item's number in the dump.
        unit: what the weights are.
        jobs: how many tables are worked on at once.
        then: what goes on after the last table.
    """

    def __init__(self, work: str, weights: Mapping[str, int], unit: str, *, jobs: int, then: str = "") -> None:
        self._show, self._work, self._unit, self._then = Progress(work), work, unit, then
        # an item says a table's name without its schema
        self._weights = {_bare(name): weight for name, weight in weights.items()}
        self._total = sum(self._weights.values())
        self._done, self._parallel, self._begun = 0, jobs > 1, ""

    def __call__(self, _stream: str, line: str) -> None:
        """Take the next line."""
        if self._parallel:
            if found := _FINISHED.search(line):
                self._finish(found["item"] if found["item"] in self._weights else found["table"])
        elif (found := _BEGUN.search(line)) or _OTHER.search(line):
            self._finish(self._begun)
            self._begun = _bare(found["table"]) if found else ""

    def _finish(self, table: str) -> None:
        weight = self._weights.pop(table, None)
        if weight is None:
            return
        self._done += weight
        self._show(self._done, self._total, self._unit)
        if self._then and not self._weights:
            get_run_logger().info("%s: %s", self._work, self._then)


def _bare(table: str) -> str:
    return table.rpartition(".")[2]
