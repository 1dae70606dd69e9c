"""One commit for all deliveries that came while the last one was written: a burst does not wait for the disk."""

import asyncio

from deployments.webhook.queue import Queue
from odoo_ops.model.webhooks import Delivery


class GroupCommit:
    """Puts deliveries into the queue from an event loop, many at a time."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._waiting: list[tuple[Delivery, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, delivery: Delivery) -> bool:
        """Queue a delivery; whether it was not known yet. It is on disk then.

        Raises sqlite3.Error when it cannot be written.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await done

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                outcomes = await asyncio.to_thread(self._queue.add, [delivery for delivery, _ in batch])
            except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
                continue
            for (_, done), new in zip(batch, outcomes, strict=True):
                if not done.done():  # its sender went away; the delivery is queued all the same
                    done.set_result(new)
        self._writing = None
