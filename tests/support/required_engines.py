"""What a test does that needs a program or an image, where it is missing: it is skipped, or fails, with the reason."""

import os
from pathlib import Path
from typing import NoReturn

import pytest
from docker_images import ensure_image

from deployments.engines.docker import DockerEngine
from odoo_ops.errors import OdooOpsError


def require_engine(name: str, program: Path | None, next_step: str) -> Path:
    """The program; if it is missing, skip the test, or fail it where engines are required."""
    if program is None:
        _go_without(f"{name} is missing. Next step: {next_step}")
    return program


def require_image(engine: DockerEngine, name: str) -> str:
    """The tag of an image (see `docker_images`), which is built if it is missing; where it cannot be, as above."""
    try:
        return ensure_image(engine, name)
    except OdooOpsError as error:
        _go_without(f"The image {name} of the tests cannot be made: {error}")


def _go_without(reason: str) -> NoReturn:
    if os.environ.get("ODOO_OPS_REQUIRE_ENGINES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
