"""One environment: its host, its PostgreSQL, its Odoo and its repository, ready to be acted on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import postgres, restic, upkeep
from odoo_ops.errors import CommandFailed, PermanentError, PreconditionFailed
from odoo_ops.model.environment import Environment
from odoo_ops.model.repository import FolderLocation, OpenRepository
from odoo_ops.model.runtimes import ComposeProject, OnHost, TrialProject
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.policy.repositories import one_was_seen, what_is_there
from odoo_ops.policy.snapshots import backups_with_marks
from odoo_ops.policy.space import Need, reserve_bytes
from odoo_ops.runtimes.odoo_service import OdooService, odoo_service

_OPEN_SECONDS = 120


@dataclass(frozen=True)
class Runtime:
    """One environment, where it lives, and the repository that is worked on.

    Attributes:
        machine: the host itself: there Odoo is stopped and started.
        host: where the data is seen and work is done: the host, or a container there that reads Odoo's data only.
        writable: the same where Odoo's data can be written.
        offsite: the repository that holds copies, if there is one.
        copied_from: the first repository, where that with the copies is worked on.
        trial: the compose project with the image that is about to be released; None: its present one.
    """

    environment: Environment
    machine: HostAdapter
    host: HostAdapter
    writable: HostAdapter
    repository: OpenRepository
    offsite: OpenRepository | None = None
    copied_from: OpenRepository | None = None
    trial: TrialProject | None = None

    @classmethod
    def of(
        cls,
        environment: Environment,
        machine: HostAdapter,
        repository: OpenRepository,
        offsite: OpenRepository | None = None,
    ) -> "Runtime":
        """An environment on a machine."""
        host = writable = machine
        if isinstance(environment.runtime, ComposeProject):
            project = environment.runtime
            host = machine.in_container(project, project.toolbox)
            writable = machine.in_container(project, project.restore_toolbox)
        return cls(environment, machine, host, writable, repository, offsite)

    @property
    def restic(self) -> str:
        """Program of restic on the host."""
        return self.host.restic

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

    @property
    def jobs(self) -> int:
        """Parallel jobs of pg_dump and pg_restore, within the processors' limit: each is PostgreSQL's work, too."""
        jobs = self.environment.backup.jobs
        return min(jobs, self.host.processors or jobs)

    @property
    def odoo(self) -> OdooService:
        """The Odoo that serves people."""
        return odoo_service(self.environment, self.machine)

    @contextmanager
    def beside_odoo(self) -> Iterator[HostAdapter]:
        """Where Odoo's own program can be run: the host, or a container of Odoo's service that ends with the block.

        On a host it is run as the user to whom its data belongs, where agents are root there.
        """
        match self.trial or self.environment.runtime:
            case OnHost():
                beside = self.machine.below_root(self.environment.data_dir)
            case ComposeProject() as project:
                beside = self.machine.in_container(project, project.odoo_services[0])
        with beside.agents_kept():
            yield beside

    def for_foreign_programs(self) -> HostAdapter:
        """Where what comes with a commit, and is not run by Odoo, is run: the host.

        Where agents are root there, as the user to whom Odoo's data belongs; beside a compose project as `nobody`.
        """
        native = isinstance(self.environment.runtime, OnHost)
        return self.machine.below_root(self.environment.data_dir if native else None)

    def try_to_start_odoo(self) -> str | None:
        """Start Odoo; if it cannot be started, return why: what was done before is true all the same."""
        try:
            self.odoo.start()
        except PermanentError as error:
            return str(error)
        return None

    def shares_data_dir(self, other: "Runtime") -> bool:
        """Whether another environment has its data in the same folder. In containers its path does not tell that."""
        if not self.machine.host.same_machine(other.machine.host):
            return False
        if {self.environment.runtime.kind, other.environment.runtime.kind} == {"native"}:
            return self.environment.data_dir == other.environment.data_dir
        ours, theirs = (
            runtime.host.call("describe_path", path=runtime.environment.data_dir) for runtime in (self, other)
        )
        return all(ours[fact] == theirs[fact] for fact in ("device", "inode")) and ours["exists"] and theirs["exists"]

    def swap_filestores(self, *, scratch: str, kept: str) -> bool:
        """Put the filestore of `scratch` in the environment's place; the old one becomes that of `kept`.

        May be repeated after a crash. Returns whether an old one was kept.
        """
        settings, host = self.environment, self.writable
        with host.agents_kept():
            if host.call("describe_path", path=settings.filestore_of(scratch))["exists"]:
                if host.call("describe_path", path=settings.filestore)["exists"]:
                    host.call("rename", source=settings.filestore, destination=settings.filestore_of(kept))
                host.call("rename", source=settings.filestore_of(scratch), destination=settings.filestore)
            return bool(host.call("describe_path", path=settings.filestore_of(kept))["exists"])

    def need(self, what: str, folder: str, needed_bytes: int) -> Need:
        """What will be written into a folder on the host, and the room there now."""
        there = self.host.call("describe_path", path=folder)
        return Need(what, folder, needed_bytes, free_bytes=there["free_bytes"], device=there["device"])

    def reserve(self, folder: str) -> Need:
        """What must stay free on the disk of a folder on the host, for others, and the room there now."""
        there = self.host.call("describe_path", path=folder)
        needed = reserve_bytes(there["total_bytes"])
        return Need("what is left to others", folder, needed, there["free_bytes"], there["device"])

    def open_repository(self, *, record: str = "") -> str:
        """Open the repository and return its id; it is never made here. Removes the locks of dead runs.

        `record` says where it is on record that there was one. Raises PreconditionFailed if there is none, or if it
        cannot be read.
        """
        found = self.try_to_open()
        if found is None:
            raise PreconditionFailed(
                f"There is no repository in {self._where}{self._held()}. Nothing was changed, and none was made. "
                f"Next step: look at the address of the repository {self.repository.name} as it was registered, and "
                "whether its disk is mounted. (Only the first backup of an environment makes a repository, where "
                "nothing is yet.) If a folder keys is there: where data, index and snapshots hold nothing, its making "
                "was cut off, and what keys holds may be deleted; where they hold anything, the file config was lost: "
                "delete nothing, and bring that back."
                f"{one_was_seen(record) if record else ''}"
            )
        self._unlock_stale()
        return found

    def try_to_open(self) -> str | None:
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

    def _held(self) -> str:
        """What is in the repository's folder instead, in words."""
        match self.repository.location:
            case FolderLocation(path=path):
                return what_is_there(self.host.call("list_directory", path=path))
            case _:
                return ""

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
                total_bytes=entry.get("summary", {}).get("total_bytes_processed"),
                added_bytes=entry.get("summary", {}).get("data_added_packed"),
            )
            for entry in json.loads(listed.stdout)
        ]
