"""A user of this machine who is not root, and may use Docker as the group `docker` may: as hosts are set up."""

import getpass
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments.engines.docker import DockerEngine

# the worker's own may be in a home that nobody else enters
PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class OwnUser:
    """
    Attributes:
        name: of the user.
        home: folder that is theirs.
        variables: what leads them to Docker and its Compose.
    """

    name: str
    home: Path
    variables: dict[str, str]

    def give(self, *files: Path) -> None:
        """Make them theirs."""
        for file in files:
            shutil.chown(file, self.name, pwd.getpwnam(self.name).pw_gid)


@contextmanager
def own_user(engine: DockerEngine) -> Iterator[OwnUser]:
    """Make a user and its home, and remove them. For a test that is not run as root it is the user who runs it."""
    home = Path(tempfile.mkdtemp(prefix="odoo-ops-test-home-"))
    try:
        if os.geteuid() != 0:
            yield OwnUser(getpass.getuser(), home, dict(engine.variables))
            return
        name = f"odoo-ops-test-{secrets.token_hex(3)}"
        socket = Path(engine.address.removeprefix("unix://"))
        folder_mode = socket.parent.stat().st_mode
        group = str(socket.stat().st_gid)
        # `*` is a password that nobody has; without one sshd calls the account locked
        options = ["--system", f"--home-dir={home}", "--shell=/bin/sh", "--password=*", f"--groups={group}"]
        subprocess.run(["/usr/sbin/useradd", *options, name], check=True)
        try:
            socket.parent.chmod(folder_mode | 0o011)
            made = OwnUser(name, home, {"DOCKER_HOST": engine.address, "DOCKER_CONFIG": str(_settings(engine, home))})
            made.give(home, home / ".docker")
            yield made
        finally:
            socket.parent.chmod(folder_mode & 0o7777)
            subprocess.run(["/usr/sbin/userdel", "--force", name], check=True)
    finally:
        shutil.rmtree(home)


def _settings(engine: DockerEngine, home: Path) -> Path:
    """Docker's settings in a home, with the Compose of the engine where the machine has none of its own."""
    made = home / ".docker"
    made.mkdir()
    if "DOCKER_CONFIG" in engine.variables:
        shutil.copytree(Path(engine.variables["DOCKER_CONFIG"], "cli-plugins"), made / "cli-plugins")
    return made
