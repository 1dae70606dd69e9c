"""A thread that does one thing again and again, with back-off while what it needs is away."""

import os
import signal
from collections.abc import Callable
from threading import Event, Thread

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from deployments.webhook.logs import LOGGER
from odoo_ops.errors import TransientError

_LONGEST_WAIT_SECONDS = 15


class Worker(Thread):
    """Calls `work` every so many seconds, or sooner when it is woken.

    A TransientError is tried again, at growing intervals. Any other error ends the whole receiver, so that whoever
    watches the service starts it again: the queue is on disk, and an answer without a worker would be a promise
    that nobody keeps.
    """

    def __init__(self, name: str, work: Callable[[], None], every_seconds: float) -> None:
        super().__init__(name=name, daemon=True)
        self._work, self._every_seconds = work, every_seconds
        self._end, self._woken = Event(), Event()

    def wake(self) -> None:
        """There is something to do."""
        self._woken.set()

    def stop(self) -> None:
        """End after what is being done now."""
        self._end.set()
        self._woken.set()

    def run(self) -> None:
        """Work until it is stopped."""
        retrying = Retrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_random_exponential(max=_LONGEST_WAIT_SECONDS),
            sleep=sleep_using_event(self._end),
            stop=stop_when_event_set(self._end),
            before_sleep=self._tell,
            retry_error_callback=lambda _state: None,  # it was stopped: the next start tries again
        )
        try:
            while not self._end.is_set():
                self._woken.clear()
                retrying(self._work)
                self._woken.wait(self._every_seconds)
        finally:
            if not self._end.is_set():
                os.kill(os.getpid(), signal.SIGTERM)

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        LOGGER.warning(
            "%s: tried again later", self.name, extra={"attempt": state.attempt_number, "reason": str(error)}
        )
