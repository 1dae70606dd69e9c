"""One environment's compose project on its machine: what is there, and what is wanted of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import cast

from pydantic import ValidationError

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import provision
from odoo_ops.commands.compose import read_odoo_user
from odoo_ops.errors import CommandFailed, PreconditionFailed
from odoo_ops.model.command import Command
from odoo_ops.model.environment import Environment
from odoo_ops.model.plan import ProjectRecord, ReleasedImage, WantedService
from odoo_ops.model.provision import HostFacts, ProjectFile, Provisioning
from odoo_ops.model.runtimes import ComposeProject, Container
from odoo_ops.model.sizing import Sizing
from odoo_ops.policy.docker_versions import has_start_interval, refuse_old_docker
from odoo_ops.policy.images import lasting_name, released_image
from odoo_ops.policy.project_fences import refuse_other_owner, refuse_what_compose_adds
from odoo_ops.policy.project_plans import described_project
from odoo_ops.policy.provisioning import DATABASE_SERVICE, NGINX_SERVICE
from odoo_ops.policy.sizing import steady_memory
from odoo_ops.project_files import COMPOSE_FILE, project_files, project_sizing
from odoo_ops.runtimes.certificates import FittingFiles, fitting_files
from odoo_ops.runtimes.docker import read_containers, run_docker


@dataclass(frozen=True)
class Project:
    """A compose project that is provisioned.

    Attributes:
        machine: the host on which Docker runs.
        settings: the environment, of which `runtime` is this project.
        image: that Odoo runs instead of the one that the environment file names; empty: it runs that.
    """

    machine: HostAdapter
    settings: Environment
    runtime: ComposeProject
    image: str = ""

    @classmethod
    def of(cls, machine: HostAdapter, settings: Environment) -> "Project":
        """The project of an environment, with the image that was released to it, if one was.

        Raises PreconditionFailed where none is described.
        """
        project = cls(machine, settings, described_project(settings))
        record = project.read_record()
        released = record.released if record else None
        return project.with_image(released_image(released, project.named_image))

    def with_image(self, image: str) -> "Project":
        """The same project with another image of Odoo."""
        return replace(self, image=image)

    @property
    def named_image(self) -> str:
        """The image of Odoo that the environment file names."""
        return self._described.images.odoo

    @property
    def _described(self) -> Provisioning:
        return cast("Provisioning", self.settings.provision)  # `described_project` saw to it

    @property
    def wanted(self) -> Provisioning:
        """How it is set up."""
        described = self._described
        images = described.images.model_copy(update={"odoo": self.image or described.images.odoo})
        return described.model_copy(update={"images": images})

    @cached_property
    def facts(self) -> HostFacts:
        """What the machine has; its memory as it was noted, while it is about the same."""
        found, record = HostFacts.model_validate(self.machine.call("describe_machine")), self.read_record()
        memory = steady_memory(record.memory_bytes if record else None, found.memory_bytes)
        return found.model_copy(update={"memory_bytes": memory})

    @cached_property
    def processors(self) -> int:
        """How many Docker has for containers: a login that asks may be bound to fewer."""
        return int(self.run(provision.print_processors(), "Asking Docker for its processors"))

    @property
    def record(self) -> str:
        """File that says what the project's folder holds."""
        return f"{self.runtime.folder}/.odoo-ops.json"

    @property
    def identity(self) -> ProjectRecord:
        """What is noted of the project before anything is in its folder."""
        return ProjectRecord(
            environment=self.settings.name,
            project=self.runtime.project,
            database=self.settings.database.name,
            stage=self.settings.stage,
        )

    def read_record(self) -> ProjectRecord | None:
        """What was noted of the folder; None where nothing was. Raises PreconditionFailed for an edited note."""
        text = self.machine.call("read_text", path=self.record)
        try:
            return ProjectRecord.model_validate_json(text) if text else None
        except ValidationError as error:
            raise PreconditionFailed(
                f"{self.record} on {self.machine.name} is not as it was noted: {error}. Nothing was changed. Next "
                "step: correct what is named there."
            ) from error

    def write_record(self, *, unfinished: Sequence[str] = (), has_database: bool = False) -> None:
        """Note what the folder holds. That there was a database is noted for ever."""
        before = self.read_record()
        noted = {
            "unfinished": tuple(unfinished),
            "has_database": has_database or bool(before and before.has_database),
            "released": ReleasedImage(image=self.image, instead_of=self.named_image) if self.image else None,
            "memory_bytes": self.facts.memory_bytes,
        }
        self.machine.call("make_directory", path=self.runtime.folder)
        self.note_record(self.identity.model_copy(update=noted))

    def note_record(self, record: ProjectRecord) -> None:
        """Note this of the folder."""
        self.machine.call("write_text", path=self.record, text=record.model_dump_json(indent=1))

    def check_docker(self) -> None:
        """Raise PreconditionFailed when Docker does not answer, or it or Compose is too old."""
        refuse_old_docker(*self.versions, self.machine.name)

    @cached_property
    def versions(self) -> tuple[str, str]:
        """Versions of Docker's engine and of Compose."""
        engine, compose = (self.run(command, "Asking Docker for its version") for command in provision.read_versions())
        return engine, compose

    def check_folder(self) -> None:
        """Raise Refused when Compose would find more in the folder than the compose file."""
        names = self.machine.call("list_directory", path=self.runtime.folder)
        variables = self.machine.call("read_text", path=self.place(".env")) or ""
        refuse_what_compose_adds(self.runtime.folder, names, variables)

    @cached_property
    def files(self) -> tuple[ProjectFile, ...]:
        """All files of the project as they are wanted, its certificate too.

        Raises InvalidConfiguration for fields that do not fit, and Refused when the machine is too small, or what was
        given as a certificate does not fit and no former one may stay (`fitting_files`).
        """
        images = self.wanted.images.model_copy(update={"postgres": self._postgres_image})
        settings = self.settings.model_copy(update={"provision": self.wanted.model_copy(update={"images": images})})
        made = project_files(
            settings,
            self.facts,
            odoo_user=self._odoo_user,
            nginx_version=self._nginx_version,
            start_interval=has_start_interval(*self.versions),
        )
        return made + self._certificate.files

    @property
    def sizing(self) -> Sizing:
        """How large its parts are made."""
        return project_sizing(self.settings, self.facts)

    @property
    def unfit_certificate(self) -> str:
        """Why another certificate than the given one stays in place, in words; empty: none does."""
        return self._certificate.unfit

    @cached_property
    def _certificate(self) -> FittingFiles:
        place = (self.machine, self.runtime.folder, self.settings.name)
        return fitting_files(*place, self.wanted, datetime.now(UTC))

    @cached_property
    def _postgres_image(self) -> str:
        """The image of PostgreSQL by the name for which Compose makes no other container of the same image."""
        named, production = self.wanted.images.postgres, self.settings.stage == "production"
        running = next((each for each in self.read_containers() if each.service == DATABASE_SERVICE), None)
        if running is None or running.image_name == named:
            return named
        images = {name: self.image_id(name) for name in (named, running.image_name)}
        return lasting_name(named, running, images, production=production)

    def find_volume(self, volume: str) -> str:
        """Docker's name of a volume of the compose file; empty where it is not there."""
        name = f"{self.runtime.project}_{volume}"
        return self.run(provision.find_volume(name), f"Looking for the volume {name}").strip()

    def read_owners(self, name: str, seen_by: str = "") -> list[str]:
        """Users and groups of a volume with Odoo's data; none where it is empty.

        The image that looks, `seen_by` or Odoo's own, must be on the host.
        """
        command = provision.print_owners(seen_by or self.wanted.images.odoo, name, self.settings.database.name)
        return sorted(set(self.run(command, f"Looking into the volume {name}").split()))

    def check_owner(self, volume: str, seen_by: str = "") -> None:
        """Raise Refused where Odoo of its image could not write to a volume with files; nothing while none is there.

        `seen_by`: the image that looks into the volume, where its own is not trusted yet.
        """
        user = self._odoo_user
        if user and (name := self.find_volume(volume)):
            refuse_other_owner(self.read_owners(name, seen_by), user, self.wanted.images.odoo)

    @cached_property
    def _odoo_user(self) -> str | None:
        """Numbers of the user who runs Odoo in its image; None while that is not on the host."""
        image = self.wanted.images.odoo
        if self.image_id(image) is None:
            return None
        return self.run(read_odoo_user(image), "Looking for Odoo's user").strip()

    @cached_property
    def _nginx_version(self) -> tuple[int, ...]:
        """Version of nginx in its image; empty while that is not on the host."""
        image = self.wanted.images.nginx
        if self.image_id(image) is None:
            return ()
        printed = self.run(provision.print_nginx_version(image), "Looking at nginx's version")
        return provision.parse_nginx_version(printed)

    def note_image(self) -> None:
        """Note that the image with which this was opened is the released one."""
        record = self.read_record() or self.identity
        released = ReleasedImage(image=self.image, instead_of=self.named_image)
        self.note_record(record.model_copy(update={"released": released}))

    def reload_nginx(self) -> None:
        """Let nginx read its files anew. Raises PreconditionFailed for one that is wrong; then it goes on as before."""
        self.run(provision.check_nginx(self.runtime, NGINX_SERVICE), "Checking nginx's configuration")
        self.run(provision.reload_nginx(self.runtime, NGINX_SERVICE), "Reloading nginx")

    def read_containers(self) -> tuple[Container, ...]:
        """All containers of its services; a share of all processors is no limit."""
        found = read_containers(self.machine, self.runtime)
        return tuple(
            each.model_copy(update={"nano_cpus": 0})
            if each.nano_cpus and each.nano_cpus >= self.processors * 10**9
            else each
            for each in found
        )

    def read_services(self) -> tuple[WantedService, ...]:
        """The services that are wanted to run, as Compose understands the rendered file."""
        text = self.compose_file.content.get_secret_value()
        tried = "Reading the rendered compose file"
        hashes = provision.parse_hashes(self.run(provision.print_hashes(self.runtime, text), tried))
        services = provision.parse_services(self.run(provision.print_configuration(self.runtime, text), tried))
        ids = {image: self.image_id(image) for image in {service.image for service in services}}
        return tuple(
            service.model_copy(update={"image_id": ids[service.image], "config_hash": hashes.get(service.name)})
            for service in services
        )

    def image_id(self, image: str) -> str | None:
        """Docker's number of an image; None where it is not on the host."""
        try:
            return self.machine.run(provision.read_image_id(image)).stdout.strip()
        except CommandFailed as error:
            if "no such image" in error.output.lower():
                return None
            raise

    def run(self, command: Command, tried: str) -> str:
        """Run a command of Docker on the machine; its output. Raises as `run_docker` does."""
        return run_docker(self.machine, self.runtime, command, tried)

    @property
    def compose_file(self) -> ProjectFile:
        """The compose file as it is wanted."""
        return next(file for file in self.files if file.path == COMPOSE_FILE)

    def place(self, path: str) -> str:
        """Where a file of the project is on the host."""
        return f"{self.runtime.folder}/{path}"
