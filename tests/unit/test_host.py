import fcntl
import os
import re
import signal
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from runpy import run_path
from unittest.mock import create_autospec

import pytest
from pydantic import SecretStr
from real_processes import wait_until

from odoo_ops.adapters.held_locks import LockLost
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import CommandFailed, OdooOpsError, PreconditionFailed, Refused
from odoo_ops.hostside import files, processors
from odoo_ops.hostside.channel import Channel
from odoo_ops.model.command import Command, placed
from odoo_ops.model.host import Host
from odoo_ops.policy.space import Need

HERE = HostAdapter(Host(name="here"))
_SLEEP = Command(argv=("sleep", "600"))
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_run_returns_output_and_gives_secrets_by_environment() -> None:
    command = Command(argv=("sh", "-c", 'printf %s "$WORD"'), secrets={"WORD": SecretStr("canary")})
    assert HERE.run(command).stdout == "canary"
    assert "canary" not in str(command)


def test_run_reports_status_and_stderr_when_a_command_fails() -> None:
    with pytest.raises(CommandFailed, match="status 3 on here") as failure:
        HERE.run(Command(argv=("sh", "-c", "echo reason >&2; exit 3")))
    assert failure.value.output.strip() == "reason"


def test_run_ends_a_command_at_its_time_limit() -> None:
    with pytest.raises(CommandFailed, match="ended by signal 15") as failure:
        HERE.run(Command(argv=("sleep", "60")), timeout_seconds=0.5)
    assert "its time limit" in str(failure.value)


def test_ports_on_which_somebody_listens_are_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        free = HERE.call("free_port")
        assert HERE.call("taken_ports", address="127.0.0.1", ports=[taken, free]) == [taken]
    with pytest.raises(PreconditionFailed, match=r"192.0.2.1 is no address of this host.*Next step: "):
        HERE.call("taken_ports", address="192.0.2.1", ports=[free])


def test_run_refuses_a_program_that_is_not_there() -> None:
    with pytest.raises(PreconditionFailed, match="cannot run no-such-program"):
        HERE.run(Command(argv=("no-such-program",)))


def test_run_keeps_the_logins_variables_from_a_command_that_must_not_see_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODOO_SMTP_SERVER", "mail.example.com")
    monkeypatch.setenv("PGHOST", "production")
    seen = HERE.run(Command(argv=("env",), environment={"PGDATABASE": "copy"}, without=("ODOO_", "PG"))).stdout
    assert "PGDATABASE=copy" in seen
    assert "PATH=" in seen
    assert "mail.example.com" not in seen
    assert "PGHOST" not in seen


def test_agent_ends_its_child_when_it_fails_itself(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"echo $$ > {pid}; echo '{{not json'; exec sleep 600"
    with pytest.raises(OdooOpsError, match="JSONDecodeError"):
        HERE.call("restic_restore", argv=["sh", "-c", script], environment={}, without=[], files={})
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_beside_gives_the_value_and_lets_the_block_go_on_meanwhile(tmp_path: Path) -> None:
    wait = Command(argv=("sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"))
    with HERE.run_beside(wait):
        HERE.call("write_text", path=f"{tmp_path}/go", text="")
    with HERE.beside("read_text", path=f"{tmp_path}/go") as value:
        assert value() == ""


def test_beside_ends_its_command_when_the_block_fails(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = Command(argv=("sh", "-c", f"echo $$ > {pid}; exec sleep 600"))

    def fail() -> None:
        with HERE.run_beside(command):
            while not (pid.is_file() and pid.read_text().strip()):
                time.sleep(0.02)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_beside_raises_when_its_command_fails_though_the_block_did_not() -> None:
    with pytest.raises(CommandFailed, match="status 3"), HERE.run_beside(Command(argv=("sh", "-c", "exit 3"))):
        pass


def _left_to_others(folder: Path, needed_bytes: int) -> Need:
    return Need("what is left to others", str(folder), needed_bytes, free_bytes=0, device=0)


def test_a_command_is_ended_where_a_disk_has_less_room_than_is_left_to_others(tmp_path: Path) -> None:
    more_than_any_disk = _left_to_others(tmp_path, 2**62)
    with pytest.raises(PreconditionFailed) as failure, HERE.run_beside(_SLEEP, reserve=more_than_any_disk):
        pass
    assert re.search(
        rf"`sleep 600` was ended on here: less than {2**62:,} bytes were free on the disk of {tmp_path}, .*Next step",
        str(failure.value),
    )


def test_a_command_that_fails_by_itself_is_not_said_to_have_filled_the_disk(tmp_path: Path) -> None:
    fails = Command(argv=("sh", "-c", "sleep 0.5; exit 3"))
    with pytest.raises(CommandFailed, match="status 3"), HERE.run_beside(fails, reserve=_left_to_others(tmp_path, 1)):
        pass


def _agent_of_a_call() -> int:
    return int(HERE.run(Command(argv=("sh", "-c", "echo $PPID"))).stdout)


def test_an_agent_does_one_call_after_the_other_while_agents_are_kept() -> None:
    with HERE.agents_kept(), HERE.agents_kept():
        first = _agent_of_a_call()
        assert _agent_of_a_call() == first
        with HERE.run_beside(Command(argv=("true",))):
            assert _agent_of_a_call() != first
    assert not Path(f"/proc/{first}").exists()
    assert _agent_of_a_call() != first


def test_the_next_call_finds_another_agent_when_one_failed_or_was_ended() -> None:
    with HERE.agents_kept():
        first = _agent_of_a_call()
        os.kill(first, signal.SIGKILL)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        second = _agent_of_a_call()
        with pytest.raises(PreconditionFailed):
            HERE.call("read_text", path="/")
        assert len({first, second, _agent_of_a_call()}) == 3


def test_an_agent_forgets_the_files_of_a_command_before_the_next() -> None:
    with HERE.agents_kept():
        shown = Command(argv=("cat", placed("key")), files={"key": SecretStr("canary")})
        assert HERE.run(shown).stdout == "canary"
        agent = _agent_of_a_call()
        assert not [link for link in Path(f"/proc/{agent}/fd").iterdir() if "memfd" in str(link.readlink())]


def test_agent_and_its_children_use_no_more_processors_than_they_may() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    limited = HostAdapter(Host(name="here"), processors=1)
    seen = Command(argv=("sh", "-c", "grep ^Cpus_allowed_list: /proc/$PPID/status /proc/self/status"))
    with limited.agents_kept():
        for _same_agent in range(2):
            lines = limited.run(seen).stdout.splitlines()
            assert [line.rpartition("\t")[2] for line in lines] == [str(allowed[0])] * 2
        # sizes are made for the machine as it is
        assert limited.call("describe_machine")["cores"] == len(allowed)
    assert HERE.run(Command(argv=("nproc",))).stdout.strip() == str(len(allowed))


def test_worker_begins_where_the_system_binds_nobody_to_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS, whose Python does not know that."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.delattr(os, "sched_setaffinity")
    there = run_path(processors.__file__)
    there["limit_processors"](1)
    with there["all_processors"]():
        assert len(there["usable_processors"]()) == os.cpu_count()


def test_odoo_that_outlives_the_agent_does_not_work_in_the_folder_of_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    monkeypatch.chdir(tmp_path)
    HERE.call("spawn", argv=["sh", "-c", "pwd; sleep 2"], environment={}, working_directory=None, log_file=str(log))
    assert log.read_text() == "/\n"


def test_odoo_that_outlives_the_agent_may_use_all_processors(tmp_path: Path) -> None:
    log = tmp_path / "log"
    HostAdapter(Host(name="here"), processors=1).call(
        "spawn",
        argv=["sh", "-c", "nproc; sleep 2"],
        environment={},
        working_directory=None,
        log_file=str(log),
    )
    assert log.read_text().strip() == str(len(os.sched_getaffinity(0)))


@pytest.mark.parametrize("status", [0, 1])
def test_a_program_that_wants_a_folder_finds_the_file_there_and_nothing_is_left(status: int) -> None:
    show = 'echo "$DOCKER_CONFIG" >&2; cd "$DOCKER_CONFIG"; ls -A; cat config.json; stat -c %a .'
    command = Command(
        argv=("sh", "-c", f"{show}; exit {status}"),
        environment={"DOCKER_CONFIG": placed("docker/config.json")},
        files={"docker/config.json": SecretStr("canary")},
    )
    if status:
        with pytest.raises(CommandFailed) as failure:
            HERE.run(command)
        folder = failure.value.output
    else:
        result = HERE.run(command)
        folder = result.stderr
        assert result.stdout.splitlines() == ["config.json", "canary700"]
    wait_until(lambda: not Path(folder.strip()).exists(), "the folder is gone")


def test_an_agent_ends_when_a_request_was_cut_off_with_its_worker() -> None:
    with HERE.agents_kept():
        HERE.call("describe_path", path="/")
        (agent,) = HERE._launcher._idle
        agent.pipes.stdin.write(b'{"operation": "wri')
        agent.pipes.stdin.flush()
    assert agent.pipes._process.returncode == 1, "it ended by itself"


def test_a_link_is_told_from_the_folder_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "broken").symlink_to("nowhere")
    names = ("folder", "link", "broken", "nothing")
    seen = {name: HERE.call("describe_path", path=f"{tmp_path}/{name}") for name in names}
    assert [seen[name]["is_link"] for name in names] == [False, True, True, False]
    assert [seen[name]["exists"] for name in names] == [True, True, False, False]


def test_files_below_a_folder_are_made_their_owners_alone(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir(mode=0o755)
    modes = {"open": 0o644, "writable": 0o666, "own": 0o600, "read-only": 0o400}
    for name, mode in modes.items():
        (inner / name).touch()
        (inner / name).chmod(mode)
    HERE.call("make_private", path=str(tmp_path))
    assert {name: (inner / name).stat().st_mode & 0o777 for name in modes} == {
        **dict.fromkeys(modes, 0o600),
        "read-only": 0o400,
    }


@pytest.mark.parametrize("mounts_are_listed", [True, False])
def test_mount_point_is_told_from_other_folders(
    mounts_are_listed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not mounts_are_listed:
        monkeypatch.setattr(files, "open", create_autospec(open, side_effect=FileNotFoundError), raising=False)
    channel = create_autospec(Channel, instance=True)
    (tmp_path / "link").symlink_to("/proc")
    (tmp_path / "broken").symlink_to("nowhere")
    assert [files.is_mount(channel, path) for path in ("/proc", f"{tmp_path}/link")] == [True, True]
    others = ("/proc/self", str(tmp_path), f"{tmp_path}/broken", f"{tmp_path}/nothing")
    assert not any(files.is_mount(channel, path) for path in others)
    assert HERE.call("is_mount", path="/proc")


def test_path_is_told_to_be_of_the_mount_that_is_nearest_above_it(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc/self")
    for path in ("/proc", "/proc/self/fd", f"{tmp_path}/link/fd"):
        assert HERE.call("mount_of", path=path) == {"mounted_at": "/proc", "kind": "proc"}
    found = HERE.call("mount_of", path=str(tmp_path))["mounted_at"]
    assert os.path.ismount(found)
    assert Path(found).stat().st_dev == tmp_path.stat().st_dev


def test_lock_is_looked_at_without_being_taken(tmp_path: Path) -> None:
    path = f"{tmp_path}/lock"
    assert HERE.call("lock_owner", path=path) is None
    with HERE.lock(path, holder="me", purpose="restore", now=NOW):
        owner = {"holder": "me", "purpose": "restore", "since": "2026-03-01T12:00:00+00:00"}
        assert HERE.call("lock_owner", path=path) == owner
        with pytest.raises(Refused, match="me holds it since 2026-03-01T12:00:00.* for: restore"):
            HERE.refuse_locked(path)
    HERE.refuse_locked(path)
    assert HERE.call("lock_owner", path=path) is None, "what its last holder wrote is still there"


def test_lock_that_was_lost_is_lost_each_time_it_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with HERE.lock(str(path), holder="me", purpose="restore", now=NOW) as held:
        os.kill(held._agent.pipes._process.pid, signal.SIGKILL)
        for _look in range(2):
            with pytest.raises(LockLost, match=r"was lost .*Next step: look at the host"):
                held.check()


def test_lock_is_had_though_somebody_looks_at_it_at_that_moment(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        threading.Timer(0.1, fcntl.flock, (looked_at, fcntl.LOCK_UN)).start()
        with HERE.lock(str(path), holder="me", purpose="backup", now=NOW) as held:
            held.check()
