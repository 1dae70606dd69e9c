"""An Odoo on a copy: told nothing of the world, on loopback, for as long as a block lasts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from odoo_ops.adapters.agent import Agent
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.adapters.odoo_site import OdooSite, open_site
from odoo_ops.commands import compose, odoo
from odoo_ops.errors import CommandFailed, PreconditionFailed, Refused, VerificationFailed
from odoo_ops.model.copies import Neutralization
from odoo_ops.model.environment import Environment
from odoo_ops.policy.configuration import options_for_copy
from odoo_ops.policy.releases import replaced_addons
from odoo_ops.render import render
from odoo_ops.runtimes.runtime import Runtime

BOOT_SECONDS = 900.0
_ASK_SECONDS = 300


@dataclass(frozen=True)
class BootedCopy:
    """An Odoo server that runs on a copy."""

    site: OdooSite
    database: str
    host: HostAdapter
    log_file: str
    _agent: Agent

    def read_log(self) -> list[str]:
        """The lines of its log."""
        return (self.host.call("read_text", path=self.log_file) or "").splitlines()

    def wait_for_login_page(self, seconds: float = BOOT_SECONDS) -> str:
        """The login page's HTML. Raises VerificationFailed, with the end of the log when Odoo has ended."""
        return self.site.wait_for_login_page(self.database, seconds, self._check_running)

    def _check_running(self) -> None:
        if self._agent.pipes.ended():
            try:
                self._agent.wait_for("result")
            except CommandFailed as error:
                raise VerificationFailed(f"Odoo ended while it was starting: {error}") from error


def read_neutralization(
    runtime: Runtime, modules: list[str], instead: Mapping[str, str] | None = None
) -> Neutralization:
    """What the environment's Odoo says about neutralising a database with these modules; it opens no database.

    `instead` is as in `booted`.

    Raises VerificationFailed when it does not answer.
    """
    settings = runtime.environment
    with runtime.beside_odoo() as host:
        config = write_config(settings, host, instead=instead)
        command = odoo.read_neutralization(settings.odoo.command, config, modules)
        output = host.run(command, timeout_seconds=_ASK_SECONDS)
        host.call("remove_tree", path=settings.copy_dir)
    found = odoo.parse_neutralization(output.stdout)
    if found is None:
        raise VerificationFailed(
            f"`{command}` on {host.name} did not say how to neutralise; it said: {output.stderr[-500:]}"
        )
    return found


def refuse_way_out(runtime: Runtime) -> None:
    """Raise Refused where an Odoo on a copy would run in a container that reaches other networks.

    On a host itself it is kept from the world by its configuration and by what neutralises the copy alone.
    """
    with runtime.beside_odoo() as host:
        _refuse_way_out(runtime, host)


def _refuse_way_out(runtime: Runtime, host: HostAdapter) -> None:
    if host.container is None:
        return
    networks = runtime.machine.run(compose.list_networks(host.container)).stdout.split()
    # a container that shares another's network names none
    out = runtime.machine.run(compose.list_ways_out(networks)).stdout.split() if networks else ["another container's"]
    if out:
        raise Refused(
            f"{host.name} has a way out ({', '.join(out)}), so an Odoo on a copy could reach the world. None was "
            "booted. Next step: in the compose file give this service only networks with `internal: true`; if it "
            "serves people, name another one in `runtime.odoo_services`."
        )


@contextmanager
def booted(runtime: Runtime, database: str, instead: Mapping[str, str] | None = None) -> Iterator[BootedCopy]:
    """Run an Odoo server on a copy; it ends with the block, and with the worker.

    Its configuration and its log go with the block, too.
    `instead` names links in its addons path, and where they are taken to lead.
    """
    settings = runtime.environment
    with runtime.beside_odoo() as host:
        _refuse_way_out(runtime, host)
        port = int(host.call("free_port"))
        config = write_config(settings, host, database, port, instead)
        command = odoo.serve(settings.odoo.command, config, settings.database.model_copy(update={"name": database}))
        log_file = f"{settings.copy_dir}/odoo.log"
        try:
            with (
                host.serve(command, log_file=log_file) as agent,
                open_site(host, f"http://127.0.0.1:{port}") as site,
            ):
                yield BootedCopy(site, database, host, log_file, agent)
        finally:
            host.call("remove_tree", path=settings.copy_dir)


def print_invoice(copy: BootedCopy) -> str:
    """Print the newest customer invoice on a copy where a user is logged in; returns what came out, in words.

    Raises VerificationFailed when it cannot be printed, PreconditionFailed where there is none, or nothing that prints.
    """
    if not copy.site.has_module("account"):
        raise PreconditionFailed("the module account is not installed")
    if copy.host.find_program("wkhtmltopdf", []) is None:
        raise PreconditionFailed(f"{copy.host.name} has no wkhtmltopdf on its PATH, by which Odoo prints")
    invoice = copy.site.find_invoice()
    if invoice is None:
        raise PreconditionFailed("no posted customer invoice that the administrator may read")
    return f"account.move {invoice}, a PDF of {copy.site.print_invoice(invoice):,} bytes"


def write_config(
    settings: Environment,
    host: HostAdapter,
    database: str | None = None,
    port: int | None = None,
    instead: Mapping[str, str] | None = None,
    *,
    with_addons: bool = True,
) -> str:
    """Write the private configuration of an Odoo on a copy, and return its path.

    Without a database it can only be asked questions. `instead` is as in `booted`. Without addons Odoo starts with its
    own modules alone.
    """
    addons, kept = read_options(settings, host, instead)
    host.call("make_directory", path=settings.copy_dir)
    path = f"{settings.copy_dir}/odoo.conf"
    rendered = render(
        "odoo/copy.conf",
        database=settings.database,
        database_name=database,
        data_dir=settings.data_dir,
        addons=addons if with_addons else (),
        kept=kept,
        http_port=port,
    )
    host.call("write_text", path=path, text=rendered)
    return path


def read_options(
    settings: Environment, host: HostAdapter, instead: Mapping[str, str] | None = None
) -> tuple[list[str], dict[str, str]]:
    """The addons path of an environment, and the other options that its copy takes over. `instead` is as in `booted`.

    Raises PreconditionFailed where odoo.conf cannot be read.
    """
    text = host.call("read_text", path=settings.odoo.config) if settings.odoo.config else None
    addons, kept = options_for_copy(text, settings.odoo.addons)
    return replaced_addons(addons, instead or {}), kept
