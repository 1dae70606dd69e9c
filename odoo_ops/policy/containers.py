"""What Docker says, in words: how containers are, and why it or its Compose plugin refuses."""

import re
from datetime import datetime, timedelta

from odoo_ops.model.health import Project
from odoo_ops.model.runtimes import ComposeProject, Container

_JUST_NOW = timedelta(minutes=15)
# of an address in a log: a link to set a password holds its secret there, and so does a login
_QUERY, _LOGIN = re.compile(r"\?[^\s\"']+"), re.compile(r"(?<=://)[^\s\"']*@")
# as an option, a variable or a field, and as SQL has it; of a quoted one nobody knows what its quotes mean
_PASSWORD = re.compile(
    r"""((?:--[\w-]*passw(?:or)?d[ \t]+|passw(?:or)?d['"]?(?:[ \t]*[=:][ \t]*|[ \t]+(?=E?['"]))))(?:E?['"].*|\S+)""",
    re.IGNORECASE,
)

# what they say -> what that means, and the next step; the first that fits counts
_MEANINGS = (
    (
        r"permission denied while trying to connect to the docker",
        "the user who acts there may not use Docker",
        "set `become: root` for the host, or add the user to the group `docker`",
    ),
    (r"cannot connect to the docker daemon|is the docker daemon running", "Docker does not run", "start it there"),
    (r"docker: (command )?not found|'?docker'?: no such file", "there is no Docker", "install it there"),
    (
        r"'compose' is not a docker command|unknown (shorthand )?flag|unknown docker command",
        "its Compose plugin is missing or too old",
        "install Docker Compose 2.20 or later there (`docker compose version`)",
    ),
    (
        r"no such service: ?\"?(?P<name>[^\s\"]*)",
        "the project has no service {name!r}",
        "correct `runtime` in the environment file, or add the service to the project's compose file",
    ),
    (
        r"no configuration file provided|can't find a suitable configuration file|no such file or directory.*\.ya?ml",
        "{folder} holds no compose file",
        "correct `runtime.folder` in the environment file",
    ),
    (
        r"python3\"?:.*executable file not found",
        "the service's image has no Python",
        "use an image with Python 3.10 or later",
    ),
    (
        r"non-overlapping IPv4 address pool|all predefined address pools have been fully subnetted",
        "Docker has no addresses left for another network",
        "remove networks that nothing uses (`docker network prune`), or set `default-address-pools` in its daemon.json",
    ),
    (r"python 3\.10 or later is needed", "the service's Python is too old", "use an image with Python 3.10 or later"),
)


def why_docker_refused(said: str, project: ComposeProject, *, host: str, tried: str) -> str:
    """The message for what Docker said on a host when something was tried with a project."""
    where = f"{tried} of the compose project {project.project} on {host}"
    for pattern, meaning, step in _MEANINGS:
        if found := re.search(pattern, said, re.IGNORECASE):
            what = meaning.format(folder=project.folder, **found.groupdict())
            return f"{where} failed: {what}. Next step: {step}."
    return (
        f"{where} failed. Docker said:\n{said.strip() or 'nothing'}\n"
        f"Next step: try it there by hand, in {project.folder}."
    )


def problems_of_service(project: Project, service: str, at: datetime) -> list[str]:
    """What is wrong with a service that is meant to run, in words."""
    containers = [container for container in project.containers if container.service == service]
    if not containers:
        return [f"{service} has no container"]
    must_run = service in project.odoo_services
    found = [_problem_of(container, at, must_run=must_run) for container in containers]
    return [f"{service} {problem}" for problem in found if problem]


def _problem_of(container: Container, at: datetime, *, must_run: bool) -> str:
    """What is wrong with a container, in words; "": nothing.

    One that is never started again and ended well has done its work (it prepared something), unless it is Odoo's.
    """
    if container.state != "running":
        did_its_work = (
            container.state == "exited" and container.exit_code == 0 and container.restart_policy in {"", "no"}
        )
        return "" if did_its_work and not must_run else _ended(container)
    if container.health == "unhealthy":
        return "is unhealthy"
    if container.restarts and at - container.started_at < _JUST_NOW:
        return (
            f"was started again {container.restarts} times by Docker, last at {container.started_at:%Y-%m-%d %H:%M} UTC"
        )
    return ""


def _ended(container: Container) -> str:
    why = ", for want of memory" if container.out_of_memory else ""
    return f"is {container.state} with status {container.exit_code}{why}"


def why_not_healthy(container: Container) -> str:
    """Why a container that was started and waited for is not healthy, in words; "": it is."""
    if container.state != "running":
        return _ended(container)
    return {"unhealthy": "is unhealthy", "starting": "is not healthy yet"}.get(container.health, "")


def shown_log(text: str) -> str:
    """A log as others may see it: without passwords, and of addresses without logins and what follows a `?`."""
    without_addresses = _LOGIN.sub("(not shown)@", _QUERY.sub("?(not shown)", text))
    return _PASSWORD.sub(r"\1(not shown)", without_addresses)
