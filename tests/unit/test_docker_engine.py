"""Who starts and ends a Docker engine; stand-ins for docker and dockerd answer as the real ones do."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from real_processes import wait_until
from required_engines import require_image

from deployments.engines import dockerd
from deployments.engines.docker import DockerEngine, docker_engine, find_docker, install_docker
from deployments.engines.dockerd import own_engine
from odoo_ops.errors import CommandFailed, PreconditionFailed

DOCKERD = """#!/bin/sh
folder=$(dirname "$2")
echo $$ >>"$folder/started"
touch "$folder/up"
trap 'rm "$folder/up"; touch "$folder/ending"; sleep 0.5; exit 0' TERM
while :; do sleep 0.05; done
"""
DOCKER = """#!/bin/sh
case "$*" in
  *version*) [ -e "{folder}/up" ] ;;
  "context inspect"*) echo unix:///run/its.sock ;;
esac
"""
USER = """
import pathlib, sys
from deployments.engines.dockerd import own_engine
with own_engine(pathlib.Path(sys.argv[1])):
    print("up", flush=True)
    sys.stdin.read()
"""


class Engine:
    """The folder of an engine whose programs are stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def is_up(self) -> bool:
        return (self.folder / "up").exists()

    def started(self) -> list[int]:
        return [int(pid) for pid in (self.folder / "started").read_text().split()]

    def see_end(self) -> None:
        pid = self.started()[-1]
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the engine did not end")
        assert not self.is_up()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of stand-ins that are found before the real programs."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setattr(dockerd, "_RUNTIME", tmp_path / "run")
    return folder


def put(program: Path, script: str) -> None:
    program.write_text(script)
    program.chmod(0o755)


@pytest.fixture
def engine(tmp_path: Path, programs: Path) -> Engine:
    folder = tmp_path / "engines/docker"
    put(programs / "dockerd", DOCKERD)
    put(programs / "docker", DOCKER.format(folder=folder))
    return Engine(folder)


def test_engine_runs_until_its_last_user_ends(engine: Engine) -> None:
    with own_engine(engine.folder) as first:
        with own_engine(engine.folder) as second:
            assert first == second
        assert engine.is_up()
    engine.see_end()
    assert len(engine.started()) == 1


def test_engine_ends_when_its_user_is_killed(engine: Engine) -> None:
    argv = [sys.executable, "-c", USER, engine.folder]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout
        assert user.stdout.readline() == "up\n"
        assert engine.is_up()
        user.kill()
    engine.see_end()


def test_engine_ends_when_its_guard_is_killed(engine: Engine) -> None:
    with own_engine(engine.folder):
        status = Path(f"/proc/{engine.started()[0]}/status").read_text()
        guard = int(status.split("PPid:")[1].split()[0])
        os.kill(guard, signal.SIGKILL)
        engine.see_end()


def test_next_user_starts_it_anew_when_it_is_just_ending(engine: Engine) -> None:
    with own_engine(engine.folder):
        pass
    wait_until((engine.folder / "ending").exists, "the engine did not end")
    with own_engine(engine.folder):
        assert engine.is_up()
        first, second = engine.started()
        assert not Path(f"/proc/{first}").exists()
        assert Path(f"/proc/{second}").exists()


def test_what_the_engine_said_is_told_when_it_does_not_start(engine: Engine, programs: Path) -> None:
    put(programs / "dockerd", "#!/bin/sh\necho no iptables here >&2; exit 1\n")
    said = r"(?s)status 1.*no iptables here.*Next step: read"
    with pytest.raises(CommandFailed, match=said), own_engine(engine.folder):
        pass


def test_engine_that_answers_is_used(engine: Engine) -> None:
    engine.folder.mkdir(parents=True)
    (engine.folder / "up").touch()
    with docker_engine(engine.folder.parent) as used:
        assert used.variables == {"DOCKER_HOST": "unix:///run/its.sock"}
    assert not (engine.folder / "started").exists()


def test_install_says_what_to_do_when_there_is_no_docker(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs))
    assert find_docker(programs) is None
    with pytest.raises(PreconditionFailed, match=r"Next step: run `apt-get install docker\.io`"):
        install_docker(programs)


@pytest.mark.parametrize(("user", "usable"), [(0, True), (1000, False)])
def test_only_root_starts_an_engine(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, user: int, *, usable: bool
) -> None:
    engines = engine.folder.parent
    (engines / "docker-settings").mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert (find_docker(engines) is not None) == usable
    shutil.rmtree(engines / "docker-settings")
    assert find_docker(engines) is None  # Compose is missing


@pytest.mark.parametrize("required", [False, True])
def test_image_that_cannot_be_made_is_a_skip_unless_all_engines_are_wanted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, required: bool
) -> None:
    """As on a system that has Docker, and nothing of Debian's to make images of."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\n")  # it has no image
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ODOO_OPS_ENGINES", str(tmp_path))
    monkeypatch.setenv("ODOO_OPS_REQUIRE_ENGINES", "1" if required else "")
    ends = pytest.fail.Exception if required else pytest.skip.Exception
    with pytest.raises(ends, match=r"The image nginx of the tests cannot be made: .*mmdebstrap.*pull a Debian 13"):
        require_image(DockerEngine("unix:///nowhere", {}), "nginx")
