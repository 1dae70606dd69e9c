"""In which order an Odoo is started; Docker is a stand-in, and time does not pass."""

from collections.abc import Iterator
from unittest.mock import create_autospec

import pytest
from described_containers import container
from provisioned import described

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import compose
from odoo_ops.model.command import Command, Result
from odoo_ops.model.environment import Environment
from odoo_ops.model.health import Project
from odoo_ops.model.repository import OpenRepository
from odoo_ops.model.runtimes import Container
from odoo_ops.runtimes import waiting
from odoo_ops.runtimes.runtime import Runtime


class _Docker:
    """Starts services; the first one gets well after so many looks, the second one at once."""

    def __init__(self, looks: int) -> None:
        self.happened, self._looks = list[str](), looks

    def run(self, command: Command, **_: object) -> Result:
        self.happened.append(" ".join(command.argv[-2:]))
        return Result(stdout="", stderr="", seconds=0)

    def read(self, runtime: Runtime) -> Project:
        self._looks -= 1
        health = "starting" if self._looks > 0 else "healthy"
        if health == "healthy":
            self.happened.append("odoo is healthy")
        found: tuple[Container, ...] = (container(health=health), container(service="odoo-cron", state="exited"))
        services = compose_services(runtime)
        return Project(services=services, odoo_services=services, containers=found)


def compose_services(runtime: Runtime) -> tuple[str, ...]:
    """Those that are waited for."""
    return tuple(compose.start_odoo(runtime.environment.runtime).argv[6:])  # type: ignore[arg-type]


def _started(monkeypatch: pytest.MonkeyPatch, docker: _Docker, seconds: float) -> bool:
    clock = _seconds()
    monkeypatch.setattr(waiting, "read_services", docker.read)
    monkeypatch.setattr(waiting.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(waiting.time, "sleep", lambda _: None)
    machine = create_autospec(HostAdapter, instance=True)
    machine.run.side_effect = docker.run
    settings = Environment.model_validate(described("staging"))
    runtime = Runtime(settings, machine, machine, machine, create_autospec(OpenRepository, instance=True))
    return waiting.start_in_order(runtime, seconds, docker.happened.append)


def _seconds() -> Iterator[int]:
    yield from range(10**6)


def test_scheduled_actions_are_started_when_pages_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    docker = _Docker(looks=3)
    assert _started(monkeypatch, docker, 60)
    assert docker.happened == ["start odoo", "Waiting: odoo is starting", "odoo is healthy", "start odoo-cron"]


def test_scheduled_actions_are_not_started_where_pages_are_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    docker = _Docker(looks=1000)
    assert not _started(monkeypatch, docker, 5)
    assert docker.happened[0] == "start odoo"
    assert docker.happened[-1] == "The rest of Odoo is not started: odoo is starting"
    assert "start odoo-cron" not in docker.happened
