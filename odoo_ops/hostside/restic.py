"""restic beside the data: its long JSON output is read here, the worker gets progress and a summary.

`process` is what `_messages` takes: argv, environment, without, files.
"""

import json
import os
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

from odoo_ops.hostside.channel import Channel, OperationError
from odoo_ops.hostside.filestore import Damages, compact, read_inventory
from odoo_ops.hostside.processes import lines_of, start_process

_LINES_OF_EACH_END = 20
# how restic's message about a file begins that is as it was; most are, and nobody needs more of them
_TRIES_AGAIN = " retrying after "
_UNCHANGED = b'{"message_type":"verbose_status","action":"unchanged"'


def _messages(
    channel: Channel, argv: list[str], environment: dict[str, str], without: list[str], files: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """Messages of a `restic --json` command as dicts; raises OperationError when it fails.

    That restic tries something again is sent as a line: it does so for a quarter of an hour before it gives up.
    An error has its first lines and its last: of files that are lost it says first why, then that they are not there.
    """
    process = start_process(channel, argv, environment, None, None, subprocess.PIPE, without, files)
    stdout, stderr = cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stderr)
    first: list[str] = []
    last: deque[str] = deque(maxlen=_LINES_OF_EACH_END)

    def keep(line: str) -> None:
        (first if len(first) < _LINES_OF_EACH_END else last).append(line)

    def read_errors() -> None:
        for line in map(_readable, lines_of(stderr)):
            keep(line)
            if _TRIES_AGAIN in line:
                channel.send("line", stream="stderr", text=line)

    errors = threading.Thread(target=read_errors)
    errors.start()
    for line in stdout:
        if line.startswith(_UNCHANGED):
            continue
        if line.startswith(b"{"):
            yield json.loads(line)
        else:
            keep(line.decode("utf-8", "replace").rstrip())
    errors.join()
    status = process.wait()
    channel.release(process)
    if status:
        raise OperationError("CommandFailed", "restic failed", exit_status=status, output="\n".join([*first, *last]))


def _readable(line: str) -> str:
    """What restic says in a line of its standard error, which may be JSON."""
    try:
        message = json.loads(line)
        return str(message.get("message") or message["error"]["message"])
    except (ValueError, AttributeError, KeyError, TypeError):
        return line


def how_far(message: dict[str, Any], done: str) -> tuple[int, int, str]:
    """What is done, the total and the unit, by restic's counts `bytes_<done>` and `files_<done>`: the one behind.

    All bytes may be there while very many tiny files are still written, and all tiny files before a large one.
    """
    counts = [(message.get(f"{unit}_{done}", 0), message.get(f"total_{unit}", 0), unit) for unit in ("bytes", "files")]
    return min(counts, key=lambda count: count[0] / count[1] if count[1] else 1.0)


def restic_backup(channel: Channel, filestore: str, changed_list: str, **process: Any) -> dict[str, Any]:
    """Run `restic backup --json --verbose=2`; write the names of new and changed filestore files to a file.

    Returns restic's summary.
    """
    summary: dict[str, Any] | None = None
    prefix = filestore.rstrip("/") + "/"
    descriptor = os.open(changed_list, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as changed:
        for message in _messages(channel, **process):
            kind = message["message_type"]
            if kind == "status":
                channel.progress(*how_far(message, "done"))
            elif kind == "verbose_status" and message["action"] in {"new", "modified"}:
                item = message["item"]
                if item.startswith(prefix) and not item.endswith("/"):
                    changed.write(item[len(prefix) :] + "\n")
            elif kind == "summary":
                summary = message
    if summary is None:
        raise OperationError("CommandFailed", "restic gave no summary", exit_status=0, output="")
    return summary


def restic_restore(channel: Channel, **process: Any) -> dict[str, Any]:
    """Run `restic restore --json` and return its summary."""
    summary: dict[str, Any] = {}
    for message in _messages(channel, **process):
        if message["message_type"] in {"status", "summary"}:
            channel.progress(*how_far(message, "restored"))
        if message["message_type"] == "summary":
            summary = message
    return summary


def prove_snapshot(channel: Channel, inventory: str, filestore: str, **process: Any) -> dict[str, Any]:
    """Compare `restic ls --json` of a snapshot with an inventory.

    Returns the attachments whose file the snapshot does not hold whole, by record, and the `tree` that was read.
    """
    prefix = filestore.rstrip("/") + "/"
    held: dict[bytes | str, int] = {}
    tree = ""
    for message in _messages(channel, **process):
        if message.get("message_type") == "snapshot":
            tree = message["tree"]
        if message.get("message_type") != "node" or message["type"] != "file":
            continue
        if message["path"].startswith(prefix):
            held[compact(message["path"][len(prefix) :])] = message["size"]
    damages = Damages()
    for attachment in read_inventory(inventory):
        size = held.get(compact(attachment["fname"]))
        if size is None:
            damages.add(attachment, "its file is not in the snapshot")
        elif attachment["size"] is not None and size != attachment["size"]:
            damages.add(attachment, f"its file has {size} bytes in the snapshot instead of {attachment['size']}")
    return {"files": len(held), "tree": tree, **damages.report()}


OPERATIONS: dict[str, Callable[..., object]] = {
    "restic_backup": restic_backup,
    "restic_restore": restic_restore,
    "prove_snapshot": prove_snapshot,
}
