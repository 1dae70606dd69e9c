"""What the steps of the demo share: the site, its servers, and what they found."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deployments.demo.business import Contents
from deployments.demo.closing import Night
from deployments.demo.layout import CHECKOUT
from deployments.demo.odoo_client import answers
from deployments.demo.prefect_api import PrefectApi
from deployments.demo.processes import Program, finish, start, wait_until
from deployments.demo.site import Site

_COMMAND_SECONDS = 120
_ODOO_SECONDS = 90


@dataclass
class Stage:
    """One run of the demo.

    Attributes:
        variables: the environment variables of every program.
        servers: the programs that must live until the end.
        nights: what each night cost, ours and the script's.
        before: what Odoo showed before the loss; None until it was read.
    """

    site: Site
    variables: Mapping[str, str]
    prefect: PrefectApi
    servers: list[Program] = field(default_factory=list)
    nights: list[Night] = field(default_factory=list)
    before: Contents | None = None

    def serve(self, name: str, *words: str) -> None:
        """Start a server, `python -m …`, that must live until the end; its log is called by its name."""
        log = self.site.layout.logs / f"{name}.log"
        self.servers.append(start(name, [sys.executable, "-m", *words], self.variables, log))

    def run_command(self, name: str, *words: str) -> None:
        """Run `python -m …` in the checkout to its end. Raises CommandFailed for any status but 0."""
        log = self.site.layout.logs / f"{name}.log"
        finish(
            start(name, [sys.executable, "-m", *words], self.variables, log, CHECKOUT), within_seconds=_COMMAND_SECONDS
        )

    def wait_for(self, name: str, ready: Callable[[], bool], *, within_seconds: float) -> None:
        """Wait until a server that was started is ready. Raises as `wait_until` does."""
        wait_until(
            ready, name, within_seconds=within_seconds, log=self.site.layout.logs / f"{name}.log", check=self.servers
        )

    def wait_for_odoo(self) -> None:
        """Wait until Odoo shows its login page. Raises as `wait_until` does."""
        self.wait_for("odoo", lambda: answers(self.site.ports.odoo_url), within_seconds=_ODOO_SECONDS)
