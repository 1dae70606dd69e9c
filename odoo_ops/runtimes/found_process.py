"""Read an Odoo that runs on the host itself, as a systemd unit or otherwise. Nothing is changed."""

from dataclasses import dataclass

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import adoption as commands
from odoo_ops.commands.postgres import program_folders
from odoo_ops.model.adoption import AdoptionRequest, FoundOdoo
from odoo_ops.model.found import POSTGRES_PORT, FoundServer, OdooProcess, Settings
from odoo_ops.policy import found_odoo
from odoo_ops.runtimes.found_odoo import Ask, Inside, look_at_place, read_server

_SOCKET = "/var/run/postgresql"
_MAJORS = range(19, 11, -1)  # a newer psql speaks with an older server


def find_on_host(machine: HostAdapter, request: AdoptionRequest) -> FoundOdoo:
    """The Odoo that runs on a host. Raises PreconditionFailed when there is none, several, or it cannot be read."""
    seen = machine.call("list_odoo_processes")
    processes = [OdooProcess.model_validate(entry) for entry in seen["processes"]]
    process = found_odoo.chosen_process(processes, request, machine.name)
    place, config = Inside(machine), found_odoo.config_of_process(process)
    file = place.read_conf(config)
    settings = found_odoo.process_settings(process, file)
    server, unseen_login = _read_server(_Psql(machine, process, settings), seen["user"])
    database = found_odoo.chosen_database(server, settings, request.database)
    looked = place.look(settings, database)
    needed_bytes = database.size_bytes + (looked["files"].size_bytes or 0)
    home, name = seen["home"], FoundOdoo.name_of(request, database)
    return FoundOdoo(
        request=request,
        host=machine.host,
        program=process.program,
        config=config if file else None,
        server=settings.options.get("db_host", _SOCKET),
        postgres=server,
        repository=look_at_place(machine, ["/var/backups/odoo", f"{home}/odoo-backups"], needed_bytes),
        state=look_at_place(machine, [f"/var/lib/odoo-ops/{name}", f"{home}/odoo-ops/{name}"], needed_bytes),
        acting_user=seen["user"],
        unseen_login=unseen_login,
        missing_programs=_missing_programs(machine, server),
        process=process,
        **looked,
    )


@dataclass(frozen=True)
class _Psql:
    """Asks the PostgreSQL of an Odoo, with its password, which stays on the host."""

    machine: HostAdapter
    process: OdooProcess
    settings: Settings

    def ask_as(self, user: str | None) -> Ask:
        """Questions by a user of the system; None: the one who acts there."""
        options, config = self.settings.options, found_odoo.config_of_process(self.process)
        server, port = options.get("db_host", _SOCKET), int(options.get("db_port", POSTGRES_PORT))
        folders = [folder for major in _MAJORS for folder in program_folders(major)]
        psql = self.machine.find_program("psql", folders) or "psql"

        def ask(database: str, sql: str) -> str:
            command = commands.ask(database, sql, user=options["db_user"], server=server, port=port, program=psql)
            command = commands.as_user(user, command) if user else command
            argv, environment = command.argv, command.environment
            printed: str = self.machine.call(
                "ask_database", argv=argv, environment=environment, config=config, pid=self.process.pid
            )
            return printed

        return ask


def _read_server(psql: _Psql, acting_user: str) -> tuple[FoundServer | None, bool]:
    """PostgreSQL, and whether it lets in only Odoo's own user of the system. None: it lets in nobody."""
    if server := read_server(psql.ask_as(None)):
        return server, False
    as_odoo = read_server(psql.ask_as(psql.process.user)) if acting_user == "root" else None
    return as_odoo, as_odoo is not None


def _missing_programs(machine: HostAdapter, server: FoundServer | None) -> tuple[str, ...]:
    """What backups need and the host does not have, in words."""
    missing = []
    if machine.find_program(machine.restic, []) is None:
        missing.append("restic 0.17 or later")
    if server and machine.find_program("pg_dump", program_folders(server.major)) is None:
        missing.append(f"PostgreSQL's client of version {server.major}")
    return tuple(missing)
