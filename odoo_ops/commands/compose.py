"""Commands of Docker and its Compose plugin, on the host of a project."""

import json
from collections.abc import Sequence

from odoo_ops.model.command import Command
from odoo_ops.model.health import Disk
from odoo_ops.model.runtimes import ComposeProject, Container, ServiceContainer, TrialProject

# A container's first process. It answers until its stdin ends, which is when the worker ends, however that ends; then
# it gives the agents in the container time to end what they started: they go down with it.
_KEEPER = """
import os, sys, time
assert sys.version_info >= (3, 10), "Python 3.10 or later is needed"
for line in sys.stdin.buffer:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
deadline = time.monotonic() + 15
while time.monotonic() < deadline:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    if not [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in {1, os.getpid()}]:
        break
    time.sleep(0.05)
"""

# The fields of Container, by the names of Docker's own structures, `.ID` too: after a name that is the API's alone, as
# `.Id` is, Docker looks in the API's answer, and there a missing `Health` is an error since Docker 28.
_CONTAINER = (
    '{"service": {{json (index .Config.Labels "com.docker.compose.service")}}, "state": {{json .State.Status}}, '
    '"health": {{with .State.Health}}{{json .Status}}{{else}}""{{end}}, "exit_code": {{.State.ExitCode}}, '
    '"out_of_memory": {{.State.OOMKilled}}, "restarts": {{.RestartCount}}, '
    '"restart_policy": {{json .HostConfig.RestartPolicy.Name}}, "started_at": {{json .State.StartedAt}}, '
    '"config_hash": {{json (index .Config.Labels "com.docker.compose.config-hash")}}, "id": {{json .ID}}, '
    '"image": {{json .Image}}, "image_name": {{json .Config.Image}}, "ports": {{json .HostConfig.PortBindings}}, '
    '"networks": {{json .NetworkSettings.Networks}}, "memory_bytes": {{.HostConfig.Memory}}, '
    '"pids_limit": {{json .HostConfig.PidsLimit}}, "nano_cpus": {{.HostConfig.NanoCPUs}}, '
    '"nameless_volumes": {{json .Mounts}}}'
)


def run_kept(project: ComposeProject, service: str, container: str) -> tuple[str, ...]:
    """Run a one-off container that does nothing while its stdin is open, and repeats each line that it is given.

    The image's own entrypoint does not run: the official one of Odoo waits for its database and adds arguments.
    """
    return _compose(
        project,
        "run",
        "--rm",
        "--no-TTY",
        "--no-deps",
        f"--name={container}",
        "--entrypoint=python3",
        service,
        "-c",
        _KEEPER,
    )


def run_inside(container: str, argv: Sequence[str]) -> tuple[str, ...]:
    """Run a program in a container that runs, with its stdin and stdout connected."""
    return ("docker", "exec", "--interactive", container, *argv)


def list_services(project: ComposeProject) -> Command:
    """Print the names of all services of a project, one a line."""
    return Command(argv=_compose(project, "config", "--services"))


def list_networks(container: str) -> Command:
    """Print the names of a container's networks, one a line."""
    names = "{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}"
    return Command(argv=("docker", "inspect", f"--format={names}", container))


def list_ways_out(networks: Sequence[str]) -> Command:
    """Print the names of those of these networks that lead out of Docker, one a line."""
    names = "{{if not .Internal}}{{println .Name}}{{end}}"
    return Command(argv=("docker", "network", "inspect", f"--format={names}", *networks))


def read_odoo_user(image: str) -> Command:
    """Print the numbers of the user `odoo` and its group in an image of Odoo, such as `100:101`."""
    return ask_image(image, ("sh", "-c", 'echo "$(id -u odoo):$(id -g odoo)"'))


def ask_image(image: str, program: Sequence[str], *options: str) -> Command:
    """Run a program of an image, which perhaps nobody has approved yet, in a container that can do nothing.

    `options`: more of Docker's, such as a volume that it may read.
    """
    confined = ("--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", "--tmpfs=/tmp")
    limited = ("--memory=512m", "--pids-limit=256")
    entrypoint, *arguments = program
    options = ("--rm", *confined, *limited, *options, f"--entrypoint={entrypoint}")
    return Command(argv=("docker", "run", *options, image, *arguments))


def list_odoo(project: ComposeProject) -> Command:
    """List the containers of Odoo's services, running or not; `parse_containers` reads it."""
    return Command(argv=_compose(project, "ps", "--all", "--format=json", *project.odoo_services))


def parse_containers(output: str) -> list[ServiceContainer]:
    """The containers that `docker compose ps` listed: one object a line; before 2.21, one array."""
    text = output.strip()
    found = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    return [
        ServiceContainer(service=entry["Service"], state=entry["State"], exit_code=entry["ExitCode"]) for entry in found
    ]


def list_started(project: ComposeProject) -> Command:
    """Print the names of the services that `docker compose up` starts by itself, one a line."""
    return Command(argv=(*_project(project), "config", "--services"))


def list_lasting(project: ComposeProject) -> Command:
    """Print the ids of the containers of a project's services, running or not, without one-off ones."""
    return Command(argv=("docker", "ps", "--all", "--quiet", "--no-trunc", *_labelled(project, "oneoff=False")))


def list_one_off(project: ComposeProject, service: str) -> Command:
    """Print the ids of the one-off containers of a service that run, one a line."""
    labelled = _labelled(project, "oneoff=True", f"service={service}")
    return Command(argv=("docker", "ps", "--quiet", "--no-trunc", *labelled))


def _labelled(project: ComposeProject, *labels: str) -> list[str]:
    return [f"--filter=label=com.docker.compose.{label}" for label in (f"project={project.project}", *labels)]


def inspect_containers(containers: Sequence[str]) -> Command:
    """Print how containers are, one JSON object a line; `parse_inspected` reads it."""
    return Command(argv=("docker", "inspect", f"--format={_CONTAINER}", *containers))


def parse_inspected(output: str) -> tuple[Container, ...]:
    """The containers that were inspected."""
    return tuple(Container.model_validate_json(line) for line in output.splitlines())


def look_at_disk(project: ComposeProject, service: str, folder: str) -> Command:
    """Print on which device a folder of a service's container is, and the room there; `parse_disk` reads it."""
    script = 'stat -c %d "$1" && stat -f -c "%a %b %f %S" "$1"'
    return Command(argv=_compose(project, "exec", "--no-TTY", service, "sh", "-c", script, "sh", folder))


def parse_disk(folder: str, output: str) -> tuple[int, Disk]:
    """The number of a device, and the room there; what is reserved for root is not counted."""
    device, free, blocks, free_for_root, block_bytes = map(int, output.split())
    total = blocks - free_for_root + free
    return device, Disk(folder=folder, free_bytes=free * block_bytes, total_bytes=total * block_bytes)


def stop_odoo(project: ComposeProject, grace_seconds: int) -> Command:
    """Stop Odoo's services and wait for their end."""
    return Command(argv=_compose(project, "stop", f"--timeout={grace_seconds}", *project.odoo_services))


def start_odoo(project: ComposeProject) -> Command:
    """Start the containers of Odoo's services that were stopped."""
    return Command(argv=_compose(project, "start", *project.odoo_services))


def _compose(project: ComposeProject, *arguments: str) -> tuple[str, ...]:
    """A command on a project; services that only a profile starts belong to it, too."""
    return (*_project(project), "--profile=*", *arguments)


def _project(project: ComposeProject) -> tuple[str, ...]:
    file = (f"--file={project.file}",) if isinstance(project, TrialProject) else ()
    return ("docker", "compose", f"--project-name={project.project}", f"--project-directory={project.folder}", *file)
