import json
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from described_containers import container

from odoo_ops.adapters.agent import Pipes
from odoo_ops.adapters.containers import ContainerTransport
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.adapters.local import LocalTransport
from odoo_ops.commands import compose
from odoo_ops.errors import PreconditionFailed, TransientError
from odoo_ops.model.command import Command
from odoo_ops.model.environment import DatabaseSettings, Environment, OdooSettings
from odoo_ops.model.host import Host
from odoo_ops.model.runtimes import ComposeProject, OnHost, ServiceContainer
from odoo_ops.policy.containers import why_docker_refused

SHOP = ComposeProject(project="shop", folder="/srv/shop", odoo_services=("odoo", "cron"))
BASE = ["docker", "compose", "--project-name=shop", "--project-directory=/srv/shop", "--profile=*"]


def test_commands_name_the_project_and_all_its_services() -> None:
    assert list(compose.list_odoo(SHOP).argv) == [*BASE, "ps", "--all", "--format=json", "odoo", "cron"]
    assert list(compose.stop_odoo(SHOP, 60).argv) == [*BASE, "stop", "--timeout=60", "odoo", "cron"]
    assert list(compose.start_odoo(SHOP).argv) == [*BASE, "start", "odoo", "cron"]
    assert compose.run_inside("box", ("true",)) == ("docker", "exec", "--interactive", "box", "true")
    run = compose.run_kept(SHOP, "toolbox", "box")
    options = ["--rm", "--no-TTY", "--no-deps", "--name=box", "--entrypoint=python3"]
    assert list(run[:-1]) == [*BASE, "run", *options, "toolbox", "-c"]


def test_commands_look_at_what_lasts_and_is_meant_to_run() -> None:
    assert list(compose.list_started(SHOP).argv) == [*BASE[:-1], "config", "--services"]
    label = "--filter=label=com.docker.compose"
    listed = ["docker", "ps", "--all", "--quiet", "--no-trunc", f"{label}.project=shop", f"{label}.oneoff=False"]
    assert list(compose.list_lasting(SHOP).argv) == listed
    one_off = ["docker", "ps", "--quiet", "--no-trunc", f"{label}.project=shop", f"{label}.oneoff=True"]
    assert list(compose.list_one_off(SHOP, "toolbox").argv) == [*one_off, f"{label}.service=toolbox"]
    assert compose.inspect_containers(["a", "b"]).argv[-2:] == ("a", "b")


def test_room_in_a_service_is_read_as_numbers() -> None:
    words = list(compose.look_at_disk(SHOP, "db", "/var/lib/postgresql/data").argv)
    assert words[:8] == [*BASE, "exec", "--no-TTY", "db"]
    assert words[-1] == "/var/lib/postgresql/data"
    here = compose.look_at_disk(SHOP, "db", "/").argv[8:]
    said = subprocess.run(here, check=True, capture_output=True, text=True).stdout
    device, disk = compose.parse_disk("/", said)
    assert device == Path("/").stat().st_dev
    assert 0 < disk.free_bytes < disk.total_bytes <= shutil.disk_usage("/").total


CONTAINERS = [
    {"Service": "odoo", "State": "running", "ExitCode": 0, "Name": "shop-odoo-1"},
    {"Service": "cron", "State": "exited", "ExitCode": 143, "Name": "shop-cron-1"},
]


@pytest.mark.parametrize("output", [json.dumps(CONTAINERS), "\n".join(map(json.dumps, CONTAINERS)) + "\n"])
def test_parse_containers_reads_what_old_and_new_compose_print(output: str) -> None:
    assert [(found.service, found.runs) for found in compose.parse_containers(output)] == [
        ("odoo", True),
        ("cron", False),
    ]


def test_parse_containers_finds_none_where_none_was_made() -> None:
    assert compose.parse_containers("\n") == []
    assert compose.parse_containers("[]\n") == []


@pytest.mark.parametrize(
    ("state", "exit_code", "meant"),
    [
        ("running", 0, True),
        ("restarting", 1, True),
        ("exited", 1, True),
        ("exited", 0, False),
        ("exited", 137, False),
        ("exited", 143, False),
        ("created", 0, False),
    ],
)
def test_container_that_was_stopped_is_not_meant_to_run(state: str, exit_code: int, meant: bool) -> None:
    assert ServiceContainer(service="odoo", state=state, exit_code=exit_code).is_meant_to_run is meant


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "Docker does not run. Next step: start it there.",
        ),
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            "may not use Docker. Next step: set `become: root`",
        ),
        ("sh: 1: docker: not found", "there is no Docker. Next step: install it there."),
        ("docker: 'compose' is not a docker command.", "Compose plugin is missing or too old"),
        ("unknown flag: --project-name", "Compose plugin is missing or too old"),
        ("no such service: toolbox", "the project has no service 'toolbox'. Next step: correct"),
        ("no configuration file provided: not found", "/srv/shop holds no compose file"),
        (
            'OCI runtime create failed: exec: "python3": executable file not found in $PATH',
            "the service's image has no Python",
        ),
        (
            "failed to create network shop_inside: could not find an available, non-overlapping IPv4 address pool",
            "Docker has no addresses left for another network. Next step: remove networks that nothing uses",
        ),
        ("AssertionError: Python 3.10 or later is needed", "the service's Python is too old"),
        ("Error response from daemon: pull access denied", "Docker said:\nError response from daemon: pull access"),
        ("", "Docker said:\nnothing"),
    ],
)
def test_message_says_what_docker_meant_and_the_next_step(said: str, meaning: str) -> None:
    text = why_docker_refused(said, SHOP, host="erp", tried="A container of toolbox")
    assert text.startswith("A container of toolbox of the compose project shop on erp failed")
    assert meaning in text
    assert "Next step: " in text


def test_runtime_may_still_be_written_as_a_kind_alone() -> None:
    values = {
        "name": "erp",
        "stage": "testing",
        "odoo": OdooSettings(version="19.0", command=("odoo",)),
        "database": DatabaseSettings(name="erp", user="odoo", server="db"),
        "data_dir": "/var/lib/odoo",
        "state_dir": "/var/lib/odoo-ops",
    }
    assert Environment.model_validate({**values, "runtime": "native"}).runtime == OnHost()
    assert Environment.model_validate(values).copy_dir == "/var/lib/odoo/odoo-ops-copy-erp"
    assert Environment.model_validate({**values, "runtime": SHOP}).copy_dir == "/tmp/odoo-ops-copy"  # noqa: S108 - in a container


class NoDocker:
    """Runs what Docker would run in a container as a process beside us, and counts the containers that there were.

    So what the transport does is tried without an engine; with one it is tried in tests/docker.
    """

    def __init__(self) -> None:
        self.containers: list[Pipes] = []
        self._here = LocalTransport()

    def start(self, argv: tuple[str, ...]) -> Pipes:
        if argv[1] == "compose":
            # the first process of a container waits for all others there, which here are those of the whole machine
            keeper = argv[-1].replace('os.listdir("/proc")', "[]")
            self.containers.append(self._here.start((sys.executable, "-c", keeper)))
            return self.containers[-1]
        return self._here.start((sys.executable, *argv[argv.index("python3") + 1 :]))

    @property
    def running(self) -> int:
        return sum(not container.ended() for container in self.containers)


@pytest.fixture
def engine() -> NoDocker:
    return NoDocker()


@pytest.fixture
def toolbox(engine: NoDocker) -> HostAdapter:
    return HostAdapter(Host(name="erp"), ContainerTransport(engine, SHOP, "toolbox", host="erp"))


def test_container_ends_with_the_last_agent_in_it(toolbox: HostAdapter, engine: NoDocker, tmp_path: Path) -> None:
    toolbox.call("make_directory", path=f"{tmp_path}/one")
    assert (len(engine.containers), engine.running) == (1, 0)
    assert toolbox.name == "erp (toolbox of shop)"
    with toolbox.beside("run", **_sleep(tmp_path)) as done:
        toolbox.call("write_text", path=f"{tmp_path}/go", text="")
        assert engine.running == 1
        done()
    assert (len(engine.containers), engine.running) == (2, 0)


def _sleep(folder: Path) -> dict[str, object]:
    return {
        "argv": ["sh", "-c", f"until [ -e {folder}/go ]; do sleep 0.02; done"],
        "environment": {},
        "stdin": None,
        "working_directory": None,
        "without": [],
        "files": {},
        "capture": True,
        "stdout_file": None,
        "timeout_seconds": None,
    }


def test_container_is_kept_for_a_block(toolbox: HostAdapter, engine: NoDocker) -> None:
    with toolbox.agents_kept():
        for _ in range(2):
            assert toolbox.run(Command(argv=("echo", "here"))).stdout == "here\n"
    assert (len(engine.containers), engine.running) == (1, 0)


def test_container_ends_when_what_runs_in_it_fails(toolbox: HostAdapter, engine: NoDocker) -> None:
    with pytest.raises(PreconditionFailed, match="cannot run no-such-program"):
        toolbox.run(Command(argv=("no-such-program",)))
    assert engine.running == 0


class Refusing:
    """A machine on which no container starts."""

    def start(self, argv: tuple[str, ...]) -> Pipes:
        if argv[1] == "compose":
            return LocalTransport().start(("sh", "-c", "echo 'no such service: toolbox' >&2; exit 1"))
        raise AssertionError(argv)


def test_container_that_cannot_be_started_is_explained() -> None:
    toolbox = HostAdapter(Host(name="erp"), ContainerTransport(Refusing(), SHOP, "toolbox", host="erp"))
    for _again in range(2):
        with pytest.raises(PreconditionFailed, match="project has no service 'toolbox'.*Next step: correct `runtime`"):
            toolbox.call("free_port")


def test_agent_is_lost_and_a_new_container_started_when_one_is_gone(toolbox: HostAdapter, engine: NoDocker) -> None:
    with toolbox.agents_kept():
        engine.containers[0].close()
        engine.start = lambda _argv: LocalTransport().start(("sh", "-c", "echo 'No such container' >&2; exit 1"))  # type: ignore[method-assign]
        with pytest.raises(TransientError, match="No such container"):
            toolbox.call("free_port")
        del engine.start
    assert toolbox.call("free_port")
    assert len(engine.containers) == 2


def test_first_process_of_a_container_ends_what_is_left_in_it_by_ending() -> None:
    """Its code, run by the Python that runs the tests: it repeats lines, and ends with its stdin."""
    keeper = compose.run_kept(SHOP, "toolbox", "box")[-1].replace('os.listdir("/proc")', "[]")
    done = subprocess.run([sys.executable, "-c", keeper], input=b"one\ntwo\n", capture_output=True, check=True)
    assert BytesIO(done.stdout).readlines() == [b"one\n", b"two\n"]


def test_ports_of_a_container_are_those_of_its_host() -> None:
    bindings = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "81/tcp": None}
    line = container(ports=(1,)).model_dump_json().replace('"ports":[1]', f'"ports":{json.dumps(bindings)}')
    (found,) = compose.parse_inspected(line + "\n")
    assert found == container(ports=(8080,))


def test_volumes_of_a_container_without_a_name_are_those_that_docker_named() -> None:
    mounts = [
        {"Type": "volume", "Name": "ab" * 32, "Destination": "/mnt/extra-addons"},
        {"Type": "volume", "Name": "shop_data", "Destination": "/var/lib/odoo"},
        {"Type": "bind", "Source": "/srv/shop/config/odoo", "Destination": "/etc/odoo"},
    ]
    line = container().model_dump_json().replace('"nameless_volumes":[]', f'"nameless_volumes":{json.dumps(mounts)}')
    (found,) = compose.parse_inspected(line + "\n")
    assert found == container(nameless_volumes=["ab" * 32])
