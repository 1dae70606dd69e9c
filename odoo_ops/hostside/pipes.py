"""Programs whose output or input is streamed through the agent: heavy data goes past the disk and the worker."""

import subprocess
import tarfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NoReturn, cast

from odoo_ops.hostside.channel import Channel, OperationError, end_processes
from odoo_ops.hostside.processes import lines_of, start_process

_TAIL_LINES = 40
_CHUNK_BYTES = 1024 * 1024


@contextmanager
def output_of(
    channel: Channel, argv: list[str], environment: dict[str, str], without: list[str], files: dict[str, str]
) -> Iterator[IO[bytes]]:
    """The standard output of a program, while the block reads it.

    Raises OperationError when the program fails, and when what it writes is a tar archive that is cut short: the
    program tells why.
    """
    process = start_process(channel, argv, environment, None, None, subprocess.PIPE, without, files)
    stdout, (errors, tail) = cast("IO[bytes]", process.stdout), _last_lines(process)
    cut_short: tarfile.ReadError | None = None
    try:
        yield stdout
    except tarfile.ReadError as error:
        cut_short = error
    while stdout.read(_CHUNK_BYTES):  # padding behind what was wanted: else the program could not end
        pass
    errors.join()
    status = process.wait()
    channel.release(process)
    if status or cut_short:
        _fail(argv, status, tail, str(cut_short or ""))


@contextmanager
def input_of(
    channel: Channel, argv: list[str], environment: dict[str, str], without: list[str], files: dict[str, str]
) -> Iterator[IO[bytes]]:
    """The standard input of a program, while the block writes it; its output goes nowhere.

    When the block raises, the program is ended before it sees an end of its input that is none. Raises
    OperationError when the program fails, or ends before it read everything.
    """
    process = start_process(channel, argv, environment, subprocess.PIPE, None, subprocess.DEVNULL, without, files)
    stdin, (errors, tail) = cast("IO[bytes]", process.stdin), _last_lines(process)
    unread = False
    try:
        yield stdin
        stdin.close()
    except BrokenPipeError:
        unread = True  # its exit status tells why
    except BaseException:
        end_processes([process])
        channel.release(process)
        raise
    errors.join()
    status = process.wait()
    channel.release(process)
    if status or unread:
        _fail(argv, status, tail, "it ended before it read everything" if unread else "")


def _last_lines(process: "subprocess.Popen[bytes]") -> tuple[threading.Thread, deque[str]]:
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    stderr = cast("IO[bytes]", process.stderr)
    reader = threading.Thread(target=lambda: tail.extend(lines_of(stderr)))
    reader.start()
    return reader, tail


def _fail(argv: list[str], status: int, tail: deque[str], problem: str) -> NoReturn:
    output = "\n".join([*tail, problem]).strip()
    raise OperationError("CommandFailed", f"{argv[0]} failed", exit_status=status, output=output)
