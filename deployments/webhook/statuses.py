"""Follow the runs to their end, and tell the forges what became of their commits."""

import time
from uuid import UUID

from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.utilities.urls import url_for

from deployments.webhook.logs import LOGGER
from deployments.webhook.metrics import Metrics
from deployments.webhook.prefect_api import PrefectApi
from deployments.webhook.queue import Queue
from deployments.webhook.sources import Sources
from odoo_ops.adapters.forge import tell
from odoo_ops.errors import PermanentError, RateLimited, TransientError
from odoo_ops.model.webhooks import QueuedRelease, Source
from odoo_ops.policy.commit_status import commit_status, outcome

_AT_ONCE = 200  # as many runs as Prefect lists in one answer


class Statuses:
    """Works off what ended, and what a forge was not told yet. A status may be told twice, never not at all."""

    def __init__(self, queue: Queue, sources: Sources, api: PrefectApi, metrics: Metrics) -> None:
        self._queue, self._sources, self._api, self._metrics = queue, sources, api, metrics
        self._asked_up_to = 0
        self._rest_until: dict[str, float] = {}  # sources whose forge was asked too often

    def work(self) -> None:
        """One round. Raises TransientError when some of it must be tried again."""
        # A forge that is away keeps nobody from seeing how runs ended, and Prefect nobody from telling what is known.
        try:
            self._tell_forges()
        finally:
            self._follow_runs()

    def _follow_runs(self) -> None:
        """Ask for some of the runs that have not ended, in turn: a Prefect that has many to start has enough to do."""
        pending = self._queue.in_state("pending")
        part = [release for release in pending if release.id > self._asked_up_to][:_AT_ONCE]
        self._asked_up_to = part[-1].id if len(part) == _AT_ONCE else 0
        if not part:
            return
        runs = self._runs([release.run for release in part if release.run])
        for release in part:
            run = runs.get(release.run or "")
            # A run that somebody deleted will never succeed.
            ended = outcome(run.state_type or "", run.state_name or "") if run else "failure"
            if ended:
                self._queue.mark_ended(release, ended)
                self._metrics.releases.labels(ended).inc()

    def _runs(self, ids: list[str]) -> dict[str, FlowRun]:
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(each) for each in ids]))
        with self._api.client() as client:
            return {str(run.id): run for run in client.read_flow_runs(flow_run_filter=wanted, limit=_AT_ONCE)}

    def _tell_forges(self) -> None:
        away: dict[str, TransientError] = {}
        for release in self._queue.untold():
            source = self._sources.get(release.source)
            if source is None or source.token is None:
                self._queue.mark_told(release)
            elif source.name not in away and self._rest_until.get(source.name, 0) <= time.monotonic():
                try:
                    self._tell(source, release)
                except TransientError as error:
                    away[source.name] = error
                    if isinstance(error, RateLimited):
                        self._rest_until[source.name] = time.monotonic() + error.seconds
        if away:
            raise next(iter(away.values()))

    def _tell(self, source: Source, release: QueuedRelease) -> None:
        if release.state == "queued":
            return
        url = url_for("flow-run", UUID(release.run)) if release.run else None
        try:
            tell(source, commit_status(source, release, release.state, url or ""))
        except PermanentError as error:
            self._metrics.statuses.labels(source.name, "refused").inc()
            LOGGER.warning("commit status refused", extra={"source": source.name, "reason": str(error)})
        else:
            self._metrics.statuses.labels(source.name, release.state).inc()
        self._queue.mark_told(release)
