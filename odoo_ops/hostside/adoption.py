"""An Odoo that runs on the host, looked at. Passwords stay here: only how they are is told."""

import contextlib
import os
import pwd
from collections.abc import Callable
from typing import Any

from odoo_ops.hostside.channel import Channel, OperationError
from odoo_ops.hostside.odoo_options import known_variables, password_in, program_words, read_arguments, read_file
from odoo_ops.hostside.processes import output_of


def list_odoo_processes(channel: Channel) -> dict[str, Any]:
    """Odoo servers that run on the host itself, and who looks: of each the first process, not its workers."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            if process := _odoo_process(f"/proc/{entry}"):
                found[int(entry)] = process
    me = pwd.getpwuid(os.geteuid())
    return {
        "user": me.pw_name,
        "home": me.pw_dir,
        "processes": [{"pid": pid, **process} for pid, process in found.items() if process.pop("parent") not in found],
    }


def _odoo_process(folder: str) -> dict[str, Any] | None:
    argv = _read(f"{folder}/cmdline").rstrip("\0").split("\0")
    words = program_words(argv)
    status = dict(line.split(":", 1) for line in _read(f"{folder}/status").splitlines() if ":" in line)
    contained = len(status.get("NSpid", "").split()) > 1
    serves = argv[words : words + 1] in ([], ["server"]) or argv[words : words + 1][0].startswith("-")
    if not words or contained or not serves:
        return None  # another program, one in a container, or a command of Odoo's such as `shell`
    options, secrets = read_arguments(argv[words:])
    environment, kinds = known_variables(_environment(folder))
    user = pwd.getpwuid(int(status["Uid"].split()[1]))
    return {
        "parent": int(status["PPid"]),
        "program": argv[:words],
        "options": options,
        "secrets": secrets | kinds,
        "environment": environment,
        "user": user.pw_name,
        "home": user.pw_dir,
        "unit": _unit(_read(f"{folder}/cgroup")),
        "folder": _folder(folder),
    }


def _unit(cgroup: str) -> str | None:
    """The systemd unit of a process; None where it is part of a login or of nothing."""
    names = [part for line in cgroup.splitlines() for part in line.split("/") if part.endswith(".service")]
    return names[-1] if names and not names[-1].startswith("user@") else None


def _environment(folder: str) -> dict[str, str]:
    try:
        return dict(word.split("=", 1) for word in _read(f"{folder}/environ").split("\0") if "=" in word)
    except PermissionError:
        return {}


def _folder(folder: str) -> str | None:
    try:
        return os.readlink(f"{folder}/cwd")
    except PermissionError:
        return None


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def read_odoo_conf(channel: Channel, argv: list[str]) -> dict[str, Any] | None:
    """Options of interest in the odoo.conf that a command prints, and how its secrets are; None: there is none.

    Of a file that is no odoo.conf both are None.
    """
    text = _printed_conf(channel, argv)
    if text is None:
        return None
    options, secrets = read_file(text) or (None, None)
    return {"options": options, "secrets": secrets}


def _printed_conf(channel: Channel, argv: list[str]) -> str | None:
    try:
        return output_of(channel, argv)
    except OperationError as error:
        if "No such file" in str(error.details.get("output")):
            return None
        raise


def ask_database(
    channel: Channel, argv: list[str], environment: dict[str, str], config: str | None, pid: int | None
) -> str:
    """What psql prints, with the password of the Odoo whose file or process is named."""
    text = _printed_conf(channel, ["cat", config]) if config else None
    words = _read(f"/proc/{pid}/cmdline").split("\0") if pid else []
    password = password_in(words, text) or (_environment(f"/proc/{pid}").get("PGPASSWORD") if pid else None)
    return output_of(channel, argv, {**environment, **({"PGPASSWORD": password} if password else {})})


OPERATIONS: dict[str, Callable[..., object]] = {
    "list_odoo_processes": list_odoo_processes,
    "read_odoo_conf": read_odoo_conf,
    "ask_database": ask_database,
}
