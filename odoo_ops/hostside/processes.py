"""Run programs: own process group, no inherited stdio, output streamed, exit status always reported."""

import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from odoo_ops.hostside.channel import Channel, OperationError, end_processes
from odoo_ops.hostside.memory_files import place_files
from odoo_ops.hostside.room import room_left

TAIL_LINES = 40
_LINE_BYTES = 16 * 1024
_ASKED_SECONDS = 120


def start_process(
    channel: Channel,
    argv: list[str],
    environment: dict[str, str],
    stdin: str | int | None,
    working_directory: str | None,
    stdout: IO[bytes] | int,
    without: Sequence[str] = (),
    files: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that ends with the agent; `stdin` is a text, or subprocess.PIPE for what the caller writes.

    Raises OperationError when the program is not there.
    """
    argv, environment = place_files(files or {}, argv, environment)
    try:
        process = channel.adopt(
            lambda: subprocess.Popen(
                argv,
                env=variables_of(environment, without),
                cwd=working_directory,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=stdout,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        )
    except (FileNotFoundError, PermissionError) as error:
        raise OperationError("PreconditionFailed", f"cannot run {argv[0]}: {error.strerror}") from error
    if isinstance(stdin, str):
        threading.Thread(target=_feed, args=(process.stdin, stdin.encode()), daemon=True).start()
    return process


def variables_of(environment: dict[str, str], without: Sequence[str]) -> dict[str, str]:
    """The login's variables but those whose names begin as `without` says, and a process's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(tuple(without))}
    return {**kept, **environment}


def _feed(stream: IO[bytes], data: bytes) -> None:
    try:
        stream.write(data)
        stream.close()
    except BrokenPipeError:
        pass  # it ended without reading: its exit status tells why


def lines_of(stream: IO[bytes]) -> Iterator[str]:
    """The lines of a binary stream as text, very long ones in parts."""
    while chunk := stream.readline(_LINE_BYTES):
        yield chunk.decode("utf-8", "replace").rstrip("\r\n")


def run(
    channel: Channel,
    argv: list[str],
    environment: dict[str, str],
    stdin: str | None,
    working_directory: str | None,
    without: list[str],
    files: dict[str, str],
    capture: bool,
    stdout_file: str | None,
    timeout_seconds: float | None,
    room_in: str | None = None,
    room_bytes: int = 0,
) -> dict[str, Any]:
    """Run a process to its end, or until less than `room_bytes` are free on the disk of the folder `room_in`.

    Its stderr is streamed, and its stdout too unless it is captured or goes to a file.
    Returns exit_status, stdout (when captured), stderr (last lines), timed_out, ended_for_room and seconds.
    """
    begun = time.monotonic()
    with _sink(stdout_file) as sink:
        process = start_process(channel, argv, environment, stdin, working_directory, sink, without, files)
        timer = threading.Timer(timeout_seconds or 1, end_processes, args=([process],))
        if timeout_seconds:
            timer.start()
        captured: list[str] = []
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        readers = [threading.Thread(target=_stream, args=(channel, "stderr", process.stderr, tail))]
        if not stdout_file:
            stdout = (
                threading.Thread(target=_collect, args=(process.stdout, captured))
                if capture
                else threading.Thread(target=_stream, args=(channel, "stdout", process.stdout, tail))
            )
            readers.append(stdout)
        with room_left(process, room_in, room_bytes) as ended_for_room:
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
            status = process.wait()
        seconds = time.monotonic() - begun
        timed_out = bool(timeout_seconds and seconds >= timeout_seconds and status != 0)
        timer.cancel()
        channel.release(process)
        if not isinstance(sink, int) and status == 0:
            sink.flush()
            os.fsync(sink.fileno())
    return {
        "exit_status": status,
        "stdout": "".join(captured),
        "stderr": "\n".join(tail),
        "timed_out": timed_out,
        "ended_for_room": ended_for_room.is_set(),
        "seconds": seconds,
    }


def output_of(channel: Channel, argv: list[str], environment: dict[str, str] | None = None) -> str:
    """What a command prints; an error says what it said."""
    done = run(
        channel,
        argv=argv,
        environment=environment or {},
        stdin=None,
        working_directory=None,
        without=[],
        files={},
        capture=True,
        stdout_file=None,
        timeout_seconds=_ASKED_SECONDS,
    )
    if done["exit_status"]:
        raise OperationError(
            "CommandFailed", f"{argv[0]} failed", exit_status=done["exit_status"], output=done["stderr"]
        )
    text: str = done["stdout"]
    return text


@contextmanager
def _sink(path: str | None) -> Iterator[IO[bytes] | int]:
    """Where stdout goes: a new private file, or a pipe."""
    if not path:
        yield subprocess.PIPE
        return
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        yield file


def _stream(channel: Channel, name: str, stream: IO[bytes], tail: deque[str]) -> None:
    for text in lines_of(stream):
        tail.append(text)
        channel.send("line", stream=name, text=text)


def _collect(stream: IO[bytes], captured: list[str]) -> None:
    captured.append(stream.read().decode("utf-8", "replace"))


OPERATIONS: dict[str, Callable[..., object]] = {"run": run}
