import pytest
from pydantic import SecretStr

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import CommandFailed, PreconditionFailed
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
