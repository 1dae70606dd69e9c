"""An Odoo that runs as processes or a systemd unit on a host."""

import json
from dataclasses import dataclass

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import postgres, restic, services, upkeep
from odoo_ops.errors import CommandFailed, PermanentError, PreconditionFailed
from odoo_ops.model.command import Command
from odoo_ops.model.environment import Environment, NoService, ProcessService, SystemdService
from odoo_ops.model.repository import FolderLocation, OpenRepository
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.policy.snapshots import backups_with_marks
from odoo_ops.policy.space import Need

_STOP_SECONDS = 60
_OPEN_SECONDS = 120


@dataclass(frozen=True)
class NativeRuntime:
    """One environment, its host, and the repository that is worked on.

    `offsite` is the one that holds copies, if there is one; where that is worked on, `copied_from` is the first.
    """

    environment: Environment
    host: HostAdapter
    repository: OpenRepository
    offsite: OpenRepository | None = None
    copied_from: OpenRepository | None = None

    @property
    def restic(self) -> str:
        """Program of restic on the host."""
        return self.host.host.restic

    def postgres_program(self, name: str, server_major: int) -> str:
        """Full path of PostgreSQL's program on the host, of the server's version if it can be had.

        Raises PreconditionFailed when there is none.
        """
        folders = postgres.program_folders(server_major)
        found = self.host.find_program(name, folders)
        if found is None:
            raise PreconditionFailed(
                f"{self.host.name} has no {name} (looked in {', '.join(folders)} and PATH). Nothing was changed. "
                "Next step: install PostgreSQL's client of the server's version there."
            )
        return found

    def odoo_runs(self) -> bool:
        """Whether Odoo runs."""
        match self.environment.service:
            case NoService():
                return False
            case SystemdService(unit=unit):
                return self.host.run(services.unit_state(unit)).stdout.strip() == "active"
            case ProcessService() as service:
                return bool(self.host.call("process_running", pid_file=service.pid_file, start=service.start))

    def odoo_is_meant_to_run(self) -> bool:
        """Whether Odoo runs, starts, or ended by itself: whoever stopped it on purpose does not want it started."""
        match self.environment.service:
            case SystemdService(unit=unit):
                return self.host.run(services.unit_state(unit)).stdout.strip() != "inactive"
            case ProcessService() as service:  # Odoo removes its pid file when it is stopped
                return self.odoo_runs() or bool(self.host.call("describe_path", path=service.pid_file)["exists"])
            case NoService():
                return False

    def stop_odoo(self) -> None:
        """Stop Odoo; one that does not run is fine."""
        match self.environment.service:
            case NoService():
                return
            case SystemdService(unit=unit):
                try:
                    self.host.run(services.stop_unit(unit))
                except CommandFailed as error:
                    raise PreconditionFailed(
                        f"Odoo could not be stopped: {error}\nNext step: let the user who acts there stop {unit}: set "
                        "`become: root` for the host, or allow it by a polkit rule; then run the restore again."
                    ) from error
            case ProcessService() as service:
                self.host.call(
                    "stop_process", pid_file=service.pid_file, start=service.start, grace_seconds=_STOP_SECONDS
                )

    def start_odoo(self) -> None:
        """Start Odoo; one that runs already is fine."""
        if self.odoo_runs():
            return
        match self.environment.service:
            case NoService():
                return
            case SystemdService(unit=unit):
                self.host.run(services.start_unit(unit))
            case ProcessService() as service:
                self.host.call(
                    "spawn",
                    shown=str(Command(argv=service.start)),
                    argv=service.start,
                    environment={},
                    working_directory=None,
                    log_file=service.log_file,
                )

    def try_to_start_odoo(self) -> str | None:
        """Start Odoo; if it cannot be started, return why: what was done before is true all the same."""
        try:
            self.start_odoo()
        except PermanentError as error:
            return str(error)
        return None

    def swap_filestores(self, *, scratch: str, kept: str) -> bool:
        """Put the filestore of `scratch` in the environment's place; the old one becomes that of `kept`.

        May be repeated after a crash. Returns whether an old one was kept.
        """
        settings = self.environment
        if self.host.call("describe_path", path=settings.filestore_of(scratch))["exists"]:
            if self.host.call("describe_path", path=settings.filestore)["exists"]:
                self.host.call("rename", source=settings.filestore, destination=settings.filestore_of(kept))
            self.host.call("rename", source=settings.filestore_of(scratch), destination=settings.filestore)
        return bool(self.host.call("describe_path", path=settings.filestore_of(kept))["exists"])

    def need(self, what: str, folder: str, needed_bytes: int) -> Need:
        """What will be written into a folder on the host, and the room there now."""
        there = self.host.call("describe_path", path=folder)
        return Need(what, folder, needed_bytes, free_bytes=there["free_bytes"], device=there["device"])

    def make_repository(self) -> None:
        """Make the repository where there is none; a folder that holds anything is left alone."""
        match self.repository.location:
            case FolderLocation(path=path):
                missing = not self.host.call("list_directory", path=path)
            case _:
                missing = self._try_to_open() is None
        if missing:
            self.host.run(restic.create_repository(self.restic, self.repository, self.copied_from))

    def open_repository(self) -> str:
        """Open the repository and return its id; it is never made here. Removes the locks of dead runs.

        Raises PreconditionFailed if there is none, or if it cannot be read.
        """
        found = self._try_to_open()
        if found is None:
            raise PreconditionFailed(
                f"There is no repository in {self._where}. Nothing was changed, and none was made. Next step: look at "
                f"the address of the repository {self.repository.name} as it was registered, and whether its disk is "
                "mounted. (Only the first backup of an environment makes a repository, where nothing is yet.)"
            )
        self._unlock_stale()
        return found

    def _try_to_open(self) -> str | None:
        """Id of the repository, None where there is none. Raises PreconditionFailed when it cannot be read."""
        try:
            config = self.host.run(restic.open_repository(self.restic, self.repository), timeout_seconds=_OPEN_SECONDS)
        except CommandFailed as error:
            if error.exit_status == restic.NO_REPOSITORY:
                return None
            if error.exit_status == upkeep.WRONG_PASSWORD and self.repository.former_password:
                raise PreconditionFailed(
                    f"The repository {self._where} is not opened by its new password. Nothing was changed. Next step: "
                    f"run the flow rotate_repository_key{' with offsite' if self.copied_from else ''}."
                ) from error
            raise PreconditionFailed(
                f"The repository {self._where} cannot be opened: {error.output.strip()}. Nothing was changed. "
                "Next step: look at the address, the password and the keys of the repository "
                f"{self.repository.name} as they were registered, and whether its server answers."
            ) from error
        return str(json.loads(config.stdout)["id"])

    @property
    def _where(self) -> str:
        location = self.repository.location
        return f"{location} on {self.host.name}" if isinstance(location, FolderLocation) else str(location)

    def _unlock_stale(self) -> None:
        """Remove the locks of processes that have ended; a folder is looked into first, which is cheaper."""
        match self.repository.location:
            case FolderLocation(path=path):
                locked = self.host.call("list_directory", path=f"{path}/locks")
            case _:
                locked = True
        if locked:
            self.host.run(restic.unlock_stale(self.restic, self.repository))

    def snapshots(self, environment: str) -> list[Snapshot]:
        """The backups of an environment in the repository, newest first, and what was proved of each."""
        return backups_with_marks(self.list_snapshots(environment))

    def list_snapshots(self, environment: str) -> list[Snapshot]:
        """The backups of an environment in the repository, and their marks, as restic lists them."""
        listed = self.host.run(restic.list_snapshots(self.restic, self.repository, host=environment))
        return [
            Snapshot(
                environment=environment,
                id=entry["id"],
                original=entry.get("original"),
                taken_at=entry["time"],
                tags=entry.get("tags", ()),
                paths=entry["paths"],
                tree=entry["tree"],
                offsite=self.copied_from is not None,
            )
            for entry in json.loads(listed.stdout)
        ]
