"""Servers: started to outlive the agent or to end with it, known again by their pid files, and stopped."""

import os
import re
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from odoo_ops.hostside.channel import Channel, OperationError
from odoo_ops.hostside.memory_files import place_files
from odoo_ops.hostside.processes import TAIL_LINES, variables_of
from odoo_ops.hostside.processors import all_processors

_CLOCK_SECONDS = 2
# programs that run others
_ANYBODYS = re.compile(r"(python|pypy|perl|ruby|node|bash|dash|sh|env|nice|ionice|sudo|runuser|setpriv)[\d.]*$")


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
                env=variables_of(environment, without),
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
        return "".join(deque(file, maxlen=TAIL_LINES))


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
    written and shares no word with the command that starts ours (a launcher may have replaced itself) but options and
    what runs many programs, such as Python.
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
    own = {word for word in start if not word.startswith("-") and not _ANYBODYS.match(os.path.basename(word))}
    return None if younger and not own & set(words) else pid


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
    "spawn": spawn,
    "serve": serve,
    "process_running": process_running,
    "stop_process": stop_process,
}
