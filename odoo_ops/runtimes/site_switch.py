"""What nginx of a provisioned project shows while a release is at work: one Odoo, or that nobody is served.

A file that nginx's configuration includes says it. Where the file is, a release is at work, or has died.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from odoo_ops.adapters.odoo_site import open_site
from odoo_ops.commands import image_releases as commands
from odoo_ops.commands.provision import parse_hashes, print_hashes, remove_containers
from odoo_ops.errors import PreconditionFailed, TransientError, VerificationFailed
from odoo_ops.model.runtimes import Container
from odoo_ops.policy.provisioning import NGINX_SERVICE, ODOO_PORT, ODOO_SERVICES
from odoo_ops.project_files import COMPOSE_FILE
from odoo_ops.render import render
from odoo_ops.runtimes.brought_up import run_renewing
from odoo_ops.runtimes.docker import read_log_end
from odoo_ops.runtimes.image_releases import ODOO_SERVICE, is_provisioned, write_trial
from odoo_ops.runtimes.project import Project
from odoo_ops.runtimes.public_way import past_nginx
from odoo_ops.runtimes.runtime import Runtime
from odoo_ops.runtimes.smoke import smoke

_FILE = "config/nginx/release.conf"
_SCHEDULED = ODOO_SERVICES[1]
_RETRY_AFTER_SECONDS = 60
_RELOAD_SECONDS = 30
_START_SECONDS = 240  # until Docker has called it ill: its start_period, and as many checks as it may fail
_DRAIN_SECONDS = 720  # so long nginx itself waits for an answer
_CLOSE_SECONDS = 20  # nobody is served meanwhile
_STOP_SECONDS = 60
_LOOK_SECONDS = 0.5
_WATCH_SECONDS = 3
_NAME_CHARACTERS = 12  # of a container's number, by which Docker's name server knows it
_WEBSOCKET_SECONDS = 60  # its process has yet to load all modules


def start_beside(runtime: Runtime, image: str) -> Container:
    """Start a container of Odoo with another image beside the one that serves people, to whom nginx is held first.

    Raises PreconditionFailed where it has not just one, or where the new one is gone at once.
    """
    project = Project.of(runtime.machine, runtime.environment)
    present = _odoo_of(project)
    if len(present) != 1:
        raise PreconditionFailed(
            f"Odoo's service has {len(present)} containers where one must be. Nothing was changed. Next step: run "
            "`provision`, then release again."
        )
    _lead_nginx(project, present[0])
    trial = write_trial(project.with_image(image))
    try:
        project.run(commands.bring_up_beside(trial, ODOO_SERVICE), "Starting the new Odoo beside the present one")
    finally:
        project.machine.call("remove_tree", path=trial.file)
    new = [found for found in _odoo_of(project) if found.id != present[0].id]
    if len(new) != 1:
        raise PreconditionFailed(
            f"{len(new)} new containers of Odoo are beside the present one, where one was started. Next step: see "
            "whether somebody else works on this project, then release again."
        )
    return new[0]


def try_beside(runtime: Runtime, container: Container, seconds: float, *, new: bool) -> list[str]:
    """Wait until a container of Odoo serves its login page within the network; one with a `new` release is used, too.

    A former release may know nothing of what the environment names now.
    Returns what it gave. Raises VerificationFailed, with the end of its log.
    """
    project, settings = Project.of(runtime.machine, runtime.environment), runtime.environment
    url = f"http://{_host(container)}:{ODOO_PORT}"
    try:
        with open_site(runtime.host, url) as site:
            site.wait_for_login_page(settings.database.name, seconds, _Watch(project, container.id))
            assets = site.read_assets()
            _try_websockets(runtime, container)
            used = smoke(site, settings, settings.database.name) if new else []
    except VerificationFailed as error:
        raise VerificationFailed(f"{error}\n{read_log_end(project.machine, container.id)}") from error
    return ["login page", f"{len(assets)} scripts and styles", "websockets", *used]


def _try_websockets(runtime: Runtime, container: Container) -> None:
    """Wait until a websocket is opened, for which its process loads all modules: none of the people waits for that.

    Raises VerificationFailed.
    """
    site = past_nginx(runtime, _host(container))
    tries = Retrying(
        stop=stop_after_delay(_WEBSOCKET_SECONDS),
        wait=wait_fixed(_LOOK_SECONDS),
        retry=retry_if_exception_type((TransientError, VerificationFailed)),
        reraise=True,
    )
    try:
        tries(site.upgrades_to_websocket, runtime.environment.database.name)
    except TransientError as error:
        raise VerificationFailed(str(error)) from error


class _Watch:
    """Called between two tries; raises VerificationFailed when a container has ended, or was started again."""

    def __init__(self, project: Project, container: str) -> None:
        self._project, self._container = project, container
        self._looked_at = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._looked_at < _WATCH_SECONDS:
            return
        self._looked_at = time.monotonic()
        found = next((each for each in _odoo_of(self._project) if each.id == self._container), None)
        if found is None or found.state != "running" or found.restarts:
            raise VerificationFailed(f"The new Odoo ended while it was starting: {found.state if found else 'gone'}.")


def close_site(runtime: Runtime) -> None:
    """Let nginx tell everybody to come back soon; requests that are under way have a moment left.

    Nothing where `provision` made no nginx.
    """
    if is_provisioned(runtime.environment):
        project = Project.of(runtime.machine, runtime.environment)
        old = _write(project, None)
        _end_websockets(project, _odoo_of(project))
        _wait(lambda: _ended(project, old), _CLOSE_SECONDS)


def open_site_again(runtime: Runtime) -> bool | None:
    """Lead nginx to the Odoo of the compose file alone; others are stopped when they have answered, and removed.

    May be repeated after a crash. Returns whether all of them had answered in time; None: nginx led nowhere else.
    """
    if not is_provisioned(runtime.environment):
        return None
    project = Project.of(runtime.machine, runtime.environment)
    led = project.machine.call("read_text", path=project.place(_FILE))
    if led is None:
        return None
    present = _odoo_of(project)
    right = _in_place(project, present, led)
    others = [found for found in present if found is not right]
    answered = True
    if right and others:
        answered = _take_over(project, right, others, people_on_others=_host(right) not in led)
    elif right:
        _wait(lambda: all(found.health != "starting" for found in _odoo_of(project)), _START_SECONDS)
    forget_static(project)
    _write(project, ODOO_SERVICE)
    if right:
        start_scheduled(project)
    project.machine.call("remove_tree", path=project.place(_FILE))  # the last: where it is, all this is done again
    return answered


def is_at_work(project: Project) -> bool:
    """Whether a release leads nginx now, or has died while it did."""
    return bool(project.machine.call("describe_path", path=project.place(_FILE))["exists"])


def _in_place(project: Project, present: Sequence[Container], led: str) -> Container | None:
    """The container that the compose file on the host describes; where none fits, the one that nginx is led to."""
    wanted = _wanted_hash(project, ODOO_SERVICE)
    fitting = [found for found in present if found.config_hash == wanted]
    return next(iter([*fitting, *(found for found in present if _host(found) in led)]), None)


def _wanted_hash(project: Project, service: str) -> str | None:
    """Compose's digest of a service as the compose file on the host describes it."""
    text = project.machine.call("read_text", path=project.place(COMPOSE_FILE)) or ""
    return parse_hashes(project.run(print_hashes(project.runtime, text), "Reading the compose file")).get(service)


def start_scheduled(project: Project) -> None:
    """Start what is scheduled, as the compose file describes it; where it is so already, it is not interrupted."""
    wanted = _wanted_hash(project, _SCHEDULED)
    of_service = [found for found in project.read_containers() if found.service == _SCHEDULED]
    differs = any(found.config_hash != wanted for found in of_service)
    command = commands.start_anew(project.runtime, [_SCHEDULED], renewed=differs)
    run_renewing(project, command, "Making what is scheduled anew")


def _take_over(project: Project, right: Container, others: Sequence[Container], *, people_on_others: bool) -> bool:
    old = _lead_nginx(project, right)
    answered = True
    if people_on_others:
        _end_websockets(project, others)
        answered = _wait(lambda: _ended(project, old), _DRAIN_SECONDS)
    for container in others:
        project.run(commands.stop_container(container.id, _STOP_SECONDS), "Stopping the former Odoo")
        project.run(remove_containers([container.id], volumes=True), "Removing the former Odoo")
    return answered


def _end_websockets(project: Project, containers: Sequence[Container]) -> None:
    for container in containers:
        if container.state == "running":
            with suppress(PreconditionFailed):  # it ends by itself meanwhile; what is left ends when it is stopped
                project.run(commands.end_websockets(container.id), "Ending the websockets of an Odoo")


def forget_static(project: Project) -> None:
    """Let nginx ask for static files anew: its own copies are the former Odoo's."""
    if _nginx_runs(project):
        project.run(commands.forget_static(project.runtime, NGINX_SERVICE), "Deleting nginx's copies of static files")


def _odoo_of(project: Project) -> list[Container]:
    return [container for container in project.read_containers() if container.service == ODOO_SERVICE]


def _lead_nginx(project: Project, container: Container) -> set[str]:
    """Lead nginx to one container. Returns its processes of before, which end when they have answered."""
    return _write(project, _host(container))


def _host(container: Container) -> str:
    """Name of a container within the project's networks."""
    return container.id[:_NAME_CHARACTERS]


def _write(project: Project, host: str | None) -> set[str]:
    text = render("nginx/release.conf", host=host, retry_after_seconds=_RETRY_AFTER_SECONDS)
    project.machine.call("write_text", path=project.place(_FILE), text=text, mode=0o644)
    return _reload(project)


def _reload(project: Project) -> set[str]:
    """Reload nginx and wait until processes with the new configuration are there. Returns those of before.

    One that does not run reads its configuration when it starts.
    """
    if not _nginx_runs(project):
        return set()
    before = _workers(project)
    project.reload_nginx()
    if not _wait(lambda: bool(_workers(project) - before), _RELOAD_SECONDS):
        raise PreconditionFailed(
            f"nginx of {project.runtime.project} did not take its configuration within {_RELOAD_SECONDS} s. Next "
            "step: read its log; the next run settles what is left."
        )
    return before


def _nginx_runs(project: Project) -> bool:
    return any(found.service == NGINX_SERVICE and found.state == "running" for found in project.read_containers())


def _ended(project: Project, workers: set[str]) -> bool:
    return not workers or not workers & _workers(project)


def _workers(project: Project) -> set[str]:
    command = commands.list_nginx_workers(project.runtime, NGINX_SERVICE)
    return set(project.run(command, "Looking at nginx's processes").split())


def _wait(done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
