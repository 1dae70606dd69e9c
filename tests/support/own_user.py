"""A user of this machine who is not root, and may use Docker as its socket's group may: as hosts are set up."""

import getpass
import grp
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


def group_of_docker(engine: DockerEngine) -> str | None:
    """The group whose members may use an engine; None where there is none but root's."""
    socket = Path(engine.address.removeprefix("unix://"))
    if not socket.is_socket() or socket.stat().st_gid == 0:
        return None
    return grp.getgrgid(socket.stat().st_gid).gr_name


@contextmanager
def own_user(engine: DockerEngine, group: str) -> Iterator[OwnUser]:
    """Make a user in a group, and a home, and remove them. A test that is not run as root has the user who runs it."""
    home = Path(tempfile.mkdtemp(prefix="odoo-ops-test-home-"))
    try:
        if os.geteuid() != 0:
            yield OwnUser(getpass.getuser(), home, dict(engine.variables))
            return
        name = f"odoo-ops-test-{secrets.token_hex(3)}"
        # no account of the system: containers have users of such numbers. `*` is a password that nobody has; without
        # one sshd calls the account locked
        options = [f"--home-dir={home}", "--shell=/bin/sh", "--password=*", f"--groups={group}"]
        subprocess.run(["/usr/sbin/useradd", *options, name], check=True)
        try:
            made = OwnUser(name, home, {"DOCKER_HOST": engine.address, "DOCKER_CONFIG": str(_settings(engine, home))})
            made.give(home, home / ".docker")
            yield made
        finally:
            # a session of sshd may not have ended yet
            subprocess.run(["/usr/sbin/userdel", "--force", name], check=True)
    finally:
        # what a container's root wrote can be removed by root alone
        shutil.rmtree(home, ignore_errors=os.geteuid() != 0)


def _settings(engine: DockerEngine, home: Path) -> Path:
    """Docker's settings in a home, with the Compose of the engine where the machine has none of its own."""
    made = home / ".docker"
    made.mkdir()
    if "DOCKER_CONFIG" in engine.variables:
        shutil.copytree(Path(engine.variables["DOCKER_CONFIG"], "cli-plugins"), made / "cli-plugins")
    return made
