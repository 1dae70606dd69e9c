"""A receiver: its parts, put together around one queue."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from deployments.webhook.group_commit import GroupCommit
from deployments.webhook.metrics import Metrics
from deployments.webhook.prefect_api import PrefectApi
from deployments.webhook.queue import Queue
from deployments.webhook.reception import Reception
from deployments.webhook.releases import Releases
from deployments.webhook.rush import Rush
from deployments.webhook.sources import Sources
from deployments.webhook.statuses import Statuses
from deployments.webhook.worker import Worker
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.base import Value

_RELEASES_SECONDS = 1.0
_STATUSES_SECONDS = 5.0
_JOIN_SECONDS = 5.0


class Health(Value):
    """How a receiver is. That Prefect is away is no fault of it: what comes is kept.

    Attributes:
        ok: whether deliveries can be answered and kept.
    """

    ok: bool
    queue: str
    waiting: int = 0
    oldest_waiting_seconds: float = 0
    sources: int
    prefect: str


class Receiver:
    """Takes deliveries, has Prefect run them, and tells the forges."""

    def __init__(self, path: Path, *, max_body_bytes: int) -> None:
        """Open or make the queue. Raises PreconditionFailed when that cannot be."""
        self._path = path
        self._sources = Sources(path.with_name(f"{path.name}.sources"))
        self._metrics, self._releases_api, statuses_api = Metrics(), PrefectApi(), PrefectApi()
        rush = Rush()
        releases = Releases(Queue(path), self._sources, self._releases_api, self._metrics, rush)
        statuses = Statuses(Queue(path), self._sources, statuses_api, self._metrics)
        releasing = Worker("releases", releases.work, _RELEASES_SECONDS)
        self._workers = [releasing, Worker("statuses", statuses.work, _STATUSES_SECONDS)]
        self.reception = Reception(
            self._sources,
            GroupCommit(Queue(path)),
            self._metrics,
            max_body_bytes=max_body_bytes,
            rush=rush,
            queued=releasing.wake,
        )

    def start(self) -> None:
        """Begin to work off the queue."""
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Let the workers end what they do now. What they have not done is done at the next start."""
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join(_JOIN_SECONDS)

    def health(self) -> Health:
        """Whether the queue can be written, what waits in it, and whether Prefect answers and takes it."""
        known = len(self._sources.names())
        prefect = self._releases_api.trouble or "answers"
        try:
            with closing(Queue(self._path)) as queue:
                queue.check_writable()
                waiting, oldest = queue.waiting()
        except (sqlite3.Error, PreconditionFailed) as error:
            return Health(ok=False, queue=str(error), sources=known, prefect=prefect)
        return Health(
            ok=self._sources.known,
            queue="writable",
            waiting=waiting,
            oldest_waiting_seconds=_age(oldest),
            sources=known,
            prefect=prefect,
        )

    def figures(self) -> bytes:
        """What Prometheus is told."""
        with closing(Queue(self._path)) as queue:
            waiting, oldest = queue.waiting()
        return self._metrics.text(
            waiting=waiting, oldest_seconds=_age(oldest), prefect_up=not self._releases_api.trouble
        )


def _age(since: float | None) -> float:
    return round(time.time() - since, 3) if since else 0
