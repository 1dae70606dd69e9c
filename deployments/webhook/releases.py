"""Let Prefect make a run for each queued release: once, in the order in which they came."""

import time
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from deployments.webhook.logs import LOGGER
from deployments.webhook.metrics import Metrics
from deployments.webhook.prefect_api import PrefectApi
from deployments.webhook.queue import Queue
from deployments.webhook.rush import Rush
from deployments.webhook.sources import Sources
from odoo_ops.errors import TransientError
from odoo_ops.model.webhooks import QueuedRelease
from odoo_ops.policy.webhooks import WEBHOOK_TAG, idempotency_key

_DEPLOYMENT = "release/release"
_REFRESH_SECONDS = 30
# What Prefect says when it will never make a run of these parameters.
_REFUSALS = {400, 409, 422}


class Releases:
    """Works off what is queued, and keeps the sources fresh."""

    def __init__(self, queue: Queue, sources: Sources, api: PrefectApi, metrics: Metrics, rush: Rush) -> None:
        self._queue, self._sources, self._api, self._metrics = queue, sources, api, metrics
        self._rush = rush
        self._fresh_until = 0.0

    def work(self) -> None:
        """One round. Raises TransientError when some of it must be tried again."""
        queued = self._queue.in_state("queued")
        if not queued and time.monotonic() < self._fresh_until:
            return
        with self._api.client() as client:
            if time.monotonic() >= self._fresh_until:
                self._sources.refresh(client)
                self._fresh_until = time.monotonic() + _REFRESH_SECONDS
            if queued:
                self._make_runs(client, queued)

    def _make_runs(self, client: SyncPrefectClient, queued: list[QueuedRelease]) -> None:
        """A run for each; of an environment whose first one fails, none is made before it.

        A Prefect that took some and is busy now is asked again in the next round, without back-off.
        """
        deployment = _deployment(client)
        failed: dict[str, TransientError] = {}
        taken = 0
        for release in queued:
            if release.environment in failed:
                continue
            self._rush.let_pass()
            try:
                self._make_run(client, deployment, release)
                taken += 1
            except TransientError as error:
                failed[release.environment] = error
        if failed and not taken:
            raise next(iter(failed.values()))

    def _make_run(self, client: SyncPrefectClient, deployment: UUID, release: QueuedRelease) -> None:
        said = {"source": release.source, "delivery": release.delivery, "environment": release.environment}
        try:
            run = client.create_flow_run_from_deployment(
                deployment,
                parameters=parameters_of(release),
                name=f"release {release.environment} {release.push.commit[:12]}",
                tags=[WEBHOOK_TAG, release.source, release.environment],
                idempotency_key=idempotency_key(release.source, release.delivery, release.environment),
            )
        except PrefectHTTPStatusError as error:
            status = error.response.status_code
            if status not in _REFUSALS:
                raise TransientError(f"Prefect answers {status} when it is given a run.") from error
            self._queue.mark_refused(release, f"Prefect refused the release ({status}): see the receiver's log")
            self._metrics.releases.labels("refused").inc()
            LOGGER.error("release refused by Prefect", extra={**said, "status": status, "reason": str(error)})
            return
        self._queue.mark_made(release, str(run.id))
        self._metrics.releases.labels("made").inc()
        LOGGER.info("run made", extra={**said, "run": run.id})


def parameters_of(release: QueuedRelease) -> dict[str, object]:
    """What the flow is told: it knows a repository of addons by the name that its forge gives it."""
    push = release.push
    wanted = {"image": release.image} if release.image else {"refs": {push.repository: push.commit}}
    return {"environment": release.environment, **wanted, "pushed_to": {push.repository: push.ref}}


def _deployment(client: SyncPrefectClient) -> UUID:
    try:
        return client.read_deployment_by_name(_DEPLOYMENT).id
    except ObjectNotFound as error:
        raise TransientError(
            f"Prefect has no deployment {_DEPLOYMENT}; what came is kept until it has. Next step: "
            "`prefect --no-prompt deploy --all`."
        ) from error
