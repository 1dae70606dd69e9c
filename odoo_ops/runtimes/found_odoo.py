"""What an Odoo that was set up by hand says of itself, wherever it runs. Nothing is changed."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import adoption as commands
from odoo_ops.errors import CommandFailed, PreconditionFailed
from odoo_ops.model.command import Command
from odoo_ops.model.found import POSTGRES_PORT, FoundDatabase, FoundFiles, FoundServer, Place, Settings
from odoo_ops.policy.found_odoo import best_place, own_addons

_MEASURE_SECONDS = 60

Ask = Callable[[str, str], str]
"""Ask a database (name, query) and return what psql prints."""


@dataclass(frozen=True)
class Inside:
    """Where an Odoo sees its files: a machine, or a container on it that runs."""

    machine: HostAdapter
    container: str = ""

    def run(self, command: Command, *, timeout_seconds: float | None = None) -> str:
        """What a command prints there. Raises CommandFailed."""
        command = commands.inside(self.container, command) if self.container else command
        return self.machine.run(command, timeout_seconds=timeout_seconds).stdout

    def read_conf(self, path: str) -> Settings | None:
        """The options of an odoo.conf; None: there is none. Raises PreconditionFailed when it cannot be read."""
        command = Command(argv=("cat", path))
        command = commands.inside(self.container, command) if self.container else command
        try:
            found = self.machine.call("read_odoo_conf", argv=command.argv)
        except CommandFailed as error:
            raise PreconditionFailed(
                f"{path} cannot be read on {self.machine.name}: {error.output.strip()}. Nothing was changed. Next "
                f"step: {self._reader()}."
            ) from error
        if found and found["options"] is None:
            raise PreconditionFailed(
                f"{path} on {self.machine.name} is not a configuration file. Nothing was changed. Next step: correct "
                "it; Odoo cannot read it either."
            )
        return Settings.model_validate(found) if found else None

    def _reader(self) -> str:
        if self.container:
            return "make the file readable for the user of the container"
        return "set `become` for the host to Odoo's own user, or to root"

    def look(self, settings: Settings, database: FoundDatabase) -> dict[str, Any]:
        """Fields of FoundOdoo that are read in the same way everywhere. Raises CommandFailed."""
        options = settings.options
        return {
            "settings": settings,
            "database": database,
            "port": int(options.get("db_port", POSTGRES_PORT)),
            "user": options["db_user"],
            "data_dir": options["data_dir"],
            "addons": self.read_addons(settings),
            "files": self.read_files(f"{options['data_dir']}/filestore/{database.name}", database),
        }

    def read_files(self, filestore: str, database: FoundDatabase) -> FoundFiles:
        """Whether attachments that a database names are there, and the size of all."""
        samples = database.samples
        missing = int(self.run(commands.count_missing(filestore, samples))) if samples else 0
        try:
            size = int(self.run(commands.measure(filestore), timeout_seconds=_MEASURE_SECONDS).split("\t")[0])
        except CommandFailed:  # it is not there, or it is so large that nobody waits for it
            return FoundFiles(size_bytes=None, looked_for=len(samples), missing=missing)
        return FoundFiles(size_bytes=size, looked_for=len(samples), missing=missing)

    def read_addons(self, settings: Settings) -> tuple[str, ...]:
        """Folders of addons that are not Odoo's own."""
        named = own_addons(settings.options.get("addons_path", ""), ())
        return own_addons(",".join(named), self.run(commands.list_with_base(named)).splitlines()) if named else ()


def read_server(ask: Ask) -> FoundServer | None:
    """PostgreSQL's databases, and what those of Odoo's hold. None when it lets nobody in, or there is no psql."""
    try:
        server = json.loads(ask("postgres", commands.SERVER))
    except (CommandFailed, PreconditionFailed):
        return None
    databases = []
    for entry in server["databases"]:
        odoo = {}
        try:
            if ask(entry["name"], commands.IS_ODOO).strip() == "t":
                odoo = json.loads(ask(entry["name"], commands.ODOO))
        except CommandFailed:  # another role's
            odoo = {}
        databases.append(FoundDatabase.model_validate({**entry, **odoo}))
    return FoundServer.model_validate({**server, "databases": databases})


def look_at_place(machine: HostAdapter, candidates: Sequence[str], needed_bytes: int = 0) -> Place:
    """The first of these folders that can be written and has the room; else the first."""
    places = []
    for path in candidates:
        seen = machine.call("describe_path", path=path)
        places.append(Place(path=path, writable=seen["writable"], free_bytes=seen["free_bytes"]))
    return best_place(places, needed_bytes)
