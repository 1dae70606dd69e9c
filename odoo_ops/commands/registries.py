"""Commands that fetch images from registries, also from one that asks who one is."""

import base64
import json
import re

from pydantic import SecretStr

from odoo_ops.model.command import Command, placed
from odoo_ops.model.host import Registry

_DOCKER_HUB = "docker.io"
# how Docker's settings call it, for ever
_KEY_OF_DOCKER_HUB = "https://index.docker.io/v1/"
_SETTINGS = "docker/config.json"
# as the toolbox is called where nobody gave it a registry's name
_TOOLBOX = re.compile(r"odoo-ops-toolbox:(?P<major>\d+)")


def registry_of(image: str) -> str:
    """The registry that an image's name means, as Docker reads it: its first part, if that can be a host."""
    first, slash, _ = image.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    return first if is_host and first != f"index.{_DOCKER_HUB}" else _DOCKER_HUB


def login_server(image: str) -> str:
    """What `docker login` and `docker logout` are told of an image's registry: of Docker Hub nothing."""
    registry = registry_of(image)
    return "" if registry == _DOCKER_HUB else registry


def read_engine_address() -> Command:
    """Print the address of the engine that the user's own settings lead to."""
    return Command(argv=("docker", "context", "inspect", "--format={{.Endpoints.docker.Host}}"))


def pull_image(image: str) -> Command:
    """Fetch an image from its registry, as the user who acts there is logged in."""
    step = (
        f"see that {image} is what you mean and that the host reaches its registry; if it asks who you are, name it as "
        "`registry` of the host in the environment file"
    )
    if toolbox := _TOOLBOX.fullmatch(image):
        step = (
            "it is in no registry; build it on the host, in a checkout of odoo-ops: docker build --build-arg "
            f"POSTGRES_VERSION={toolbox['major']} --tag {image} deployments/images/toolbox"
        )
    return Command(argv=("docker", "pull", "--quiet", image), next_step=f"{step}. Nothing was changed.")


def pull_private_image(image: str, registry: Registry, engine: str) -> Command:
    """Fetch an image from a registry as its user, without a login that stays.

    Docker reads the password in settings of this command's own, which lie in memory. They are settings of nothing
    else, so the engine is named, too.
    """
    key = _KEY_OF_DOCKER_HUB if registry.address == _DOCKER_HUB else registry.address
    login = base64.b64encode(f"{registry.user}:{registry.password.get_secret_value()}".encode()).decode()
    step = (
        f"see that {image} is what you mean, that the host reaches {registry.address}, and that user and password of "
        "`registry` of the host in the environment file are right"
    )
    return Command(
        argv=("docker", "pull", "--quiet", image),
        environment={"DOCKER_CONFIG": placed(_SETTINGS), "DOCKER_HOST": engine},
        files={_SETTINGS: SecretStr(json.dumps({"auths": {key: {"auth": login}}}))},
        next_step=f"{step}. Nothing was changed.",
    )
