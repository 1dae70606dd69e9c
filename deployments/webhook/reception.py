"""What happens to one delivery, from its first byte to its answer."""

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from deployments.webhook.group_commit import GroupCommit
from deployments.webhook.logs import LOGGER
from deployments.webhook.metrics import Metrics
from deployments.webhook.rush import Rush
from deployments.webhook.sources import Sources
from odoo_ops.model.webhooks import Accepted, Delivery, Ignored, Source
from odoo_ops.policy.rates import Bucket
from odoo_ops.policy.webhooks import asked, body_digest, delivery_id, signed_by

_RETRY_SECONDS = "10"


class Answer(NamedTuple):
    """What the sender is told, and by what name it is counted."""

    status: HTTPStatus
    body: dict[str, object]
    result: str
    headers: Mapping[str, str] = {}


_UNSIGNED = Answer(HTTPStatus.UNAUTHORIZED, {}, "unsigned")
_TOO_LARGE = Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"reason": "the body is too large"}, "too large")
_TOO_MANY = Answer(
    HTTPStatus.TOO_MANY_REQUESTS, {"reason": "too many deliveries"}, "too many", {"Retry-After": _RETRY_SECONDS}
)
_NOT_READY = Answer(
    HTTPStatus.SERVICE_UNAVAILABLE, {"reason": "try again"}, "not ready", {"Retry-After": _RETRY_SECONDS}
)


class Reception:
    """Takes deliveries. It never waits for Prefect: what is accepted is on disk, and `queued` is called."""

    def __init__(
        self,
        sources: Sources,
        queue: GroupCommit,
        metrics: Metrics,
        *,
        max_body_bytes: int,
        rush: Rush,
        queued: Callable[[], None],
    ) -> None:
        self._sources, self._queue, self._metrics = sources, queue, metrics
        self._max_body_bytes, self._rush, self._queued = max_body_bytes, rush, queued
        self._buckets: dict[str, Bucket] = {}

    async def take(self, name: str, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> Answer:
        """Answer a delivery. What it holds is looked at only once its signature was found good."""
        begun = time.perf_counter()
        source = self._sources.get(name)
        answer = await self._answer(source, headers, chunks)
        self._metrics.answer_seconds.observe(time.perf_counter() - begun)
        self._metrics.deliveries.labels(source.name if source else "unknown", answer.result).inc()
        return answer

    async def _answer(self, source: Source | None, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> Answer:
        if not self._sources.known:
            return _NOT_READY
        body = await self._body(headers, chunks)
        if body is None:
            return _TOO_LARGE
        if source is None:  # not sooner: what is too large would tell the names of sources apart
            return _UNSIGNED
        if not signed_by(source, headers, body, time.time()):
            LOGGER.warning("not signed", extra={"source": source.name})
            return _UNSIGNED
        return await self._answer_signed(source, headers, body)

    async def _answer_signed(self, source: Source, headers: Mapping[str, str], body: bytes) -> Answer:
        if not self._let_through(source):
            return _TOO_MANY
        self._rush.seen()
        found = asked(source, headers, body)
        if isinstance(found, Ignored):
            return Answer(HTTPStatus.ACCEPTED, {"reason": found.reason}, "ignored")
        return await self._queue_up(source, headers, body, found)

    async def _body(self, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> bytes | None:
        """The whole body; None when it is larger than allowed, whatever its header says."""
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_body_bytes:
            return None
        body = bytearray()
        async for chunk in chunks:
            body += chunk
            if len(body) > self._max_body_bytes:
                return None
        return bytes(body)

    def _let_through(self, source: Source) -> bool:
        """Only signed deliveries count: a stranger cannot use up what the forge may send."""
        now, limit = time.monotonic(), source.deliveries_per_minute
        bucket = self._buckets.get(source.name, Bucket(limit, now)).taken(limit, now)
        if bucket:
            self._buckets[source.name] = bucket
        return bucket is not None

    async def _queue_up(self, source: Source, headers: Mapping[str, str], body: bytes, accepted: Accepted) -> Answer:
        delivery = Delivery(
            source=source.name,
            id=delivery_id(source, headers, body),
            body_digest=body_digest(source, body),
            accepted=accepted,
            received_at=time.time(),
        )
        said = {"source": source.name, "delivery": delivery.id, "environments": accepted.environments}
        try:
            new = await self._queue.add(delivery)
        except sqlite3.Error as error:
            LOGGER.error("cannot be queued", extra={**said, "reason": str(error)})
            return _NOT_READY
        if not new:
            LOGGER.info("known already", extra=said)
            return Answer(HTTPStatus.ACCEPTED, {"reason": "this delivery is known already"}, "known")
        LOGGER.info("queued", extra={**said, "ref": accepted.push.ref, "commit": accepted.push.commit})
        self._queued()
        return Answer(HTTPStatus.ACCEPTED, {"releases": list(accepted.environments)}, "queued")
