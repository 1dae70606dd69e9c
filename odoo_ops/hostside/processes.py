"""Run programs: own process group, no inherited stdio, output streamed, exit status always reported."""

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, NoReturn

from odoo_ops.hostside.channel import Channel, OperationError, end_processes
from odoo_ops.hostside.memory_files import place_files
from odoo_ops.hostside.processors import all_processors
from odoo_ops.hostside.room import room_left

_TAIL_LINES = 40
_LINE_BYTES = 16 * 1024
_CLOCK_SECONDS = 2
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
                env=_variables(environment, without),
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


def _variables(environment: dict[str, str], without: Sequence[str]) -> dict[str, str]:
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
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
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


def spawn(
    channel: Channel,
    argv: list[str],
    environment: dict[str, str],
    working_directory: str | None,
    log_file: str,
) -> int:
    """Start a process that outlives the agent (an Odoo server). Returns its pid.

    Where nothing else is named it works in /, as the agent's own folder may go with the run: with none Odoo compiles no
    style sheet.
    """
    with open(os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640), "ab") as log:
        try:
            with all_processors():
                process = subprocess.Popen(
                    argv,
                    env={**os.environ, **environment},
                    cwd=working_directory or "/",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except (FileNotFoundError, PermissionError) as error:
            raise OperationError("PreconditionFailed", f"cannot run {argv[0]}: {error.strerror}") from error
    time.sleep(0.5)
    if process.poll() is not None:
        raise OperationError(
            "CommandFailed", f"{argv[0]} ended at once", exit_status=process.returncode, output=_end_of(log_file)
        )
    return process.pid


def serve(
    channel: Channel,
    argv: list[str],
    environment: dict[str, str],
    without: list[str],
    files: dict[str, str],
    working_directory: str | None,
    log_file: str,
) -> NoReturn:
    """Run a server that ends with the agent (an Odoo booted for a drill); its output goes to a file."""
    argv, environment = place_files(files, argv, environment)
    with open(os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
        process = channel.adopt(
            lambda: subprocess.Popen(
                argv,
                env=_variables(environment, without),
                cwd=working_directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        )
        channel.send("ready", pid=process.pid)
        status = process.wait()
        channel.release(process)
    raise OperationError("CommandFailed", f"{argv[0]} ended", exit_status=status, output=_end_of(log_file))


def _end_of(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return "".join(deque(file, maxlen=_TAIL_LINES))


def _pid_in(pid_file: str) -> int | None:
    try:
        with open(pid_file, encoding="ascii") as file:
            return int(file.read().strip())
    except (FileNotFoundError, ValueError):
        return None


def _is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def _started_at(pid: int) -> float:
    """When a process began, in seconds since the epoch (proc(5): `starttime`, `btime`)."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        ticks = int(file.read().rsplit(")", 1)[1].split()[19])
    with open("/proc/stat", encoding="ascii") as file:
        boot = next(int(line.split()[1]) for line in file if line.startswith("btime "))
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def process_running(channel: Channel, pid_file: str, start: list[str]) -> int | None:
    """The pid in a file, if that process runs; else None.

    After a reboot the pid may be another program's. It counts as that only if it began after the file was
    written and shares no word with the command that starts ours (a launcher may have replaced itself).
    """
    pid = _pid_in(pid_file)
    if pid is None or not _is_running(pid):
        return None
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().decode("utf-8", "replace").split("\0")
        younger = _started_at(pid) > os.stat(pid_file).st_mtime + _CLOCK_SECONDS
    except FileNotFoundError:  # it has just ended
        return None
    return None if younger and not set(words) & set(start) else pid


def stop_process(channel: Channel, pid_file: str, start: list[str], grace_seconds: float) -> bool:
    """End the process that a pid file names: SIGTERM, after the grace time SIGKILL.

    Returns whether it ran.
    """
    pid = process_running(channel, pid_file, start)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    if _is_running(pid):
        os.kill(pid, signal.SIGKILL)
        while _is_running(pid):
            time.sleep(0.05)
    return True


OPERATIONS: dict[str, Callable[..., object]] = {
    "run": run,
    "spawn": spawn,
    "serve": serve,
    "process_running": process_running,
    "stop_process": stop_process,
}
