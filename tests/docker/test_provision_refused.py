"""What keeps `provision` from making a project, caused on a real Docker engine: nothing is made of it then."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from provisioned_site import Provisioned, registered

from deployments.engines.docker import DockerEngine
from odoo_ops.errors import OdooOpsError, PreconditionFailed, Refused

pytestmark = pytest.mark.docker

_OLD_DOCKER = """#!/bin/sh
case "$1" in version) echo 19.03.5;; *) exec {docker} "$@";; esac
"""


@pytest.fixture(scope="module")
def site(
    docker: DockerEngine,
    image: Callable[[str], str],
    prefect_server: None,  # noqa: ARG001 - the server must run
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Provisioned]:
    """A staging that is described and never made. Each test leaves its description as it was."""
    with registered(docker, image, tmp_path_factory.mktemp("described"), domain="erp-staging.example.com") as described:
        yield described


@pytest.fixture
def small_disk(tmp_path: Path, require: Callable[[str, Path | None, str], Path]) -> Iterator[Path]:
    """A file system of one megabyte: a tmpfs, which only root can mount, and not in every container."""
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0
    require("a small file system", tmp_path if mounted else None, "run the tests as root where a tmpfs can be mounted")
    yield tmp_path
    subprocess.run(["/bin/umount", tmp_path], check=True)


def _at(site: Provisioned, folder: Path) -> Provisioned:
    """The same site, whose project has its folder elsewhere."""
    return replace(site, project=replace(site.project, folder=folder / "erp"))


@contextmanager
def _nothing_made(site: Provisioned, message: str, refused: type[OdooOpsError] = Refused) -> Iterator[None]:
    """Expect a refusal, by which nothing was made on the host."""
    with pytest.raises(refused, match=rf"{message}.*Next step: "):
        yield
    engine, ours = site.project.engine, f"--filter=label=com.docker.compose.project={site.project.name}"
    assert engine.run("ps", "--all", "--quiet", ours) == ""
    assert engine.run("volume", "ls", "--quiet", ours) == ""
    assert engine.run("network", "ls", "--quiet", ours) == ""
    assert not site.project.folder.exists()


def test_port_that_somebody_has_is_refused(site: Provisioned) -> None:
    with (
        socket.create_server(("127.0.0.1", site.https_port)),
        _nothing_made(site, f"something listens on port {site.https_port} already. Nothing was changed"),
    ):
        site.provision()


def test_too_little_memory_is_refused(site: Provisioned) -> None:
    site.register(memory_bytes=2**28)
    try:
        with _nothing_made(site, "256 MiB of memory are too little for an Odoo"):
            site.provision()
    finally:
        site.register()


def test_full_disk_is_refused(site: Provisioned, small_disk: Path) -> None:
    elsewhere = _at(site, small_disk)
    elsewhere.register()
    try:
        with _nothing_made(elsewhere, f"the disk of {small_disk}/erp has .* free, and .* are needed. Nothing was"):
            elsewhere.provision()
    finally:
        site.register()


def test_all_that_does_not_fit_is_said_at_once(site: Provisioned, small_disk: Path, tmp_path: Path) -> None:
    """A file system that nobody may write to, not even root; a port of somebody else's; addons that are not there."""
    subprocess.run(["/bin/mount", "-o", "remount,ro", small_disk], check=True)
    elsewhere = _at(site, small_disk)
    elsewhere.register(addons=[str(tmp_path / "adons")])
    port = site.http_port
    message = rf"may not write to {small_disk}/erp; .*no folder is at .*/adons .*; something listens on port {port} "
    try:
        with socket.create_server(("127.0.0.1", port)), _nothing_made(elsewhere, message):
            elsewhere.provision()
    finally:
        site.register()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"DOCKER_HOST": "unix:///run/no-docker.sock"}, "failed: Docker does not run"),
        ({"DOCKER_CONFIG": "/var/empty"}, "failed: its Compose plugin is missing or too old"),
    ],
)
def test_docker_that_cannot_be_asked_is_named(
    site: Provisioned, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    with _nothing_made(site, message, PreconditionFailed), monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        site.provision()


def test_docker_that_is_too_old_is_refused(site: Provisioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in that says so; it cannot show what an old Docker does otherwise."""
    program = tmp_path / "docker"
    program.write_text(_OLD_DOCKER.format(docker=shutil.which("docker")))
    program.chmod(0o755)
    with _nothing_made(site, r"Docker is 19\.03\.5, and 20\.10 is needed"), monkeypatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        site.provision()
