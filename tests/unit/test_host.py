import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import CommandFailed, OdooOpsError, PreconditionFailed
from odoo_ops.model.command import Command
from odoo_ops.model.host import Host

HERE = HostAdapter(Host(name="here"))


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
