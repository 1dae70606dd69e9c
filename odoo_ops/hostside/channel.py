"""The agent's side of its conversation with the worker: JSON lines out, JSON lines in.

Out (stdout), one object a line, `event` says which:
    line      one line of a process's output: `stream`, `text`
    progress  how far an operation is: `done`, `total`, `unit`
    ready     a lasting operation (lock, server) has begun, or a connection is there (see `relay`)
    alive     a lock is still held
    pong      answer to a ping
    result    the operation's `value`, and the `seconds` that it took here; then the next request is waited for
    error     the operation failed: `kind`, `message`, `details`; the last event
In (stdin): `ping`, or a request as an object; the end of stdin means that the worker is gone.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, Any

_TERM_GRACE_SECONDS = 10.0
_PROGRESS_EVERY_SECONDS = 0.25


class OperationError(Exception):
    """An operation cannot be done; `kind` names the exception that the worker raises for it."""

    def __init__(self, kind: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.kind = kind
        self.details = details


class Channel:
    """Sends events, and ends every child process when the worker goes away."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._write_lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._children_lock = threading.Lock()
        self._progress_sent = 0.0
        self._requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.abandoned = threading.Event()

    def send(self, event: str, **fields: object) -> None:
        """Send one event. A worker that is gone ends the agent."""
        line = json.dumps({"event": event, **fields}) + "\n"
        try:
            with self._write_lock:
                self._stdout.write(line.encode())
                self._stdout.flush()
        except (BrokenPipeError, OSError):
            self.abandon()

    def progress(self, done: int, total: int, unit: str) -> None:
        """Send how far the operation is, at most four times a second, and always the end."""
        now = time.monotonic()
        if now - self._progress_sent >= _PROGRESS_EVERY_SECONDS or done == total:
            self._progress_sent = now
            self.send("progress", done=done, total=total, unit=unit)

    def watch(self) -> None:
        """Read what comes from now on; when the worker goes away, end all children and the agent."""
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        try:
            for line in self._stdin:
                if line.strip() == b"ping":
                    self.send("pong")
                else:
                    self._requests.put(json.loads(line))
        finally:  # also when a request was cut off with the connection
            self.abandon()

    def next_request(self) -> dict[str, Any]:
        """The request that comes next; waits for it."""
        return self._requests.get()

    def adopt(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """Start a child that ends with the agent, also if that ends at this moment. It must lead its own group."""
        with self._children_lock:
            if self.abandoned.is_set():
                raise OperationError("TransientError", "the worker has gone")
            process = start()
            self._children.add(process)
        return process

    def release(self, process: subprocess.Popen[bytes]) -> None:
        """The child has ended."""
        with self._children_lock:
            self._children.discard(process)

    def abandon(self) -> None:
        """End all children, then the agent: nobody waits for the result any more."""
        self.abandoned.set()
        self.end_children()
        os._exit(1)

    def end_children(self) -> None:
        """End what the operation started and did not see ending."""
        with self._children_lock:
            children = list(self._children)
        end_processes(children)


def end_processes(processes: list[subprocess.Popen[bytes]]) -> None:
    """Ask process groups to end (SIGTERM); end them by force (SIGKILL) after ten seconds."""
    for process in processes:
        signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + _TERM_GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            signal_group(process, signal.SIGKILL)
            process.wait()
        # what the leader left behind in its group
        signal_group(process, signal.SIGKILL)


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to the process group that a child leads; a group that has ended is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def standard_channel() -> Channel:
    """The channel over this process's own stdin and stdout."""
    return Channel(sys.stdin.buffer, sys.stdout.buffer)
