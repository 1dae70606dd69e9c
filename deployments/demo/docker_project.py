"""What the demo has of Docker: images, and a compose project that is removed by its labels alone."""

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deployments.demo.layout import CHECKOUT
from deployments.engines.docker import DockerEngine
from deployments.engines.process import run
from odoo_ops.errors import CommandFailed

SERVICES = ("odoo", "postgres", "nginx", "toolbox")
_BUILD = CHECKOUT / "tests" / "support" / "docker_images.py"
_TRIES = 5
_PAUSE_SECONDS = 1


def project_name(root: Path) -> str:
    """Name of the project of the demo, or the benchmark, in this folder; unlike that of any other checkout."""
    root = root.resolve()
    return f"odoo-ops-{root.name.strip('.')}-{hashlib.sha256(bytes(root)).hexdigest()[:8]}"


def have_images(engine: DockerEngine, services: Sequence[str] = SERVICES) -> tuple[dict[str, str], dict[str, str]]:
    """Names and ids of the services' images: what `<SERVICE>_IMAGE` names, else those of the tests, built if missing.

    Raises CommandFailed when one can be neither found, fetched nor built.
    """
    named = {service: os.environ.get(f"{service.upper()}_IMAGE") for service in services}
    names = {service: name for service, name in named.items() if name}
    names |= _built(engine, [service for service, name in named.items() if not name])
    return names, {service: _id(engine, service, name) for service, name in names.items()}


def _built(engine: DockerEngine, services: Sequence[str]) -> dict[str, str]:
    if not services:
        return {}
    variables = {**os.environ, **engine.variables, "PYTHONPATH": str(CHECKOUT)}
    lines = run([sys.executable, _BUILD, *services], environment=variables).splitlines()
    # `odoo: the-tag (12.3 s)`, in the order in which they were ready
    tags = {name: rest.split()[0] for name, _, rest in (line.partition(": ") for line in lines)}
    return {service: tags[service] for service in services}


def _id(engine: DockerEngine, service: str, image: str) -> str:
    inspect = ("image", "inspect", "--format={{.Id}}", image)
    try:
        return engine.run(*inspect).strip()
    except CommandFailed:  # it is not there
        engine.run("pull", image, hint=f"name an image that this machine has, or can fetch, in {service.upper()}_IMAGE")
        return engine.run(*inspect).strip()


def remove_project(engine: DockerEngine, project: str) -> int:
    """Remove all containers, networks and volumes of a project. Returns how many containers there were.

    Raises CommandFailed when Docker keeps one.
    """
    label = f"--filter=label=com.docker.compose.project={project}"
    containers = engine.run("ps", "--all", "--quiet", label).split()
    _remove_all(engine, ("ps", "--all", "--quiet", label), ("rm", "--force", "--volumes"))
    for kind in ("network", "volume"):
        _remove_all(engine, (kind, "ls", "--quiet", label), (kind, "rm"))
    return len(containers)


def _remove_all(engine: DockerEngine, listing: tuple[str, ...], removal: tuple[str, ...]) -> None:
    """Remove what is listed; some of it may be just about to go by itself, and then Docker complains."""
    for tries_left in reversed(range(_TRIES)):
        ids = engine.run(*listing).split()
        if not ids:
            return
        try:
            engine.run(*removal, *ids)
        except CommandFailed:
            if not tries_left:
                raise
            time.sleep(_PAUSE_SECONDS)
