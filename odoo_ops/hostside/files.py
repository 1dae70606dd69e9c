"""Files on the host: small texts, folders, space."""

import errno
import os
import re
import shutil
import stat
from collections.abc import Callable

from odoo_ops.hostside.channel import Channel


def read_text(channel: Channel, path: str) -> str | None:
    """Text of a file, or None if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write_text(channel: Channel, path: str, text: str, mode: int = 0o600) -> None:
    """Write a file, by default one that only its owner can read: whole or not at all."""
    partial = path + ".partial"
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    _keep_names(os.path.dirname(path))


def _keep_names(folder: str) -> None:
    """Let the names in a folder outlive a loss of power: a file system may write them seconds later.

    Where that cannot be asked for (a folder that may not be read, some file systems), it is as without.
    """
    try:
        descriptor = os.open(folder or ".", os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EBADF, errno.EACCES}:
            raise
    finally:
        os.close(descriptor)


def make_directory(channel: Channel, path: str, mode: int = 0o700) -> None:
    """Make a folder, by default one that only its owner can enter, with its parents; one that exists stays as it is."""
    if not os.path.isdir(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mkdir(path, 0o700)
        os.chmod(path, mode)


def set_mode(channel: Channel, path: str, mode: int) -> None:
    """Say who may read a file or enter a folder."""
    os.chmod(path, mode)


def make_private(channel: Channel, path: str) -> None:
    """Let nobody but its owner read any of the files below a folder."""
    for folder, _folders, names in os.walk(path):
        for name in names:
            file = os.path.join(folder, name)
            mode = os.lstat(file).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                os.chmod(file, 0o600)


def remove_tree(channel: Channel, path: str) -> bool:
    """Delete a folder with all in it, or one file. Returns whether there was anything."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
    else:
        return False
    return True


def rename(channel: Channel, source: str, destination: str) -> None:
    """Rename a file or folder on one file system. An existing destination is never replaced."""
    if os.path.lexists(destination):
        raise FileExistsError(f"{destination} exists: {source} was not renamed")
    os.rename(source, destination)
    for folder in {os.path.dirname(source), os.path.dirname(destination)}:
        _keep_names(folder)


def list_directory(channel: Channel, path: str) -> list[str]:
    """Names in a folder; none if there is no folder."""
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


def describe_path(channel: Channel, path: str) -> dict[str, bool | int]:
    """What a path is: exists, is_directory, is_link, writable, uid, gid, mode, inode, device, bytes.

    The device is its file system's; bytes that are reserved for root are not counted.
    Of a path that does not exist yet, all but the first three are the nearest parent's. Of a link, all but `is_link`
    tell what it leads to.
    """
    exists = os.path.exists(path)
    nearest = path
    while not os.path.exists(nearest):
        nearest = os.path.dirname(nearest)
    status, space = os.stat(nearest), os.statvfs(nearest)
    return {
        "exists": exists,
        "is_directory": os.path.isdir(path),
        "is_link": os.path.islink(path),
        "writable": os.access(nearest, os.W_OK),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mode": stat.S_IMODE(status.st_mode),
        "inode": status.st_ino,
        "device": status.st_dev,
        "free_bytes": space.f_bavail * space.f_frsize,
        "total_bytes": (space.f_blocks - space.f_bfree + space.f_bavail) * space.f_frsize,
    }


def is_mount(channel: Channel, path: str) -> bool:
    """Whether a file system, or a folder of one, is mounted where a path leads to.

    Where the system does not list its mounts, a folder of the same disk that is bound there is not seen.
    """
    try:
        mounts = _mounts()
    except OSError:
        return os.path.ismount(os.path.realpath(path))
    there = os.path.realpath(path)
    return any(place == there for place, _kind in mounts)


def mount_of(channel: Channel, path: str) -> dict[str, str]:
    """Where that is mounted in which a path lies, and the kind of its file system."""
    there = os.path.realpath(path)
    above = [mount for mount in _mounts() if there == mount[0] or there.startswith(f"{mount[0].rstrip('/')}/")]
    place, kind = max(reversed(above), key=lambda mount: len(mount[0]))  # of several at one place the last one counts
    return {"mounted_at": place, "kind": kind}


def _mounts() -> list[tuple[str, str]]:
    """Places where something is mounted, and the kind of its file system (proc(5): mountinfo)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        mounts = [(line.split(" ")[4], line.partition(" - ")[2].split(" ")[0]) for line in lines]
    return [(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), place), kind) for place, kind in mounts]


def list_files(channel: Channel, path: str) -> dict[str, int]:
    """Every file below a folder, links included, which are not followed: relative path -> bytes."""
    found = {}
    for folder, folders, names in os.walk(path):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in [*names, *links]:
            file = os.path.join(folder, name)
            found[os.path.relpath(file, path)] = os.lstat(file).st_size
    return found


def measure_tree(channel: Channel, path: str) -> dict[str, int]:
    """How many files are below a folder, and their bytes; no folder holds none."""
    sizes = list_files(channel, path).values()
    return {"files": len(sizes), "bytes": sum(sizes)}


def give_tree(channel: Channel, path: str, uid: int, gid: int, mode: int) -> None:
    """Give a folder and all in it to a user and group; the folder itself gets a mode. Needs root for another's."""
    os.chmod(path, mode)
    for folder, folders, names in os.walk(path):
        for name in [".", *folders, *names]:
            entry = os.path.join(folder, name)
            status = os.lstat(entry)
            if (status.st_uid, status.st_gid) != (uid, gid):
                os.chown(entry, uid, gid, follow_symlinks=False)


def find_program(channel: Channel, name: str, folders: list[str]) -> str | None:
    """Full path of a program: first in the named folders, then on PATH; None if it is nowhere."""
    return shutil.which(name, path=os.pathsep.join(folders)) or shutil.which(name)


OPERATIONS: dict[str, Callable[..., object]] = {
    "read_text": read_text,
    "write_text": write_text,
    "make_directory": make_directory,
    "set_mode": set_mode,
    "make_private": make_private,
    "remove_tree": remove_tree,
    "rename": rename,
    "list_directory": list_directory,
    "describe_path": describe_path,
    "is_mount": is_mount,
    "mount_of": mount_of,
    "list_files": list_files,
    "measure_tree": measure_tree,
    "give_tree": give_tree,
    "find_program": find_program,
}
