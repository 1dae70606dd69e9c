"""The webhook receiver: a forge tells of a push, and the environments that follow it get their release.

`reception` decides on a delivery and queues it on disk (`queue`); `app` speaks HTTP. Beside them two threads
(`worker`) work the queue off: `releases` lets Prefect make the runs, `statuses` tells the forge what became of them.
`sources` holds who may send, as Prefect has it.
"""
