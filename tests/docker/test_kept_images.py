"""Images that were released stay on a real Docker engine as long as a rollback may lead to them."""

import secrets
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from provisioned import described

from deployments.engines.docker import DockerEngine
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.model.environment import Environment
from odoo_ops.model.host import Host
from odoo_ops.model.release import ReleaseRecord
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.policy.images import kept_names, kept_repository
from odoo_ops.policy.ways_back import recent_images
from odoo_ops.runtimes.image_releases import keep_images
from odoo_ops.runtimes.project import Project

pytestmark = pytest.mark.docker

_NAME = f"odoo-ops-test-{secrets.token_hex(4)}"


@pytest.fixture
def project(docker: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Of which only the name counts; nothing of it is left on the engine."""
    for name, value in docker.variables.items():
        monkeypatch.setenv(name, value)
    runtime = ComposeProject(project=_NAME, folder=str(tmp_path))
    project = Project(HostAdapter(Host(name="here")), Environment.model_validate(described("staging")), runtime)
    yield project
    keep_images(project, [], 0, print)


def _image(engine: DockerEngine, folder: Path, content: str) -> str:
    """A tiny one without a name; Docker's number of it."""
    archive, file = folder / f"{content}.tar", tarfile.TarInfo("content")
    file.size = len(content)
    with tarfile.open(archive, "w") as packed:
        packed.addfile(file, BytesIO(content.encode()))
    return engine.run("import", archive).strip()


def _named(engine: DockerEngine) -> set[str]:
    listed = engine.run("image", "ls", f"--filter=reference={kept_repository(_NAME)}", "--format={{.Tag}}")
    return set(listed.split())


def _tags(*images: str) -> set[str]:
    return {name.partition(":")[2] for name in kept_names(_NAME, images)}


def test_images_of_the_last_releases_have_a_name_and_older_ones_go_unless_a_container_has_them(
    project: Project, docker: DockerEngine, tmp_path: Path
) -> None:
    images = [_image(docker, tmp_path, f"{_NAME}-{number}") for number in range(4)]
    at = datetime(2026, 11, 1, tzinfo=UTC)
    records = [
        ReleaseRecord(at=at, addons={}, former={}, image=image, former_image=former)
        for former, image in pairwise(images)
    ]
    said: list[str] = []

    def keep(releases: int) -> None:
        keep_images(project, recent_images(records[:releases]), 2, said.append)

    keep(1)
    assert _named(docker) == _tags(images[0], images[1])
    container = docker.run("create", images[0], "nothing").strip()
    keep(2)
    assert _named(docker) == _tags(*images[:3])
    assert "It stays: " in said[-1]
    docker.run("rm", container)
    keep(2)
    assert _named(docker) == _tags(images[1], images[2])
    assert project.image_id(images[0]) is None
    keep(3)
    assert _named(docker) == _tags(images[2], images[3])
    assert [project.image_id(image) for image in images] == [None, None, *images[2:]]


def test_two_names_of_an_image_are_no_two_images_that_stay(
    project: Project, docker: DockerEngine, tmp_path: Path
) -> None:
    former, present = (_image(docker, tmp_path, f"{_NAME}-of-two-names-{number}") for number in range(2))
    name = f"{_NAME}:2"
    docker.run("tag", present, name)
    keep_images(project, [present, name, former], 2, print)
    docker.run("image", "rm", name)
    assert _named(docker) == _tags(former, present)
