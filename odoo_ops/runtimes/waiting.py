"""Starts an Odoo part by part, and waits for one that was started, by asking it."""

import time
from collections.abc import Callable
from dataclasses import replace

from odoo_ops.adapters.odoo_site import open_site
from odoo_ops.errors import VerificationFailed
from odoo_ops.model.runtimes import OnHost
from odoo_ops.policy.layers import why_not_ready
from odoo_ops.runtimes.health import read_services
from odoo_ops.runtimes.runtime import Runtime

_LOOK_SECONDS = 2.0
_ENDED_SECONDS = 60  # a service manager that starts it anew has done so by then; people are without Odoo meanwhile


def start_in_order(runtime: Runtime, seconds: float, show: Callable[[str], None]) -> bool:
    """Start Odoo; of a compose project each service when the one before it is healthy: pages, then scheduled actions.

    Args:
        runtime: the environment.
        seconds: how long to wait at the most. Services that come after one that is not healthy then are not started.
        show: is told what is waited for whenever that changes.

    Returns:
        Whether all were started; the last of them is not waited for.
    """
    *parts, last = _parts(runtime)
    deadline = time.monotonic() + seconds
    with runtime.machine.agents_kept():
        for part in parts:
            part.odoo.start()
            if waiting := _waits_for(part, deadline, show):
                show(f"The rest of Odoo is not started: {waiting}")
                return False
        last.odoo.start()
    return True


def _parts(runtime: Runtime) -> list[Runtime]:
    """The environment once for each of Odoo's services, as if it had no other."""
    settings = runtime.environment
    if isinstance(settings.runtime, OnHost):
        return [runtime]
    alone = [settings.runtime.model_copy(update={"odoo_services": (name,)}) for name in settings.runtime.odoo_services]
    return [replace(runtime, environment=settings.model_copy(update={"runtime": project})) for project in alone]


def wait_for_odoo(runtime: Runtime, seconds: float, show: Callable[[str], None]) -> None:
    """Wait until Odoo's services run (containers with a health check: are healthy), then for the login page.

    Args:
        runtime: the environment.
        seconds: how long to wait at the most.
        show: is told what is waited for whenever that changes.

    Raises:
        VerificationFailed: it was not ready in time, or ended while it was starting; says what was seen last.
    """
    with runtime.machine.agents_kept():
        _wait(runtime, time.monotonic() + seconds, show)


def _wait(runtime: Runtime, deadline: float, show: Callable[[str], None]) -> None:
    native = isinstance(runtime.environment.runtime, OnHost)
    until = min(deadline, time.monotonic() + _ENDED_SECONDS) if native else deadline
    if waiting := _waits_for(runtime, until, show):
        if until < deadline:
            raise VerificationFailed(f"Odoo ended while it was starting: {waiting}. Next step: read Odoo's log.")
        raise VerificationFailed(f"Odoo was not ready in time; seen last: {waiting}. Next step: read Odoo's log.")
    settings = runtime.environment
    show(f"Odoo runs; waiting for {settings.odoo.url}/web/login")
    with open_site(runtime.host, settings.odoo.url) as site:
        left = max(_LOOK_SECONDS, deadline - time.monotonic())
        site.wait_for_login_page(settings.database.name, left, _Watch(runtime))


def _waits_for(runtime: Runtime, deadline: float, show: Callable[[str], None]) -> str:
    """What keeps Odoo's services from being ready when the time is over; "" as soon as nothing does."""
    shown = ""
    while waiting := why_not_ready(read_services(runtime)):
        if waiting != shown:
            show(f"Waiting: {waiting}")
            shown = waiting
        if time.monotonic() > deadline:
            return waiting
        time.sleep(_LOOK_SECONDS)
    return ""


class _Watch:
    """Called between two tries for the login page; raises VerificationFailed when Odoo has ended meanwhile."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._looked_at = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        if ended := why_not_ready(read_services(self._runtime)):
            raise VerificationFailed(f"Odoo ended while it was starting: {ended}. Next step: read Odoo's log.")
        self._looked_at = time.monotonic()
