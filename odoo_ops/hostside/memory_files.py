"""Texts that a program wants as files (a private key): in memory, readable by its user alone, never on a disk.

They are gone after the operation, and with the agent, however it ends. Where a program wants a folder, one is made
that holds a link to the text: an agent that is killed leaves the link, which leads nowhere.
"""

import os
import shutil
import tempfile

_placed: list[int] = []
_folders: list[str] = []


def place_files(
    files: dict[str, str], argv: list[str], environment: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Put the texts in memory and their paths in place of `%name%` in arguments and variables.

    Of `folder/file` it is the path of a folder. The paths lead through this process, for as long as it lives; no child
    inherits the files themselves.
    """
    for name, text in files.items():
        path, token = _in_memory(name, text), f"%{name}%"
        if "/" in name:
            path = _linked(path, os.path.basename(name))
        argv = [argument.replace(token, path) for argument in argv]
        environment = {key: value.replace(token, path) for key, value in environment.items()}
    return argv, environment


def _in_memory(name: str, text: str) -> str:
    descriptor = os.memfd_create(name)
    _placed.append(descriptor)
    os.fchmod(descriptor, 0o600)
    with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
        file.write(text)
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _linked(path: str, name: str) -> str:
    """A new folder, for this user alone, in which the file has a name."""
    folder = tempfile.mkdtemp(prefix="odoo-ops-")
    _folders.append(folder)
    os.symlink(path, os.path.join(folder, name))
    return folder


def forget_files() -> None:
    """Let go of all texts that were placed: the programs that wanted them have ended."""
    while _placed:
        os.close(_placed.pop())
    while _folders:
        shutil.rmtree(_folders.pop())
