"""What was changed of PostgreSQL past Compose is changed back while it runs; Docker itself is a stand-in."""

from unittest.mock import create_autospec

import pytest
from described_containers import container
from provisioned import FACTS, described

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import PermanentError
from odoo_ops.model.command import Command
from odoo_ops.model.environment import Environment
from odoo_ops.model.host import Host
from odoo_ops.model.plan import WantedService
from odoo_ops.model.runtimes import Container
from odoo_ops.policy.project_plans import described_project, service_changes
from odoo_ops.runtimes.cluster_facts import read_cluster
from odoo_ops.runtimes.mending import mend_running
from odoo_ops.runtimes.project import Project
from odoo_ops.runtimes.runtime import Runtime

_WANTED = WantedService(
    name="db",
    image="postgres:17",
    image_id="sha256:1",
    config_hash="a",
    networks=("shop_inside",),
    memory_bytes=2**30,
    pids_limit=16384,
    nano_cpus=0,
    restart_policy="unless-stopped",
)


def _project(monkeypatch: pytest.MonkeyPatch, *containers: Container) -> Project:
    settings = Environment.model_validate(described("staging"))
    project = Project(HostAdapter(Host(name="erp-1")), settings, described_project(settings))
    monkeypatch.setattr(Project, "facts", FACTS)
    monkeypatch.setattr(Project, "processors", 4)
    monkeypatch.setattr(Project, "read_services", lambda _: (_WANTED,))
    monkeypatch.setattr("odoo_ops.runtimes.project.read_containers", lambda *_: containers)
    return project


@pytest.mark.parametrize(
    ("changed", "cpus"),
    [({}, ()), ({"nano_cpus": 500_000_000}, ("--cpus=4",)), ({"nano_cpus": 4_000_000_000}, ())],
)
def test_container_is_changed_to_what_its_service_says_and_is_not_stopped(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, object], cpus: tuple[str, ...]
) -> None:
    found = container(id="7", service="db", pids_limit=16384, networks={"bridge": {}}, **changed)
    said = list[tuple[str, ...]]()
    monkeypatch.setattr(Project, "run", lambda _, command, __: said.append(_argv(command)))
    mend_running(_project(monkeypatch, container(id="8"), found), "db")
    limits = ("--memory=1073741824", "--memory-swap=2147483648", "--pids-limit=16384", "--restart=unless-stopped")
    assert said == [
        ("docker", "network", "connect", "--alias=db", "shop_inside", "7"),
        ("docker", "network", "disconnect", "bridge", "7"),
        ("docker", "update", *limits, *cpus, "7"),
    ]


def _argv(command: Command) -> tuple[str, ...]:
    return tuple(command.argv)


def test_share_of_all_processors_is_no_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker takes such a limit away from no container that runs."""
    for share, differs in ((4_000_000_000, False), (3_000_000_000, True)):
        project = _project(monkeypatch, container(service="db", pids_limit=16384, nano_cpus=share))
        assert bool(service_changes([_WANTED], project.read_containers(), [])) == differs


def test_postgresql_that_nobody_reaches_is_not_asked_before_it_is_in_its_networks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def connect(*_: object, **__: object) -> None:
        raise PermanentError("asked")

    monkeypatch.setattr("odoo_ops.runtimes.cluster_facts.database.connect", connect)
    project, runtime = _project(monkeypatch), create_autospec(Runtime, instance=True)
    runtime.environment, runtime.host = project.settings, create_autospec(HostAdapter, instance=True)
    for networks, asked in (({"bridge": {}}, ""), ({"bridge": {}, "shop_inside": {}}, "asked")):
        found = container(service="db", health="healthy", networks=networks)
        assert read_cluster(runtime, project, [_WANTED], [found], lambda _: None).unasked == asked
