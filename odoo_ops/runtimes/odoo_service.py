"""The Odoo that serves people: does it run, stop it, start it. One class for each way in which it can be run."""

from dataclasses import dataclass
from typing import Protocol

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import compose, services
from odoo_ops.errors import CommandFailed, PreconditionFailed
from odoo_ops.model.command import Command
from odoo_ops.model.environment import Environment, NoService, ProcessService, SystemdService
from odoo_ops.model.runtimes import ComposeProject, ServiceContainer
from odoo_ops.policy.containers import why_docker_refused
from odoo_ops.runtimes.docker import run_docker

_STOP_SECONDS = 60


class OdooService(Protocol):
    """Odoo as it is run all the time."""

    def runs(self) -> bool:
        """Whether Odoo runs."""

    def is_meant_to_run(self) -> bool:
        """Whether Odoo runs, starts, or ended by itself: whoever stopped it on purpose does not want it started."""

    def stop(self) -> None:
        """Stop Odoo; one that does not run is fine."""

    def start(self) -> None:
        """Start Odoo; one that runs already is fine."""


def odoo_service(environment: Environment, machine: HostAdapter) -> OdooService:
    """How the environment's Odoo is stopped and started on its machine."""
    if isinstance(environment.runtime, ComposeProject):
        return _InProject(machine, environment.runtime)
    match environment.service:
        case SystemdService(unit=unit):
            return _Unit(machine, unit)
        case ProcessService() as service:
            return _Process(machine, service)
        case NoService():
            return _None()


@dataclass(frozen=True)
class _None:
    def runs(self) -> bool:
        return False

    def is_meant_to_run(self) -> bool:
        return False

    def stop(self) -> None:
        return

    def start(self) -> None:
        return


@dataclass(frozen=True)
class _Unit:
    machine: HostAdapter
    unit: str

    def runs(self) -> bool:
        return self._state() == "active"

    def is_meant_to_run(self) -> bool:
        return self._state() != "inactive"

    def stop(self) -> None:
        try:
            self.machine.run(services.stop_unit(self.unit))
        except CommandFailed as error:
            raise PreconditionFailed(
                f"Odoo could not be stopped: {error}\nNext step: let the user who acts there stop {self.unit}: set "
                "`become: root` for the host, or allow it by a polkit rule; then run the flow again."
            ) from error

    def start(self) -> None:
        if not self.runs():
            self.machine.run(services.start_unit(self.unit))

    def _state(self) -> str:
        return self.machine.run(services.unit_state(self.unit)).stdout.strip()


@dataclass(frozen=True)
class _Process:
    machine: HostAdapter
    service: ProcessService

    def runs(self) -> bool:
        service = self.service
        return bool(self.machine.call("process_running", pid_file=service.pid_file, start=service.start))

    def is_meant_to_run(self) -> bool:
        # Odoo removes its pid file when it is stopped
        return self.runs() or bool(self.machine.call("describe_path", path=self.service.pid_file)["exists"])

    def stop(self) -> None:
        service = self.service
        self.machine.call("stop_process", pid_file=service.pid_file, start=service.start, grace_seconds=_STOP_SECONDS)

    def start(self) -> None:
        if not self.runs():
            self.machine.call(
                "spawn",
                shown=str(Command(argv=self.service.start)),
                argv=self.service.start,
                environment={},
                working_directory=None,
                log_file=self.service.log_file,
            )


@dataclass(frozen=True)
class _InProject:
    machine: HostAdapter
    project: ComposeProject

    def runs(self) -> bool:
        return any(container.runs for container in self._containers())

    def is_meant_to_run(self) -> bool:
        return any(container.is_meant_to_run for container in self._containers())

    def stop(self) -> None:
        self._run(compose.stop_odoo(self.project, _STOP_SECONDS), "Stopping Odoo")

    def start(self) -> None:
        self._run(compose.start_odoo(self.project), "Starting Odoo")

    def _containers(self) -> list[ServiceContainer]:
        # Compose says nothing of a service that is not there, and an Odoo that is not stopped would go on writing
        known = self._run(compose.list_services(self.project), "Looking for Odoo's services").split()
        for service in self.project.odoo_services:
            if service not in known:
                said = f"no such service: {service}"
                raise PreconditionFailed(
                    why_docker_refused(said, self.project, host=self.machine.name, tried="Looking for Odoo's services")
                )
        return compose.parse_containers(self._run(compose.list_odoo(self.project), "Looking for Odoo's containers"))

    def _run(self, command: Command, tried: str) -> str:
        return run_docker(self.machine, self.project, command, tried)
