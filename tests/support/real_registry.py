"""A real registry of images on loopback, which asks for user and password. Docker needs no TLS to reach it there."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from real_processes import wait_until

from deployments.engines.docker import DockerEngine
from deployments.engines.ports import free_port

_USER = "erp"


@dataclass(frozen=True)
class RealRegistry:
    """A running registry, and settings of Docker that are logged in to it."""

    engine: DockerEngine
    address: str
    password: str
    settings: Path

    @property
    def credentials(self) -> dict[str, str]:
        """As prefect-docker's block has them."""
        return {"registry_url": self.address, "username": _USER, "password": self.password}

    def push(self, image: str, name: str) -> str:
        """Put an image there; its name with its digest. The engine does not know it by that name."""
        tag = f"{self.address}/{name}:1"
        self.engine.run("tag", image, tag)
        self.engine.run("--config", self.settings, "push", "--quiet", tag)
        names = self.engine.run("image", "inspect", "--format={{json .RepoDigests}}", tag)
        (pinned,) = [found for found in json.loads(names) if found.startswith(f"{self.address}/")]
        self.engine.run("rmi", tag)
        return str(pinned)

    def answers(self) -> bool:
        try:
            return httpx.get(f"http://{self.address}/v2/", trust_env=False).status_code == httpx.codes.UNAUTHORIZED
        except httpx.TransportError:
            return False


@contextmanager
def real_registry(engine: DockerEngine, image: str, folder: Path, password: str) -> Iterator[RealRegistry]:
    """A registry with one user; nothing is left of it afterwards."""
    hashed = engine.run("run", "--rm", "--entrypoint=htpasswd", image, "-nbB", _USER, password)
    (folder / "htpasswd").write_text(hashed)
    address = f"127.0.0.1:{free_port()}"
    login = base64.b64encode(f"{_USER}:{password}".encode()).decode()
    settings = folder / "settings"
    settings.mkdir(mode=0o700)
    (settings / "config.json").write_text(json.dumps({"auths": {address: {"auth": login}}}))
    variables = {"REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM": "test"}
    variables["REGISTRY_AUTH_HTPASSWD_PATH"] = "/htpasswd"
    options = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    place = (f"--publish={address}:5000", f"--volume={folder}/htpasswd:/htpasswd:ro")
    container = engine.run("run", "--detach", *options, *place, image).strip()
    try:
        registry = RealRegistry(engine, address, password, settings)
        wait_until(registry.answers, lambda: engine.run("logs", container), 60)
        yield registry
    finally:
        engine.run("rm", "--force", "--volumes", container)
