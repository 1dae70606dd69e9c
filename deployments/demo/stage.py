"""What the steps of the demo share: the site, its servers, and what they found."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployments.demo.business import Contents
from deployments.demo.closing import Night
from deployments.demo.layout import CHECKOUT
from deployments.demo.odoo_client import answers
from deployments.demo.prefect_api import FlowRun, PrefectApi
from deployments.demo.processes import Program, finish, last_lines, start, wait_until
from deployments.demo.site import Site
from odoo_ops.errors import VerificationFailed

_COMMAND_SECONDS = 120
_ODOO_SECONDS = 90


@dataclass
class Stage:
    """One run of the demo.

    Attributes:
        variables: the environment variables of every program.
        servers: the programs that must live until the end.
        commands: the programs that were begun and whose end nobody waited for yet.
        nights: what each night cost, ours and the script's.
        before: what Odoo showed before the loss; None until it was read.
    """

    site: Site
    variables: Mapping[str, str]
    prefect: PrefectApi
    servers: list[Program] = field(default_factory=list)
    commands: list[Program] = field(default_factory=list)
    nights: list[Night] = field(default_factory=list)
    before: Contents | None = None

    def serve(self, name: str, *words: str) -> None:
        """Start a server, `python -m …`, that must live until the end; its log is called by its name."""
        self.servers.append(start(name, [sys.executable, "-m", *words], self.variables, self.log(name)))

    def begin(self, name: str, *words: str) -> None:
        """Start a command, `python -m …`, in the checkout; `finish_commands` waits for its end."""
        self.commands.append(start(name, [sys.executable, "-m", *words], self.variables, self.log(name), CHECKOUT))

    def finish_commands(self) -> None:
        """Wait for the commands that were begun. Raises CommandFailed if one ends with any status but 0."""
        while self.commands:
            finish(self.commands.pop(), within_seconds=_COMMAND_SECONDS)

    def wait_for(
        self, name: str, ready: Callable[[], bool], *, within_seconds: float, started: Program | None = None
    ) -> None:
        """Wait until a server is ready. Raises as `wait_until` does."""
        check = [*self.servers, started] if started else self.servers
        wait_until(ready, name, within_seconds=within_seconds, log=self.log(name), check=check)

    def wait_for_odoo(self, started: Program | None = None) -> None:
        """Wait until Odoo shows its login page. Raises as `wait_until` does."""
        address = self.site.odoo
        self.wait_for("odoo", lambda: answers(address), within_seconds=_ODOO_SECONDS, started=started)

    def run_deployment(self, name: str, **parameters: str) -> FlowRun:
        """Run a deployment to its end. Raises VerificationFailed, with the worker's last words, unless it completed."""
        try:
            return self.prefect.run_deployment(name, parameters, self._check_servers)
        except VerificationFailed as error:
            log = self.log("prefect-worker")
            raise VerificationFailed(f"{error}\nThe last lines of {log}:\n{last_lines(log)}") from error

    def log(self, name: str) -> Path:
        """The file with what a program says."""
        return self.site.layout.logs / f"{name}.log"

    def _check_servers(self) -> None:
        for server in self.servers:
            server.check()
