"""A backup warns until somebody said that its key is kept elsewhere."""

from typing import TYPE_CHECKING, Any

import pytest
from prefect import flow
from prefect.variables import Variable
from pydantic import SecretStr
from typer.testing import CliRunner

from blocks import BackupRepository, OdooEnvironment
from deployments.cli import app
from flows.backup import backup
from odoo_ops.model.checks import Check
from odoo_ops.model.report import BackupReport
from odoo_ops.policy.recovery_keys import KEPT, OFFSITE_KEPT, check_characters, kept_variable
from tasks.kept_keys import read_key_checks

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


@flow
def _read_key_checks(environment: str) -> list[Check]:
    return read_key_checks(environment)


def _check(report: BackupReport) -> Check:
    return next(check for check in report.checks if check.name == KEPT)


def _confirm(repository: str, typed: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["keys", "confirm", repository], input=f"{typed}\n")
    return result.exit_code, result.output


def test_backup_warns_until_its_key_is_confirmed_and_again_when_the_password_is_a_new_one(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    block = f"{site.name}-repository"
    settings = BackupRepository.load(block).settings
    # registered under its own name, as `odoo-ops environments register` does
    settings = settings.model_copy(update={"name": block})
    BackupRepository(settings=settings).save(block, overwrite=True)
    site.register()
    assert _check(backup(site.name)).outcome == "not measured"
    assert f"{KEPT}: not confirmed" in caplog.text
    assert f"`odoo-ops keys confirm {block}`" in caplog.text
    status, output = _confirm(block, "AAAA-AAAA")
    assert status == 2
    assert "These are not the check characters" in output
    password = settings.password.get_secret_value()
    status, output = _confirm(block, check_characters(block, password).lower())
    assert status == 0, output
    assert "On record" in output
    assert check_characters(block, password) not in str(Variable.get(kept_variable(block)))
    assert _check(backup(site.name)).outcome == "passed"
    changed = settings.model_copy(update={"password": SecretStr("another password")})
    BackupRepository(settings=changed).save(block, overwrite=True)
    site.register()
    assert [(check.name, check.outcome) for check in _read_key_checks(site.name)] == [(KEPT, "not measured")]


def test_keys_of_the_copies_are_asked_for_as_well(site: Site) -> None:
    environment = OdooEnvironment.load(site.name)
    environment.offsite = environment.repository
    environment.save(site.name, overwrite=True)
    assert [check.name for check in _read_key_checks(site.name)] == [KEPT, OFFSITE_KEPT]


@pytest.mark.usefixtures("prefect_server")
def test_confirm_says_so_when_no_such_repository_is_registered() -> None:
    status, output = _confirm("nowhere", "AAAA-AAAA")
    assert status == 2
    assert "No repository named 'nowhere' is registered" in output
