"""The script with which the CI of an addons repository builds its image, run for real: it is in the registry then."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from real_registry import RealRegistry, real_registry
from rendered_ci import run_script, scripts

from deployments.ci_files import rendered_ci
from deployments.engines.docker import DockerEngine
from odoo_ops.commands.image_releases import print_commit
from odoo_ops.model.pipelines import Forge

pytestmark = pytest.mark.docker

PASSWORD, COMMIT = "canary-registry-password", "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def registry(
    docker: DockerEngine, image: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealRegistry]:
    with real_registry(docker, image("registry"), tmp_path_factory.mktemp("registry"), PASSWORD) as running:
        yield running


def build(registry: RealRegistry, folder: Path, **changed: str) -> tuple[int, str]:
    script = scripts(Forge.GITHUB, rendered_ci(Forge.GITHUB, image=f"{registry.address}/acme/erp"))["build"]
    variables = {
        "DOCKER_HOST": registry.engine.address,
        "DOCKER_BUILDKIT": "0",
        "REGISTRY_USER": registry.credentials["username"],
        "REGISTRY_PASSWORD": PASSWORD,
        "COMMIT": COMMIT,
        **changed,
    }
    return run_script(script, folder, **variables)


def pushed(registry: RealRegistry) -> list[str]:
    user = (registry.credentials["username"], PASSWORD)
    answer = httpx.get(f"http://{registry.address}/v2/acme/erp/tags/list", auth=user, trust_env=False).json()
    return answer.get("tags") or []


def test_build_pushes_the_image_of_the_commit_and_leaves_no_login(registry: RealRegistry, tmp_path: Path) -> None:
    """Also where the build fails."""
    settings = tmp_path / ".docker/config.json"
    status, output = build(registry, tmp_path)
    assert (status, output) == (1, "There is no Dockerfile here, and the image is made from it.\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY missing /\n")
    status, output = build(registry, tmp_path)
    assert status != 0
    assert "Login Succeeded" in output
    assert registry.address not in settings.read_text()
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /mnt/extra-addons/\n")
    status, output = build(registry, tmp_path, REGISTRY_PASSWORD="wrong")
    assert status != 0
    assert pushed(registry) == []
    status, output = build(registry, tmp_path)
    assert status == 0, output
    assert PASSWORD not in output
    assert pushed(registry) == [COMMIT]
    assert registry.address not in settings.read_text()
    image = f"{registry.address}/acme/erp:{COMMIT}"
    assert registry.engine.run(*print_commit(image).argv[1:]).strip() == COMMIT
    registry.engine.run("rmi", image)
