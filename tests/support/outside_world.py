"""A web server beyond a link of its own: as far as Docker's networks can tell, not on this machine. For root."""

import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from real_processes import wait_until

from deployments.engines.process import run
from odoo_ops.errors import CommandFailed


@contextmanager
def outside_world(folder: Path) -> Iterator[str]:
    """Serve a folder there while the block lasts; the address."""
    ip = shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin")
    name = f"world-{secrets.token_hex(4)}"
    net = f"198.18.{secrets.randbelow(256)}"  # kept free for tests (RFC 2544)
    here, there = f"{name[:11]}-a", f"{name[:11]}-b"
    in_it = [ip, "netns", "exec", name]
    run([ip, "netns", "add", name])
    try:
        run([ip, "link", "add", here, "type", "veth", "peer", "name", there, "netns", name])
        for words in (
            [ip, "addr", "add", f"{net}.1/30", "dev", here],
            [ip, "link", "set", here, "up"],
            [ip, "-n", name, "addr", "add", f"{net}.2/30", "dev", there],
            [ip, "-n", name, "link", "set", "lo", "up"],
            [ip, "-n", name, "link", "set", there, "up"],
            [ip, "-n", name, "route", "add", "default", "via", f"{net}.1"],
        ):
            run(words)
        serve = [sys.executable, "-m", "http.server", "80", f"--bind={net}.2", f"--directory={folder}"]
        nothing = subprocess.DEVNULL
        server = subprocess.Popen([*in_it, *serve], stdin=nothing, stdout=nothing, stderr=nothing)
        try:
            wait_until(lambda: _answers([*in_it, "curl", "--silent", "--fail", f"http://{net}.2/"]), "it serves")
            yield f"http://{net}.2"
        finally:
            server.terminate()
            server.wait(10)
    finally:
        run([ip, "netns", "delete", name])


def _answers(argv: list[str]) -> bool:
    try:
        run(argv)
    except CommandFailed:
        return False
    return True
