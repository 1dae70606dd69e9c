"""Commands by which a compose project's Odoo goes from one image to another."""

import json
import re
from collections.abc import Sequence

from odoo_ops.commands.provision import RENEWED_VOLUMES, compose_on
from odoo_ops.model.command import Command
from odoo_ops.model.runtimes import ComposeProject, TrialProject

# nginx names its processes so; one that ends has more words behind
_WORKERS = "grep -l '^nginx: worker' /proc/[0-9]*/cmdline 2>/dev/null || true"

# by the OCI's image specification: what of the source an image was made of
REVISION_LABEL = "org.opencontainers.image.revision"
_REVISION = re.compile(r"[\w.+/-]{1,100}")

# where nginx keeps its own copies of static files
STATIC_COPIES = "/var/tmp/nginx-static"  # noqa: S108

# Odoo's process for websockets; its browsers come back by themselves, to whom nginx leads them then
_END_WEBSOCKETS = """
import os, signal
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if b"gevent" in file.read().split(b"\\0"):
                os.kill(int(pid), signal.SIGTERM)
    except (FileNotFoundError, ProcessLookupError):
        pass
"""


def read_digests(image: str) -> Command:
    """Print the names with digests that Docker knows for an image, as JSON."""
    return Command(argv=("docker", "image", "inspect", "--format={{json .RepoDigests}}", image))


def parse_digests(output: str) -> tuple[str, ...]:
    """What `read_digests` printed; an image that no registry knows has none."""
    return tuple(json.loads(output) or ())


def print_commit(image: str) -> Command:
    """Print the commit of which an image was made, as its label says; `parse_commit` reads it."""
    label = f'{{{{index .Config.Labels "{REVISION_LABEL}"}}}}'
    return Command(argv=("docker", "image", "inspect", f"--format={label}", image))


def parse_commit(output: str) -> str:
    """What `print_commit` printed; empty where the image tells none, or says something that is no such name."""
    word = output.strip()
    return word if _REVISION.fullmatch(word) else ""


def print_project(project: ComposeProject) -> Command:
    """Print the project as Compose understands its file on the host, as JSON."""
    return Command(argv=compose_on(project, "--profile=*", "config", "--format=json"))


def bring_up_beside(project: TrialProject, service: str) -> Command:
    """Start a second container of a service, as the trial's file describes it; those that are there stay as they are.

    What it depends on counts, so that Compose notes the digest that it has for its file.
    """
    options = ("--detach", "--no-build", "--no-recreate", f"--scale={service}=2")
    return Command(argv=compose_on(project, "up", *options, service))


def make_anew(project: ComposeProject, services: Sequence[str]) -> Command:
    """Make the containers of stopped services as the compose file describes them; they are started later."""
    return Command(argv=compose_on(project, "up", "--no-start", "--no-build", RENEWED_VOLUMES, *services))


def start_anew(project: ComposeProject, services: Sequence[str], *, renewed: bool) -> Command:
    """Make the containers of services as the compose file describes them, and start them; nobody waits for them.

    Those that are so already stay, unless their images' own volumes are `renewed`: a newer Compose makes all anew then.
    """
    volumes = (RENEWED_VOLUMES,) if renewed else ()
    return Command(argv=compose_on(project, "up", "--detach", "--no-build", *volumes, *services))


def list_nginx_workers(project: ComposeProject, service: str) -> Command:
    """Print a file of each process of nginx that serves requests, one a line."""
    return Command(argv=compose_on(project, "exec", "--no-TTY", service, "sh", "-c", _WORKERS))


def forget_static(project: ComposeProject, service: str) -> Command:
    """Delete nginx's copies of static files: another image's are others at the same addresses."""
    return Command(argv=compose_on(project, "exec", "--no-TTY", service, "sh", "-c", f"rm -rf {STATIC_COPIES}/*"))


def name_image(image: str, name: str) -> Command:
    """Give an image on the host a name, whatever that meant before."""
    return Command(argv=("docker", "tag", image, name))


def list_names(repository: str) -> Command:
    """Print the names that images on the host have in a repository, one a line."""
    return Command(
        argv=("docker", "image", "ls", f"--filter=reference={repository}", "--format={{.Repository}}:{{.Tag}}")
    )


def remove_name(name: str) -> Command:
    """Take a name from an image on the host; one that has no other and runs nowhere goes with it."""
    return Command(argv=("docker", "image", "rm", name))


def end_websockets(container: str) -> Command:
    """End the websockets of an Odoo: nginx's old processes would last as long as they."""
    return Command(argv=("docker", "exec", container, "python3", "-c", _END_WEBSOCKETS))


def stop_container(container: str, grace_seconds: int) -> Command:
    """Stop a container, and wait for its end."""
    return Command(argv=("docker", "stop", f"--time={grace_seconds}", container))


def print_log(container: str, lines: int) -> Command:
    """Print the end of a container's log."""
    return Command(argv=("docker", "logs", f"--tail={lines}", container))
