"""The demo in containers: an Odoo in a Docker Compose project that `provision` makes from the environment file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from deployments.demo.compose_site import ComposeSite
from deployments.demo.docker_project import have_images, project_name, remove_project
from deployments.demo.layout import Layout
from deployments.demo.ports import Ports
from deployments.demo.prefect_api import PrefectApi
from deployments.demo.processes import start
from deployments.demo.stage import Stage
from deployments.demo.steps import MAKE_RECORDS, PROOFS, START_PREFECT, Steps, begin_prefect
from deployments.demo.variables import program_variables
from deployments.engines.docker import DockerEngine, docker_engine
from deployments.engines.folder import engines_folder


@contextmanager
def opened_compose(layout: Layout, ports: Ports) -> Iterator[tuple[Stage, Steps]]:
    """Have a Docker engine while the block runs. Yields what the steps share, and the steps.

    Raises PreconditionFailed where there is none to use.
    """
    engines = engines_folder()
    with docker_engine(engines) as engine:
        layout.project_mark.write_text(str(engines))
        site = ComposeSite(layout, ports, engine, project_name(layout.root))
        stage = Stage(site, _variables(layout, ports, engine), PrefectApi(ports.prefect_url))
        yield (
            stage,
            (
                ("find or build images", partial(find_images, site)),
                START_PREFECT,
                ("provision", provision),
                MAKE_RECORDS,
                *PROOFS,
            ),
        )


@contextmanager
def held_engine(layout: Layout) -> Iterator[DockerEngine | None]:
    """The engine that runs the demo's project, while the block runs; None where there is no project."""
    if not layout.project_mark.is_file():
        yield None
        return
    with docker_engine(Path(layout.project_mark.read_text())) as engine:
        yield engine


def remove(layout: Layout, engine: DockerEngine) -> int:
    """Remove the demo's project with its data; what it said is kept with the logs. Returns how many containers."""
    project = project_name(layout.root)
    if layout.logs.is_dir():
        said = engine.run("compose", f"--project-name={project}", "logs", "--no-color", "--timestamps")
        (layout.logs / "odoo.log").write_text(said)
    containers = remove_project(engine, project)
    layout.project_mark.unlink()
    return containers


def find_images(site: ComposeSite, stage: Stage) -> str:
    """An image for each service, and the environment file that names them. Prefect's server starts meanwhile."""
    names, ids = have_images(site.engine)
    site.images.update(ids)
    site.write()
    if site.engine.users:  # else it would end with this program
        words: list[str | Path] = ["flock", "--shared", site.engine.users, "sleep", "infinity"]
        stage.servers.append(start("docker", words, stage.variables, stage.log("docker")))
    begin_prefect(stage)
    return ", ".join(names.values())


def provision(stage: Stage) -> str:
    """Make the project from the environment file, by the deployment."""
    run = stage.run_deployment("provision/provision", environment="production", confirm_production="production")
    stage.wait_for_odoo()
    return (
        f"PostgreSQL, Odoo, scheduled actions and nginx run; the flow ran {run.running_seconds:.1f} s; "
        "Odoo shows its login page by TLS"
    )


def _variables(layout: Layout, ports: Ports, engine: DockerEngine) -> dict[str, str]:
    """As every program's, and what leads to Docker: its plugins may be in the user's own home."""
    own = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    return {**program_variables(layout, ports, os.environ), "DOCKER_CONFIG": own, **engine.variables}
