"""How Docker is told who fetches an image."""

import base64
import json

import pytest
from pydantic import SecretStr, ValidationError

from blocks import OdooHost
from odoo_ops.commands.registries import pull_image, pull_private_image, registry_of
from odoo_ops.model.host import Host, Registry
from odoo_ops.policy.images import is_passing

SECRET = "canary:with a colon"
HUB = "https://index.docker.io/v1/"


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("odoo:19.0", "docker.io"),
        ("erp/odoo:19.0", "docker.io"),
        ("docker.io/library/odoo", "docker.io"),
        ("index.docker.io/erp/odoo", "docker.io"),
        ("localhost/odoo", "localhost"),
        ("registry:5000/odoo", "registry:5000"),
        ("ghcr.io/erp/odoo:19.0@sha256:0123", "ghcr.io"),
        ("sha256:0123", "docker.io"),
    ],
)
def test_registry_of_an_image_is_its_first_part_where_that_is_a_host(image: str, registry: str) -> None:
    assert registry_of(image) == registry


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("https://registry.example.com/v2/", "registry.example.com"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
    ],
)
def test_address_of_a_registry_is_as_names_of_images_begin(written: str, address: str) -> None:
    assert _registry(written).address == address


def test_address_that_can_be_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="is not a registry"):
        _registry("erp odoo")


def _registry(address: str) -> Registry:
    return Registry(address=address, user="erp", password=SecretStr(SECRET))


@pytest.mark.parametrize(("address", "key"), [("ghcr.io", "ghcr.io"), ("docker.io", HUB)])
def test_private_image_is_fetched_with_settings_in_memory_and_by_the_named_engine(address: str, key: str) -> None:
    command = pull_private_image("ghcr.io/erp/odoo", _registry(address), "unix:///run/docker.sock")
    assert command.argv == pull_image("ghcr.io/erp/odoo").argv == ("docker", "pull", "--quiet", "ghcr.io/erp/odoo")
    assert command.environment == {"DOCKER_CONFIG": "%docker/config.json%", "DOCKER_HOST": "unix:///run/docker.sock"}
    ((name, text),) = command.files.items()
    login = base64.b64encode(f"erp:{SECRET}".encode()).decode()
    assert (name, json.loads(text.get_secret_value())) == ("docker/config.json", {"auths": {key: {"auth": login}}})
    assert SECRET not in f"{command!r} {command}"
    assert login not in f"{command!r} {command}"


def test_toolbox_that_no_registry_has_is_built_on_the_host() -> None:
    step = pull_image("odoo-ops-toolbox:16").next_step
    assert "docker build --build-arg POSTGRES_VERSION=16 --tag odoo-ops-toolbox:16 deployments/images/toolbox" in step
    assert "Nothing was changed" in step
    assert "reaches its registry" in pull_image("ghcr.io/erp/odoo-ops-toolbox:16").next_step


def test_host_has_the_registry_that_its_block_names() -> None:
    block = OdooHost.model_validate(
        {
            "settings": Host(name="erp"),
            "registry": {"registry_url": "https://ghcr.io", "username": "erp", "password": SECRET},
        }
    )
    opened = block.open()
    assert opened.registry == _registry("ghcr.io")
    assert opened.settings == block.settings
    assert OdooHost(settings=Host(name="erp")).open().registry is None


@pytest.mark.parametrize(
    ("said", "passing"),
    [
        ("read tcp 127.0.0.1:54092->127.0.0.1:5000: read: connection reset by peer", True),
        ("unauthorized: authentication required", False),
        ("manifest for erp/odoo:1 not found", False),
    ],
)
def test_fetch_is_tried_again_where_its_registry_was_not_reached_for_a_moment(said: str, passing: bool) -> None:
    assert is_passing(f"Error response from daemon: {said}") == passing
