"""Every program that a process starts, and all that these start, however short they live: strace sees each `execve`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LONGEST = 1 << 22
_STARTED = re.compile(
    r"\d+ +execve(?:at)?\("
    r'(?:[^",]+, )?"(?P<file>[^"]*)", \[(?P<argv>[^\]]*)\], \[(?P<variables>[^\]]*)\]'
)
# the second half of one that was told already; a process that was ended at its call, so that nothing was started:
# strace may not have read yet which call it was, and a number below zero is none
_NOTHING_NEW = re.compile(
    r"\d+ +(<\.\.\. execve(at)? resumed>.*|\?\?\?\( <(detached|unfinished) \.\.\.>|"
    r"syscall_0xf[0-9a-f]{15}\(.* <detached \.\.\.>)"
)


@dataclass(frozen=True)
class Started:
    """What one program was started with, as the kernel was given it; the words are parted by zero bytes."""

    program: str
    argv: bytes
    variables: bytes


def recorder(strace: Path, record: Path) -> list[str]:
    """What stands before a command so that the programs are recorded; the command keeps pid, exit status and output.

    A program of another user that is started by `sudo` gets no rights unless root records.
    """
    quiet = ("-qq", "-e", "signal=none", "-e", "trace=execve,execveat")
    # in hex: no way of quoting hides a byte; only `execve` is stopped at, so the rest is as fast as ever
    whole = ("-xx", "-v", "-s", str(_LONGEST))
    return [str(strace), "-D", "-f", "--seccomp-bpf", *quiet, *whole, "-o", str(record), "--"]


def started(record: Path) -> Iterator[Started]:
    """The programs in a record, also those that the system did not find. Fails for a line that it cannot read."""
    for line in record.read_text().splitlines():
        if _NOTHING_NEW.fullmatch(line):
            continue
        found = _STARTED.match(line)
        assert found, line
        yield Started(Path(_plain(found["file"]).decode()).name, _words(found["argv"]), _words(found["variables"]))


def _words(shown: str) -> bytes:
    words = [word.removeprefix('"').removesuffix('"') for word in shown.split(", ")] if shown else []
    return b"\0".join(map(_plain, words))


def _plain(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.replace("\\x", ""))
