"""An Odoo on a copy: told nothing of the world, on loopback, for as long as a block lasts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from odoo_ops.adapters.agent import Agent
from odoo_ops.adapters.odoo_site import OdooSite, open_site
from odoo_ops.commands import odoo
from odoo_ops.errors import CommandFailed, PreconditionFailed, VerificationFailed
from odoo_ops.model.copies import Neutralization
from odoo_ops.policy.configuration import options_for_copy
from odoo_ops.render import render
from odoo_ops.runtimes.native import NativeRuntime

_BOOT_SECONDS = 900
_ASK_SECONDS = 300


@dataclass(frozen=True)
class BootedCopy:
    """An Odoo server that runs on a copy."""

    site: OdooSite
    database: str
    log_file: str
    _agent: Agent

    def wait_for_login_page(self) -> str:
        """The login page's HTML. Raises VerificationFailed, with the end of the log when Odoo has ended."""
        return self.site.wait_for_login_page(self.database, _BOOT_SECONDS, self._check_running)

    def _check_running(self) -> None:
        if self._agent.pipes.ended():
            try:
                self._agent.wait_for("result")
            except CommandFailed as error:
                raise VerificationFailed(f"Odoo ended while it was starting: {error}") from error


def read_neutralization(runtime: NativeRuntime, modules: list[str]) -> Neutralization:
    """What the environment's Odoo says about neutralising a database with these modules; it opens no database.

    Raises VerificationFailed when it does not answer.
    """
    config = _write_config(runtime)
    command = odoo.read_neutralization(runtime.environment.odoo.command, config, modules)
    output = runtime.host.run(command, timeout_seconds=_ASK_SECONDS)
    found = odoo.parse_neutralization(output.stdout)
    if found is None:
        raise VerificationFailed(
            f"`{command}` on {runtime.host.name} did not say how to neutralise; it said: {output.stderr[-500:]}"
        )
    return found


@contextmanager
def booted(runtime: NativeRuntime, database: str) -> Iterator[BootedCopy]:
    """Run an Odoo server on a copy; it ends with the block, and with the worker."""
    settings, host = runtime.environment, runtime.host
    port = int(host.call("free_port"))
    config = _write_config(runtime, database, port)
    command = odoo.serve(settings.odoo.command, config, settings.database.model_copy(update={"name": database}))
    log_file = f"{settings.copy_dir}/odoo.log"
    with (
        host.serve(command, log_file=log_file) as agent,
        open_site(host, f"http://127.0.0.1:{port}") as site,
    ):
        yield BootedCopy(site, database, log_file, agent)


def print_invoice(runtime: NativeRuntime, copy: BootedCopy) -> str:
    """Print the newest customer invoice on a copy where a user is logged in; returns what came out, in words.

    Raises VerificationFailed when it cannot be printed, PreconditionFailed where there is none, or nothing that prints.
    """
    if not copy.site.has_module("account"):
        raise PreconditionFailed("the module account is not installed")
    if runtime.host.find_program("wkhtmltopdf", []) is None:
        raise PreconditionFailed(f"{runtime.host.name} has no wkhtmltopdf on its PATH, by which Odoo prints")
    invoice = copy.site.find_invoice()
    if invoice is None:
        raise PreconditionFailed("no posted customer invoice that the administrator may read")
    return f"account.move {invoice}, a PDF of {copy.site.print_invoice(invoice):,} bytes"


def _write_config(runtime: NativeRuntime, database: str | None = None, port: int | None = None) -> str:
    """The private configuration of an Odoo on a copy; without a database it can only be asked questions."""
    settings, host = runtime.environment, runtime.host
    text = host.call("read_text", path=settings.odoo.config) if settings.odoo.config else None
    addons, kept = options_for_copy(text, settings.odoo.addons)
    host.call("make_directory", path=settings.copy_dir)
    path = f"{settings.copy_dir}/odoo.conf"
    rendered = render(
        "odoo/copy.conf",
        database=settings.database,
        database_name=database,
        data_dir=settings.data_dir,
        addons=addons,
        kept=kept,
        http_port=port,
    )
    host.call("write_text", path=path, text=rendered)
    return path
