"""What `provision` costs where images are on the host: `make bench-provision`.

Not a test: what it prints depends on the machine. Each run is a process of its own, as a worker starts it. It fails
where an aim is missed, once the figures are there.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from provisioned_site import Provisioned, registered
from real_processes import run_flow
from task_times import task_seconds
from used_site import SMALL

from deployments.engines.docker import DockerEngine

pytestmark = [pytest.mark.docker, pytest.mark.odoo, pytest.mark.timeout(3600)]

_REPEAT = 3
_AIM_WITHOUT_INITIALISATION_SECONDS = 90
_AIM_SECOND_RUN_SECONDS = 15


def test_provision_figures(
    docker: DockerEngine,
    image: Callable[[str], str],
    prefect_server: None,  # noqa: ARG001 - the server must run
    tmp_path: Path,
) -> None:
    """Make a project from nothing, then run again; the median of three runs that change nothing."""
    with registered(docker, image, tmp_path, domain="erp-staging.example.com", wanted=SMALL) as site:
        try:
            apply_seconds = _seconds_of_run(site, tmp_path)
            odoo_seconds = task_seconds("provision")["initialise_odoo"]
            before = site.containers()
            again = sorted(_seconds_of_run(site, tmp_path) for _ in range(_REPEAT))
            assert site.containers() == before
            assert site.provision(dry_run=True).plan.empty
        finally:
            if site.project.folder.exists():
                site.project.remove()
    figures = {
        "apply_seconds": apply_seconds,
        "odoo_initialisation_seconds": odoo_seconds,
        "apply_without_initialisation_seconds": apply_seconds - odoo_seconds,
        "second_run_seconds": again[_REPEAT // 2],
    }
    text = json.dumps(figures, indent=1)
    print(f"\n{text}")  # noqa: T201 - what it is for
    if path := os.environ.get("JSON"):
        Path(path).write_text(f"{text}\n")
    assert figures["apply_without_initialisation_seconds"] <= _AIM_WITHOUT_INITIALISATION_SECONDS
    assert figures["second_run_seconds"] <= _AIM_SECOND_RUN_SECONDS


def _seconds_of_run(site: Provisioned, folder: Path) -> float:
    begun = time.monotonic()
    run = run_flow("provision", site.name, log=folder / "provision.log")
    assert run.end(1800) == 0, run.log()
    return time.monotonic() - begun
