"""A compose project with a real Odoo in it, for the tests of a session."""

from collections.abc import Callable, Iterator

import pytest
from real_compose import PASSWORDS, RealProject, real_project

from deployments.engines.docker import DockerEngine


@pytest.fixture(scope="session")
def project(
    docker: DockerEngine,
    image: Callable[[str], str],
    prefect_server: None,  # noqa: ARG001 - the server must run
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RealProject]:
    """An Odoo in a project. Each test finds it running and leaves it so. Flows find Docker and the secrets."""
    secrets = {f"ODOO_OPS_{name}_PASSWORD": password for name, password in PASSWORDS.items()}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**docker.variables, **secrets}.items():
            patch.setenv(name, value)
        with real_project(docker, image, tmp_path_factory.mktemp("project")) as made:
            made.register()
            yield made
