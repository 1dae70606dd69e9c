"""A Docker engine with Compose: the one that answers on this machine, else one of our own (see `dockerd`).

The programs `docker` and `dockerd` come from the system (see `debian-packages-docker.txt`). Compose and Buildx, which
Debian 12 does not have, are those of Debian 13: linked statically, and told to Docker by a folder of settings.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments.engines.debian import unpack_packages
from deployments.engines.dockerd import answers, find_dockerd, own_engine, users_file
from deployments.engines.folder import make_once
from deployments.engines.process import run
from odoo_ops.errors import OdooOpsError, PreconditionFailed

_SUITE = "trixie"
_PACKAGES = ("docker-compose", "docker-buildx")
_PLUGINS = Path("usr/libexec/docker/cli-plugins")
_OTHERWISE = "install Docker with its Compose plugin, and let this user use it"


@dataclass(frozen=True)
class DockerEngine:
    """A Docker engine that answers.

    Attributes:
        address: of its socket.
        variables: what leads Docker's command line, and its plugins, to this engine.
        users: of an engine of our own: file of which its users share the lock; it ends with the last of them.
    """

    address: str
    variables: Mapping[str, str]
    users: Path | None = None

    def run(self, *words: str | Path, working_directory: Path | None = None, hint: str = "") -> str:
        """Run `docker` with these words and return what it prints. Raises as `process.run` does."""
        environment = {**os.environ, **self.variables}
        return run(["docker", *words], working_directory=working_directory, environment=environment, hint=hint)


@contextmanager
def docker_engine(engines: Path) -> Iterator[DockerEngine]:
    """Have a Docker engine with Compose, while the block runs.

    Args:
        engines: the folder of all engines; what an engine of our own stores is there.

    Raises:
        PreconditionFailed: none answers, and this user cannot start one.
        CommandFailed: it did not start.
    """
    require_docker(engines)
    settings = compose_variables(engines)
    if answers():
        address = run(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).strip()
        yield DockerEngine(address, {"DOCKER_HOST": address, **settings})
        return
    with own_engine(engines / "docker") as address:
        yield DockerEngine(address, {"DOCKER_HOST": address, **settings}, users_file(engines / "docker"))


def compose_variables(engines: Path) -> dict[str, str]:
    """What leads Docker's command line to the Compose under the engines' folder; nothing where the machine has one."""
    return {} if _has_compose() else {"DOCKER_CONFIG": str(_settings(engines))}


def install_docker(engines: Path) -> Path:
    """Make Compose and Buildx under the engines' folder, unless the machine has Compose. Returns the program `docker`.

    Raises:
        PreconditionFailed: no engine answers, and this user cannot start one.
        CommandFailed: the download failed, or a program does not run here.
    """
    if not _can_run():
        raise PreconditionFailed(
            "No Docker engine answers, and none can be started here: that needs root and `dockerd`. "
            f"Next step: run `apt-get install docker.io` as root, or {_OTHERWISE}."
        )
    if not _has_compose():
        make_once(_settings(engines), f"{_PACKAGES} of {_SUITE}", _build)
    return require_docker(engines)


def find_docker(engines: Path) -> Path | None:
    """The program `docker`, if an engine answers or can be started, and Compose is there; else None."""
    program = shutil.which("docker")
    complete = program and _can_run() and (_has_compose() or _settings(engines).is_dir())
    return Path(program) if program and complete else None


def require_docker(engines: Path) -> Path:
    """The program `docker`. Raises PreconditionFailed if there is no engine to use, or no Compose."""
    program = find_docker(engines)
    if program is None:
        raise PreconditionFailed(
            "Docker or its Compose plugin is missing, or this user may not use it. "
            "Next step: run `python -m deployments.engines install docker`; it says what is missing."
        )
    return program


def docker_version(program: Path) -> str:
    """What the command line says of its version."""
    return run([program, "--version"]).strip()


def _can_run() -> bool:
    if shutil.which("docker") is None:
        return False
    return answers() or (os.geteuid() == 0 and find_dockerd() is not None)


def _has_compose() -> bool:
    try:
        run(["docker", "compose", "version"])
    except OdooOpsError:
        return False
    return True


def _settings(engines: Path) -> Path:
    return engines / "docker-settings"


def _build(folder: Path) -> None:
    unpacked, plugins = folder / "unpacked", folder / "cli-plugins"
    unpacked.mkdir()
    plugins.mkdir()
    unpack_packages(_PACKAGES, suite=_SUITE, into=unpacked, otherwise=_OTHERWISE)
    for name in _PACKAGES:
        (unpacked / _PLUGINS / name).rename(plugins / name)
        run(["docker", "--config", folder, name.removeprefix("docker-"), "version"], hint=_OTHERWISE)
    shutil.rmtree(unpacked)
