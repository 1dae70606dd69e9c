"""Commands by which a compose project is looked at and brought to what its rendered file says."""

import json
import re
from collections.abc import Sequence

from pydantic import SecretStr

from odoo_ops.commands.compose import ask_image
from odoo_ops.model.command import Command
from odoo_ops.model.environment import DatabaseSettings
from odoo_ops.model.plan import WantedService
from odoo_ops.model.runtimes import ComposeProject, TrialProject

# An image's own volumes (VOLUME) are filled from it anew. Compose would else hand those of the former container to the
# next one, with the former image's files in them: addons in /mnt/extra-addons, say. Named volumes stay.
RENEWED_VOLUMES = "--renew-anon-volumes"

# of the volume at /data, and of what of it is read by the name of a database
_PRINT_OWNERS = """
[ -n "$(ls -A /data)" ] || exit 0
store="/data/filestore/$1"
stat -c %u:%g /data
[ ! -e "$store" ] || stat -c %u:%g "$store"
find /data -maxdepth 3 -type d "(" -path /data/sessions -o -path "$store/*" ")" \\
  ! -user "$(stat -c %u /data)" -exec stat -c %u:%g {} ";" -quit
"""

_NGINX = ("nginx", "-c", "/etc/nginx-odoo/nginx.conf")


def read_versions() -> tuple[Command, Command]:
    """Print the version of Docker's engine, and that of Compose."""
    return (
        Command(argv=("docker", "version", "--format={{.Server.Version}}")),
        Command(argv=("docker", "compose", "version", "--short")),
    )


def print_hashes(project: ComposeProject, compose_file: str) -> Command:
    """Print the name of each service that no profile holds back, and Compose's digest of it.

    The compose file is given to it; none is written.
    """
    return _of_text(project, compose_file, "config", "--hash=*")


def print_configuration(project: ComposeProject, compose_file: str) -> Command:
    """Print the project as Compose understands such a file, with all its services, as JSON."""
    return _of_text(project, compose_file, "--profile=*", "config", "--format=json")


def list_projects() -> Command:
    """Print id and project of each container that runs for a service of a compose project, whichever that is."""
    shown = '--format={{.ID}} {{.Label "com.docker.compose.project"}}'
    return Command(argv=("docker", "ps", "--no-trunc", "--filter=label=com.docker.compose.oneoff=False", shown))


def print_memory_limits(containers: Sequence[str]) -> Command:
    """Print how many bytes of memory each container may take; 0: no limit."""
    return Command(argv=("docker", "inspect", "--format={{.HostConfig.Memory}}", *containers))


def parse_hashes(output: str) -> dict[str, str]:
    """Service -> digest."""
    return dict(line.split() for line in output.splitlines() if line.strip())


def parse_images(output: str) -> dict[str, str]:
    """Service -> image."""
    return {name: service["image"] for name, service in json.loads(output)["services"].items()}


def parse_services(output: str) -> tuple[WantedService, ...]:
    """The services of `print_configuration`, without what only the host and `print_hashes` tell."""
    project = json.loads(output)
    names = {key: network["name"] for key, network in project["networks"].items()}
    return tuple(
        WantedService(
            name=name,
            image=service["image"],
            networks=tuple(sorted(names[key] for key in service.get("networks", ()))),
            memory_bytes=int(service.get("mem_limit", 0)),
            pids_limit=int(service.get("pids_limit", 0)),
            nano_cpus=round(float(service.get("cpus", 0)) * 10**9),
            restart_policy=service.get("restart", "no"),
        )
        for name, service in project["services"].items()
    )


def read_image_id(image: str) -> Command:
    """Print the id of an image on the host; status 1 where it is not there."""
    return Command(argv=("docker", "image", "inspect", "--format={{.Id}}", image))


def print_declared_volumes(image: str) -> Command:
    """Print the folders that an image declares as volumes, as JSON; `parse_declared_volumes` reads it."""
    return Command(argv=("docker", "image", "inspect", "--format={{json .Config.Volumes}}", image))


def parse_declared_volumes(output: str) -> tuple[str, ...]:
    """Those folders; an image that declares none has none."""
    return tuple(sorted(json.loads(output) or ()))


def print_postgres_version(image: str) -> Command:
    """Print the version of the PostgreSQL in an image."""
    return ask_image(image, ("postgres", "--version"))


def print_toolbox_version(image: str, folders: Sequence[str]) -> Command:
    """Print the version of the PostgreSQL programs in an image of the toolbox: first of these folders, then of PATH."""
    script = 'PATH="$1:$PATH"; exec pg_dump --version'
    return ask_image(image, ("sh", "-c", script, "sh", ":".join(folders)))


def print_odoo_version(image: str, odoo: Sequence[str], container: str) -> Command:
    """Print the version of the Odoo (its program) in an image.

    It runs as the user as whom the project runs it, in a container of this name.
    """
    return ask_image(image, (*odoo, "--version"), f"--name={container}", "--user=odoo")


def print_nginx_version(image: str) -> Command:
    """Print the version of the nginx in an image; `parse_nginx_version` reads it."""
    return ask_image(image, ("sh", "-c", "nginx -v 2>&1"))


def parse_nginx_version(output: str) -> tuple[int, ...]:
    """The numbers of `nginx version: nginx/1.26.3 (Ubuntu)`; none where it says something else."""
    said = re.search(r"nginx/([0-9]+(?:\.[0-9]+)*)", output)
    return tuple(int(number) for number in said[1].split(".")) if said else ()


def print_data_version(image: str, volume: str) -> Command:
    """Print the major version of the PostgreSQL that made the data in a volume; nothing for an empty one."""
    script = "[ ! -e /data/PG_VERSION ] || cat /data/PG_VERSION"
    return ask_image(image, ("sh", "-c", script), *_reading(volume))


def print_docker_folder() -> Command:
    """Print the folder in which Docker keeps images and volumes."""
    return Command(argv=("docker", "info", "--format={{.DockerRootDir}}"))


def print_processors() -> Command:
    """Print how many processors Docker can give to a container."""
    return Command(argv=("docker", "info", "--format={{.NCPU}}"))


def print_owners(image: str, volume: str, database: str) -> Command:
    """Print user and group of a volume of Odoo and of a database's filestore there; nothing where it is empty.

    And those of the first other folder in which Odoo writes, if that is another user's than the volume: of sessions,
    and those in the filestore.
    """
    return ask_image(image, ("sh", "-c", _PRINT_OWNERS, "sh", database), *_reading(volume))


def _reading(volume: str) -> tuple[str, ...]:
    """Options by which a container sees a volume at /data, whoever owns its files."""
    return ("--user=0", "--cap-add=DAC_READ_SEARCH", f"--volume={volume}:/data:ro")


def find_volume(name: str) -> Command:
    """Print the name of a volume, if there is one of just this name."""
    return Command(argv=("docker", "volume", "ls", "--quiet", f"--filter=name=^{name}$"))


def bring_up(
    project: ComposeProject, services: Sequence[str], wait_seconds: int, *, anew: bool, renewed: bool = False
) -> Command:
    """Create, recreate or start services and what they depend on, and wait until they are healthy.

    `anew` makes their containers anew also where Compose sees no reason, `renewed` their images' own volumes, too.
    `--no-deps` would give them another digest than `print_hashes` tells.
    """
    wait = ("--wait", f"--wait-timeout={wait_seconds}")
    forced = (*(("--force-recreate",) if anew else ()), *((RENEWED_VOLUMES,) if renewed else ()))
    return Command(argv=compose_on(project, "up", "--detach", "--no-build", *forced, *wait, *services))


def update_limits(container: str, service: WantedService, processors: float | None) -> Command:
    """Give a container the limits and the restart policy of its service while it runs.

    Args:
        container: its id.
        service: as the compose file describes it; its memory is limited, and so are its processes.
        processors: its share of them; None: that stays.
    """
    memory = (f"--memory={service.memory_bytes}", f"--memory-swap={2 * service.memory_bytes}")  # as Docker made it
    rest = (f"--pids-limit={service.pids_limit}", f"--restart={service.restart_policy}")
    cpus = (f"--cpus={processors:g}",) if processors else ()
    return Command(argv=("docker", "update", *memory, *rest, *cpus, container))


def connect_network(container: str, service: str, network: str) -> Command:
    """Put a container into a network, where it is found under its service's name."""
    return Command(argv=("docker", "network", "connect", f"--alias={service}", network, container))


def disconnect_network(container: str, network: str) -> Command:
    """Take a container out of a network."""
    return Command(argv=("docker", "network", "disconnect", network, container))


def restart(project: ComposeProject, services: Sequence[str]) -> Command:
    """Stop and start services, whose containers then see the files that are there now."""
    return Command(argv=compose_on(project, "restart", *services))


def remove_containers(ids: Sequence[str], *, volumes: bool) -> Command:
    """Stop and remove containers; with `volumes`, those of theirs, too, that have no name."""
    return Command(argv=("docker", "rm", "--force", *(("--volumes",) if volumes else ()), *ids))


def remove_volumes(names: Sequence[str]) -> Command:
    """Remove volumes that no container uses."""
    return Command(argv=("docker", "volume", "rm", "--force", *names))


def change_password(project: ComposeProject, service: str, role: str, password: SecretStr) -> Command:
    """Give a PostgreSQL role a password from within its container, where the images trust who comes by the socket.

    psql asks twice, reads it from its standard input where there is no terminal, and sends a SCRAM verifier.
    """
    psql = ("psql", "--no-psqlrc", f"--username={role}", f"--command=\\password {role}")
    secret = password.get_secret_value()
    return Command(
        argv=compose_on(project, "exec", "--no-TTY", service, *psql), stdin=SecretStr(f"{secret}\n{secret}\n")
    )


def check_nginx(project: ComposeProject, service: str) -> Command:
    """Let nginx read its configuration, and say what is wrong with it."""
    return Command(argv=compose_on(project, "exec", "--no-TTY", service, *_NGINX, "-t"))


def reload_nginx(project: ComposeProject, service: str) -> Command:
    """Let nginx take its configuration anew; no request is lost."""
    return Command(argv=compose_on(project, "exec", "--no-TTY", service, *_NGINX, "-s", "reload"))


def reload_pgbouncer(project: ComposeProject, service: str) -> Command:
    """Let PgBouncer take its files anew; no connection is lost.

    Not by `docker kill`, after which Docker would not start it again when it ends.
    """
    return Command(argv=compose_on(project, "exec", "--no-TTY", service, "sh", "-c", "kill -HUP 1"))


def initialise(project: ComposeProject, service: str, odoo: Sequence[str], database: DatabaseSettings) -> Command:
    """Let Odoo (its program) fill an empty database, in a container of a service that ends with it.

    By PostgreSQL itself, not by a PgBouncer that odoo.conf may name.
    """
    server = (f"--db_host={database.server}", f"--db_port={database.port}")
    options = (*server, "--init=base", "--stop-after-init", "--no-http", "--workers=0", "--max-cron-threads=0")
    return run_once(project, service, *odoo, f"--database={database.name}", *options)


def run_once(project: ComposeProject, service: str, *arguments: str, entrypoint: str = "") -> Command:
    """Run something in a container of a service that ends with it; its image's entrypoint, if no other is named."""
    options = ("--rm", "--no-TTY", "--no-deps", *([f"--entrypoint={entrypoint}"] if entrypoint else []))
    return Command(argv=compose_on(project, "run", *options, service, *arguments))


def _of_text(project: ComposeProject, compose_file: str, *arguments: str) -> Command:
    return Command(argv=_with_file(project, "-", *arguments), stdin=SecretStr(compose_file))


def compose_on(project: ComposeProject, *arguments: str) -> tuple[str, ...]:
    """A command on a project, and on those services that no profile holds back.

    By its compose file alone: Compose would add a `compose.override.yaml` beside it, which no plan has seen.
    """
    file = project.file if isinstance(project, TrialProject) else f"{project.folder}/compose.yaml"
    return _with_file(project, file, *arguments)


def _with_file(project: ComposeProject, file: str, *arguments: str) -> tuple[str, ...]:
    names = (f"--project-name={project.project}", f"--project-directory={project.folder}", f"--file={file}")
    return ("docker", "compose", *names, *arguments)
