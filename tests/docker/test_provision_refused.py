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

# stand-ins; they cannot show what such a Docker does otherwise
_OLD_DOCKER = """#!/bin/sh
case "$1" in version) echo 19.03.5;; *) exec {docker} "$@";; esac
"""
_WITHOUT_COMPOSE = """#!/bin/sh
case "$1" in
compose) echo "docker: 'compose' is not a docker command." >&2; exit 1;;
*) exec {docker} "$@";;
esac
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


@contextmanager
def _described(site: Provisioned, folder: Path | None = None, **provision: object) -> Iterator[Provisioned]:
    """The site with another folder or other fields of `provision`, while the block lasts; nothing is left of it."""
    place = folder / "erp" if folder else site.project.folder
    elsewhere = replace(site, project=replace(site.project, folder=place))
    elsewhere.register(**provision)
    try:
        yield elsewhere
    finally:
        if place.exists():
            elsewhere.project.remove()
        site.register()


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
        _described(site),
        socket.create_server(("127.0.0.1", site.https_port)),
        _nothing_made(site, f"something listens on port {site.https_port} already. Nothing was changed"),
    ):
        site.provision()


def test_too_little_memory_is_refused(site: Provisioned) -> None:
    with _described(site, memory_bytes=2**28), _nothing_made(site, "256 MiB of memory are too little for an Odoo"):
        site.provision()


def test_full_disk_is_refused(site: Provisioned, small_disk: Path) -> None:
    message = f"the disk of {small_disk}/erp has .* free, and .* are needed. Nothing was"
    with _described(site, small_disk) as elsewhere, _nothing_made(elsewhere, message):
        elsewhere.provision()


def test_all_that_does_not_fit_is_said_at_once(site: Provisioned, small_disk: Path) -> None:
    """A file system that nobody may write to, not even root; a port of somebody else's; addons that are not there."""
    subprocess.run(["/bin/mount", "-o", "remount,ro", small_disk], check=True)
    adons, port = f"{small_disk}/adons", site.http_port
    message = rf"may not write to {small_disk}/erp; .*no folder is at {adons} .*; something listens on port {port} "
    with (
        _described(site, small_disk, addons=[adons]) as elsewhere,
        socket.create_server(("127.0.0.1", port)),
        _nothing_made(elsewhere, message),
    ):
        elsewhere.provision()


def test_docker_that_does_not_run_is_named(site: Provisioned, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        _described(site),
        _nothing_made(site, "failed: Docker does not run", PreconditionFailed),
        monkeypatch.context() as patch,
    ):
        patch.setenv("DOCKER_HOST", "unix:///run/no-docker.sock")
        site.provision()


@pytest.mark.parametrize(
    ("stand_in", "message", "refused"),
    [
        (_OLD_DOCKER, r"Docker is 19\.03\.5, and 20\.10 is needed", Refused),
        (_WITHOUT_COMPOSE, "failed: its Compose plugin is missing or too old", PreconditionFailed),
    ],
)
def test_docker_that_is_too_old_or_has_no_compose_is_refused(
    site: Provisioned,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    stand_in: str,
    message: str,
    refused: type[OdooOpsError],
) -> None:
    program = tmp_path / "docker"
    program.write_text(stand_in.format(docker=shutil.which("docker")))
    program.chmod(0o755)
    with _described(site), _nothing_made(site, message, refused), monkeypatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        site.provision()
