"""Backups of one database and filestore, reached directly and through containers of a compose project, in turn.

PostgreSQL, its programs and the files are the same; both repositories lie on the same disk. What differs is the way:
one-off containers of the toolbox instead of processes, and the restic in its image.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import yaml

from deployments.bench.data import Data, Say, Sizes
from deployments.bench.ours import Run, run_flow
from deployments.bench.site import CLUSTER_NAME, NAME, Site, register
from deployments.demo.docker_project import have_images, project_name, remove_project
from deployments.engines.docker import docker_engine
from deployments.engines.folder import engines_folder
from odoo_ops.model.base import Value

_COMPOSE = "bench-compose"
_WAYS = (NAME, _COMPOSE)


class ComposeRatios(Value):
    """Seconds through a compose project / seconds directly, each of medians."""

    compose_first_backup: float
    compose_backup: float


@dataclass
class Nights:
    """The runs of each way, one entry for each repetition."""

    first: dict[str, list[Run]] = field(default_factory=lambda: {way: [] for way in _WAYS})
    second: dict[str, list[Run]] = field(default_factory=lambda: {way: [] for way in _WAYS})

    def ratios(self) -> ComposeRatios:
        """The ratios of what was measured."""
        return ComposeRatios(
            compose_first_backup=_seconds(self.first[_COMPOSE]) / _seconds(self.first[NAME]),
            compose_backup=_seconds(self.second[_COMPOSE]) / _seconds(self.second[NAME]),
        )

    def table(self) -> str:
        """Everything in one Markdown table."""
        rows = [
            f"| {what} | {_seconds(runs[_COMPOSE]):.1f} s | {_seconds(runs[NAME]):.1f} s"
            f" | {_seconds(runs[_COMPOSE]) / _seconds(runs[NAME]):.3f} |"
            for what, runs in (("First backup", self.first), ("Second night, 1 % changed", self.second))
        ]
        return "\n".join(["| | compose | native | compose / native |", "|---|---:|---:|---:|", *rows])


def measure_compose(site: Site, sizes: Sizes, say: Say) -> Nights:
    """Measure first backups into new repositories, then second nights. Raises what any step raises."""
    with _with_project(site) as reached:
        data, nights = Data(reached, sizes, say), Nights()
        data.create()
        data.add(sizes.files)
        for number in range(sizes.repeat):
            _use_new_repositories(reached)
            _back_up(reached, nights.first, number, say, "first night")
        for number in range(sizes.repeat):
            data.change(sizes.files)
            _back_up(reached, nights.second, number, say, "second night")
    return nights


@contextmanager
def _with_project(site: Site) -> Iterator[Site]:
    """The site with a compose project on its data, and Docker among its variables, while the block runs."""
    name = project_name(site.layout.root)
    with docker_engine(engines_folder()) as engine:
        _names, ids = have_images(engine, ["toolbox"])
        site.layout.project.mkdir()
        (site.layout.project / "compose.yaml").write_text(yaml.safe_dump(_project(site, ids["toolbox"])))
        variables = {"DOCKER_CONFIG": str(Path.home() / ".docker"), **site.variables, **engine.variables}
        try:
            yield replace(site, variables=variables)
        finally:
            remove_project(engine, name)


def _project(site: Site, image: str) -> dict[str, object]:
    """Toolboxes that see each folder where the host does, and PostgreSQL by the host's own network."""
    place, repository, data = site.layout.place(_COMPOSE), _repository(site, _COMPOSE), site.data_dir
    # the image's own programs of PostgreSQL are of another version than the machine's server
    programs = f"{site.cluster.programs}:{site.cluster.programs}:ro"
    shared = [*(f"{folder}:{folder}" for folder in (place, repository)), programs]
    toolbox = {
        "image": image,
        "user": f"{os.getuid()}:{os.getgid()}",  # who may delete what it wrote
        "profiles": ["operations"],
        "network_mode": "host",
        "extra_hosts": [f"{CLUSTER_NAME}:127.0.0.1"],
        "environment": {"RESTIC_CACHE_DIR": f"{place}/cache"},
    }
    reading = {**toolbox, "volumes": [f"{data}:{data}:ro", *shared]}
    writing = {**toolbox, "volumes": [f"{data}:{data}", *shared]}
    return {"services": {"odoo": writing, "toolbox": reading, "toolbox-restore": writing}}


def _use_new_repositories(site: Site) -> None:
    for way in _WAYS:
        for folder in (_repository(site, way), site.layout.place(way) / "state"):
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)  # by its owner: Docker would make it root's
        register(site, _repository(site, way), way, site.layout.project if way == _COMPOSE else None)


def _back_up(site: Site, into: dict[str, list[Run]], number: int, say: Say, what: str) -> None:
    """One backup each way; who is the first finds less in the page cache, so they take turns."""
    for way in _WAYS if number % 2 == 0 else reversed(_WAYS):
        site.settle()
        run = run_flow(site, "backup", way)
        into[way].append(run)
        say(f"{what}, {number + 1}, {way}: {run.seconds:.1f} s")


def _repository(site: Site, way: str) -> Path:
    return site.layout.run / f"repository-{way}"


def _seconds(runs: list[Run]) -> float:
    return median(run.seconds for run in runs)
