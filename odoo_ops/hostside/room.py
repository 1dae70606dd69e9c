"""Ends a program before it takes the last of a disk, which others need, too."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from odoo_ops.hostside.channel import end_processes

_LOOKS_EVERY_SECONDS = 0.1


@contextmanager
def room_left(process: "subprocess.Popen[bytes]", folder: str | None, at_least_bytes: int) -> Iterator[threading.Event]:
    """While the block waits for a program, end it once less is free on a folder's disk; the event says that it was.

    Without a folder none is looked at.
    """
    ended, over = threading.Event(), threading.Event()

    def look(folder: str) -> None:
        while not over.wait(_LOOKS_EVERY_SECONDS):
            space = os.statvfs(folder)
            if space.f_bavail * space.f_frsize < at_least_bytes:
                ended.set()
                end_processes([process])
                return

    if folder is None:
        yield ended
        return
    looker = threading.Thread(target=look, args=(folder,))
    looker.start()
    try:
        yield ended
    finally:
        over.set()
        looker.join()
