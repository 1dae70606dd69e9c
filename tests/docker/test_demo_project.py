"""The demo's compose project is removed whole, by its labels, and no other is touched."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from compose_project import ComposeProject

from deployments.demo.docker_project import have_images, remove_project
from deployments.engines.docker import DockerEngine
from odoo_ops.errors import CommandFailed

pytestmark = pytest.mark.docker


def _project(engine: DockerEngine, image: str, folder: Path) -> ComposeProject:
    service = {"image": image, "volumes": ["data:/data"], "networks": ["inside"]}
    described = {
        "services": {"one": service, "two": {**service, "profiles": ["operations"]}},
        "volumes": {"data": {}},
        "networks": {"inside": {}},
    }
    folder.mkdir()
    (folder / "compose.yaml").write_text(yaml.safe_dump(described))
    return ComposeProject(engine, folder.name, folder)


def _left(engine: DockerEngine, name: str) -> list[str]:
    label = f"--filter=label=com.docker.compose.project={name}"
    listings = (("ps", "--all"), ("network", "ls"), ("volume", "ls"))
    return [line for listing in listings for line in engine.run(*listing, "--quiet", label).split()]


def test_nothing_of_a_project_is_left_when_its_files_are_gone_and_another_one_stays(
    docker: DockerEngine, image: Callable[[str], str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    gone, stays = (_project(docker, image("toolbox"), tmp_path / f"odoo-ops-test-{word}") for word in ("gone", "stays"))
    request.addfinalizer(stays.remove)
    for project in (gone, stays):
        project.start("one")
    gone.compose("run", "--detach", "--no-TTY", "two")
    (gone.folder / "compose.yaml").unlink()
    there = _left(docker, stays.name)
    assert remove_project(docker, gone.name) == 2
    assert _left(docker, gone.name) == []
    assert _left(docker, stays.name) == there
    assert remove_project(docker, gone.name) == 0


def test_image_that_a_variable_names_is_taken_and_one_that_cannot_be_had_is_named(
    docker: DockerEngine, image: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NGINX_IMAGE", image("toolbox"))
    names, ids = have_images(docker, ["nginx", "toolbox"])
    assert names["nginx"] == names["toolbox"]
    assert ids["nginx"] == ids["toolbox"]
    monkeypatch.setenv("ODOO_IMAGE", "127.0.0.1:1/odoo:19.0")
    with pytest.raises(CommandFailed, match=r"127.0.0.1:1/odoo:19.0.*(?s:.*)Next step: name an image .* in ODOO_IMAGE"):
        have_images(docker, ["odoo"])
