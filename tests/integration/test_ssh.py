"""A real SSH server on this machine, and everything a host adapter does through it."""

import contextlib
import json
import secrets
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from real_processes import wait_until
from real_sshd import RealSshd, free_port, make_key, public_part

from odoo_ops.adapters.agent import Agent
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.adapters.ssh import SshTransport
from odoo_ops.errors import CommandFailed, PreconditionFailed, Refused, TransientError
from odoo_ops.model.command import Command
from odoo_ops.model.host import Host
from odoo_ops.model.sockets import TcpAddress, UnixAddress

pytestmark = pytest.mark.sshd


def runs(argument: str) -> bool:
    """Whether a `sleep` with this argument runs on this machine."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.joinpath("cmdline").read_bytes().split(b"\0")[:2] == [b"sleep", argument.encode()]:
                return True
    return False


def unique_sleep() -> str:
    return f"300.{secrets.randbelow(10**9):09d}1"


@pytest.fixture(scope="module")
def server(sshd_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSshd]:
    with RealSshd.run(sshd_program, tmp_path_factory.mktemp("sshd")) as sshd:
        yield sshd


@pytest.fixture
def far(server: RealSshd) -> HostAdapter:
    return server.adapter()


@pytest.fixture
def echo() -> Iterator[TcpAddress]:
    class Echo(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while data := self.request.recv(65536):
                self.request.sendall(data)

    class EchoServer(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with EchoServer(("127.0.0.1", 0), Echo) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield TcpAddress(host="127.0.0.1", port=listener.server_address[1])
        listener.shutdown()


def test_runs_a_command(far: HostAdapter) -> None:
    awkward = 'it\'s "quoted" $HOME `id` \\ ü\nsecond line'
    assert far.run(Command(argv=("printf", "%s", awkward))).stdout == awkward


def test_carries_much_output_and_input(far: HostAdapter) -> None:
    text = "0123456789abcdef" * 300_000
    assert far.run(Command(argv=("cat",), stdin=SecretStr(text))).stdout == text


def test_a_secret_arrives_and_is_in_no_argv(far: HostAdapter) -> None:
    canary = "canary-" + secrets.token_hex(8)
    command = Command(
        argv=("sh", "-c", 'printf "%s\\n" "$PASSWORD"; ps -eww -o args; cat /proc/[0-9]*/cmdline | tr "\\0" " "; true'),
        secrets={"PASSWORD": SecretStr(canary)},
    )
    first, *others = far.run(command).stdout.splitlines()
    assert first == canary
    assert canary not in "\n".join(others)


def test_exit_status_and_stderr_are_reported(far: HostAdapter) -> None:
    with pytest.raises(CommandFailed, match="no such thing") as caught:
        far.run(Command(argv=("sh", "-c", "echo no such thing >&2; exit 7")))
    assert caught.value.exit_status == 7
    assert caught.value.where == "far"


def test_what_python_says_at_its_end_is_reported(server: RealSshd) -> None:
    host = Host(name="far", connection=server.connection(), python="/nowhere/python3")
    with pytest.raises(TransientError, match="/nowhere/python3"):
        HostAdapter(host).run(Command(argv=("true",)))


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_kinds_of_keys_are_accepted(server: RealSshd, kind: str) -> None:
    far = server.adapter(private_key=(server.folder / kind).read_text().replace("\n", "\r\n"))
    assert far.run(Command(argv=("echo", "hello"))).stdout == "hello\n"


def test_a_hashed_known_host_is_accepted(server: RealSshd, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(server.known_hosts)
    hash_names = ["ssh-keygen", "-q", "-H", "-f", str(file)]
    subprocess.run(hash_names, check=True, capture_output=True)
    assert "127.0.0.1" not in file.read_text()
    far = server.adapter(known_hosts="# as ssh-keyscan -H prints it\n\n" + file.read_text())
    assert far.run(Command(argv=("echo", "hello"))).stdout == "hello\n"


def test_an_unknown_host_key_is_refused(server: RealSshd) -> None:
    other = server.known_hosts.replace("127.0.0.1", "127.0.0.9")
    with pytest.raises(Refused, match="not known: it offers ssh-ed25519 SHA256:.*Next step.*ssh-keyscan"):
        server.adapter(known_hosts=other).run(Command(argv=("true",)))


def test_the_workers_own_known_hosts_do_not_count(
    server: RealSshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_text(server.known_hosts)
    (tmp_path / ".ssh/config").write_text("Host *\n  Port 1\n  HostName 127.0.0.2\n  ProxyCommand false\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert server.adapter().run(Command(argv=("echo", "hello"))).stdout == "hello\n"
    with pytest.raises(Refused):
        server.adapter(known_hosts="elsewhere " + server.known_hosts.split(" ", 1)[1]).run(Command(argv=("true",)))


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_changed_host_key_is_refused(server: RealSshd, tmp_path: Path, kind: str) -> None:
    changed = f"[127.0.0.1]:{server.port} {public_part(make_key(tmp_path / 'other', kind))}"
    with pytest.raises(Refused, match=rf"has changed: it offers ssh-ed25519 SHA256:.* expects ssh-{kind} SHA256:"):
        server.adapter(known_hosts=changed).run(Command(argv=("true",)))


@pytest.mark.parametrize(
    "line", ["@revoked * ssh-ed25519 AAAA", "host ssh-ed25519 AAAA", "|1|x|y ssh-ed25519 {key}", "host ssh-rsa A"]
)
def test_known_hosts_that_cannot_be_read(server: RealSshd, line: str) -> None:
    key = server.known_hosts.split()[2]
    with pytest.raises(PreconditionFailed, match="Line 1 of known_hosts"):
        server.adapter(known_hosts=line.format(key=key)).run(Command(argv=("true",)))


def test_a_wrong_key_is_not_accepted(server: RealSshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other").read_text()
    with pytest.raises(PreconditionFailed, match="did not accept the private key.*authorized_keys"):
        server.adapter(private_key=other).run(Command(argv=("true",)))


def test_a_private_key_that_cannot_be_read_is_not_echoed(server: RealSshd, tmp_path: Path) -> None:
    whole = server.private_key.splitlines()
    protected = make_key(tmp_path / "protected", passphrase="canary").read_text()
    for text in ("canary", "\n".join(whole[:2] + whole[3:]), protected, server.private_key.replace("b3B", "XXX")):
        with pytest.raises(PreconditionFailed, match="cannot be read") as caught:
            server.adapter(private_key=text).run(Command(argv=("true",)))
        assert caught.value.__cause__ is None
        assert not any(line in str(caught.value) for line in text.splitlines())


def test_a_closed_port_is_worth_another_try(server: RealSshd) -> None:
    with pytest.raises(TransientError, match="did not answer"):
        server.adapter(port=free_port()).run(Command(argv=("true",)))


def test_a_server_that_says_nothing_is_worth_another_try(server: RealSshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        far = server.adapter(port=silent.getsockname()[1], connect_timeout_seconds=1)
        with pytest.raises(TransientError, match="did not answer"):
            far.run(Command(argv=("true",)))


def test_a_tunnel_leads_to_a_server_on_the_host(far: HostAdapter, echo: TcpAddress) -> None:
    sent = secrets.token_bytes(1_000_000)
    with far.tunnel(echo) as address:
        assert isinstance(address, UnixAddress)
        with contextlib.ExitStack() as stack:  # more at once than MaxSessions allows on one connection
            clients = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(5)]
            for client in clients:
                client.settimeout(30)
                client.connect(address.path)
                threading.Thread(target=client.sendall, args=(sent,), daemon=True).start()
            for client in clients:
                received = b""
                while len(received) < len(sent):
                    received += client.recv(65536)
                assert received == sent


def test_one_connection_serves_many_programs_and_is_reopened(server: RealSshd) -> None:
    transport = SshTransport(server.connection())
    for _ in range(3):
        pipes = transport.start(("echo", "hello"))
        assert pipes.stdout.readline() == b"hello\n"
        pipes.close()
        assert pipes.ended()
    (connection,) = transport._open
    lost = transport.start(("cat",))
    connection.client.get_transport().sock.shutdown(socket.SHUT_RDWR)
    assert lost.stdout.readline() == b""
    lost.close()
    pipes = transport.start(("cat",))
    pipes.stdin.write(b"once more\n")
    pipes.stdin.flush()
    assert pipes.stdout.readline() == b"once more\n"
    pipes.close()
    assert pipes.ended()
    (reopened,) = transport._open
    assert reopened is not connection


def test_the_connection_closes_with_its_transport(server: RealSshd) -> None:
    transport = SshTransport(server.connection())
    pipes = transport.start(("cat",))
    (connection,) = transport._open
    ssh = connection.client.get_transport()
    del transport
    assert ssh.is_active()
    pipes.close()
    del pipes
    wait_until(lambda: not ssh.is_active(), "the connection is still open")


def _close(agent: Agent, _server: RealSshd) -> None:
    agent.pipes.close()


def _cut(agent: Agent, server: RealSshd) -> None:
    server.cut_connections()
    wait_until(agent.pipes.ended, "the agent's channel is closed")


def _write_by(agent: Agent, secret: SecretStr) -> None:
    agent.request("write_text", {"path": "/nowhere", "text": secret})
    agent.wait_for("result")


@pytest.mark.parametrize("lose", [_cut, _close])
def test_no_secret_goes_with_the_error_of_a_lost_connection(
    far: HostAdapter, server: RealSshd, lose: Callable[[Agent, RealSshd], None]
) -> None:
    secret = SecretStr(secrets.token_hex(16))
    with far.agents_kept():
        far.call("describe_path", path="/")
        (agent,) = far._launcher._idle
        lose(agent, server)
        with pytest.raises(TransientError, match="was lost during `write_text`") as lost:
            _write_by(agent, secret)
    shown = "".join(traceback.TracebackException.from_exception(lost.value, capture_locals=True).format())
    assert "write_text" in shown
    assert secret.get_secret_value() not in shown


def test_a_lock_is_held_until_it_is_left(far: HostAdapter, server: RealSshd, tmp_path: Path) -> None:
    path, now = str(tmp_path / "lock"), datetime.now(UTC)
    with far.lock(path, holder="one", purpose="a test", now=now) as held:
        held.check()
        with pytest.raises(Refused, match="one holds it"), server.adapter().lock(path, holder="2", purpose="", now=now):
            pass
        held.check()
    with server.adapter().lock(path, holder="three", purpose="a test", now=now) as held:
        held.check()


def test_a_server_ends_when_it_is_left(far: HostAdapter, tmp_path: Path) -> None:
    argument = unique_sleep()
    with far.serve(Command(argv=("sleep", argument)), log_file=str(tmp_path / "log")):
        wait_until(lambda: runs(argument), "it did not start")
    assert not runs(argument)


def test_a_command_ends_when_its_caller_gives_up(far: HostAdapter) -> None:
    argument = unique_sleep()

    def give_up(_stream: str, _text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        far.run(Command(argv=("sh", "-c", f"echo begun; sleep {argument}; true")), on_line=give_up)
    assert not runs(argument)


def test_a_command_ends_when_its_worker_is_killed(server: RealSshd) -> None:
    argument = unique_sleep()
    program = (
        "import sys; from odoo_ops.adapters.host import HostAdapter; from odoo_ops.model.host import Host;"
        "from odoo_ops.model.command import Command;"
        "host = Host.model_validate_json(sys.stdin.read());"
        f"HostAdapter(host).run(Command(argv=('sleep', {argument!r})))"
    )
    connection = server.connection().model_dump() | {"private_key": server.private_key}
    text = json.dumps({"name": "far", "connection": connection, "python": sys.executable})
    worker = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, text=True)
    try:
        assert worker.stdin is not None
        worker.stdin.write(text)
        worker.stdin.close()
        wait_until(lambda: runs(argument), "it did not start")
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    wait_until(lambda: not runs(argument), "it still runs", seconds=10)
