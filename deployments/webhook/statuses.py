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
from odoo_ops.errors import PermanentError, PreconditionFailed, RateLimited, TransientError
from odoo_ops.model.webhooks import QueuedRelease, Source
from odoo_ops.policy.commit_status import commit_status, outcome

_AT_ONCE = 200  # as many runs as Prefect lists in one answer
# A run that failed may be tried again in Prefect, and a token be renewed. Whoever does either does so soon.
_MENDED_WITHIN_SECONDS = 7 * 86400
_FAILED_SECONDS = 60  # between two looks at runs that failed
_REFUSED_SECONDS = 3600  # before a forge is asked again that a token does not please


class Statuses:
    """Works off what ended, and what a forge was not told yet. A status may be told twice, never not at all."""

    def __init__(self, queue: Queue, sources: Sources, api: PrefectApi, metrics: Metrics) -> None:
        self._queue, self._sources, self._api, self._metrics = queue, sources, api, metrics
        self._asked_up_to = 0
        self._failed_seen_at = float("-inf")
        self._rest_until: dict[str, float] = {}  # sources whose forge was asked too often
        # Releases that a forge did not let the token of this source tell of. Another token is tried at once.
        self._refused: dict[int, tuple[Source, float]] = {}

    def work(self) -> None:
        """One round. Raises TransientError when some of it must be tried again."""
        # A forge that is away keeps nobody from seeing how runs ended, and Prefect nobody from telling what is known.
        try:
            self._tell_forges()
        finally:
            self._follow_runs()

    def _follow_runs(self) -> None:
        """Ask for some of the runs that have not ended, in turn: a Prefect that has many to start has enough to do.

        Now and then for those that failed, too: somebody may have let one be tried again.
        """
        pending = self._queue.in_state("pending")
        part = [release for release in pending if release.id > self._asked_up_to][:_AT_ONCE]
        self._asked_up_to = part[-1].id if len(part) == _AT_ONCE else 0
        self._follow(part)
        if time.monotonic() - self._failed_seen_at >= _FAILED_SECONDS:
            failed = self._queue.failed_since(time.time() - _MENDED_WITHIN_SECONDS)
            for first in range(0, len(failed), _AT_ONCE):
                self._follow(failed[first : first + _AT_ONCE])
            self._failed_seen_at = time.monotonic()

    def _follow(self, releases: list[QueuedRelease]) -> None:
        if not releases:
            return
        runs = self._runs([release.run for release in releases if release.run])
        for release in releases:
            run = runs.get(release.run or "")
            # A run that somebody deleted will never succeed.
            state = (outcome(run.state_type or "", run.state_name or "") or "pending") if run else "failure"
            if state == release.state:
                continue
            self._queue.mark_state(release, state)
            if state != "pending":
                self._metrics.releases.labels(state).inc()

    def _runs(self, ids: list[str]) -> dict[str, FlowRun]:
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(each) for each in ids]))
        with self._api.client() as client:
            return {str(run.id): run for run in client.read_flow_runs(flow_run_filter=wanted, limit=_AT_ONCE)}

    def _tell_forges(self) -> None:
        if not self._sources.known:  # else whom to tell would be taken as nobody
            return
        away: list[TransientError] = []
        held: set[str] = set()  # sources whose forge does not answer, or was asked too often, in this round
        refused: set[tuple[str, str]] = set()  # sources, each with a repository in which its token may not tell
        # What was refused before would hold up what came later.
        for release in sorted(self._queue.untold(), key=lambda untold: untold.id in self._refused):
            source, repository = self._sources.get(release.source), (release.source, release.push.repository)
            if source is None or source.token is None:
                self._mark_told(release)
            elif source.name not in held and repository not in refused and not self._rests(source, release):
                try:
                    self._tell(source, release)
                except TransientError as error:
                    held.add(source.name)
                    away.append(error)
                    if isinstance(error, RateLimited):
                        self._rest_until[source.name] = time.monotonic() + error.seconds
                except PreconditionFailed as error:
                    refused.add(repository)
                    self._let_rest(source, release, error)
        if away:
            raise away[0]

    def _rests(self, source: Source, release: QueuedRelease) -> bool:
        refused, until = self._refused.get(release.id, (None, 0.0))
        now = time.monotonic()
        return self._rest_until.get(source.name, 0) > now or (refused == source and until > now)

    def _let_rest(self, source: Source, release: QueuedRelease, error: PreconditionFailed) -> None:
        """Try a release's status again much later, or at once by another token; after some days no more."""
        self._tell_refused(source, error)
        if time.time() - release.received_at < _MENDED_WITHIN_SECONDS:
            self._refused[release.id] = (source, time.monotonic() + _REFUSED_SECONDS)
        else:
            self._mark_told(release)

    def _tell(self, source: Source, release: QueuedRelease) -> None:
        """Raises TransientError and PreconditionFailed as `tell` does."""
        if release.state == "queued":
            return
        url = url_for("flow-run", UUID(release.run)) if release.run else None
        try:
            tell(source, commit_status(source, release, release.state, url or ""))
        except PreconditionFailed:
            raise
        except PermanentError as error:
            self._tell_refused(source, error)
        else:
            self._metrics.statuses.labels(source.name, release.state).inc()
        self._mark_told(release)

    def _tell_refused(self, source: Source, error: PermanentError) -> None:
        self._metrics.statuses.labels(source.name, "refused").inc()
        LOGGER.warning("commit status refused", extra={"source": source.name, "reason": str(error)})

    def _mark_told(self, release: QueuedRelease) -> None:
        self._refused.pop(release.id, None)
        self._queue.mark_told(release)
