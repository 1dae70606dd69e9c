from pathlib import Path

import pytest

from blocks import OdooEnvironment
from deployments.registration import register
from odoo_ops.errors import InvalidConfiguration

GOOD = """
hosts:
  erp:
    connection: {kind: local}
repositories:
  erp:
    path: /var/backups/odoo
    password: {from_env: CANARY_REPOSITORY}
environments:
  trial:
    host: erp
    repository: erp
    stage: testing
    odoo: {version: "19.0", command: [/usr/bin/odoo]}
    database: {name: trial, user: odoo}
    data_dir: /var/lib/odoo
    state_dir: /var/lib/odoo-ops/trial
"""


@pytest.mark.usefixtures("prefect_server")
def test_register_saves_blocks_and_changes_nothing_when_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_REPOSITORY", "canary-repository")
    (tmp_path / "trial.yaml").write_text(GOOD)
    assert {change.outcome for change in register(tmp_path).changes} == {"created"}
    assert {change.outcome for change in register(tmp_path).changes} == {"unchanged"}
    runtime = OdooEnvironment.open("trial")
    assert runtime.environment.database.name == "trial"
    assert runtime.repository.password.get_secret_value() == "canary-repository"


def test_register_lists_all_mistakes_with_their_lines_and_saves_nothing(tmp_path: Path) -> None:
    text = GOOD.replace("{from_env: CANARY_REPOSITORY}", "canary-literal").replace("stage: testing", "stag: testing")
    (tmp_path / "trial.yaml").write_text(text.replace("data_dir: /var/lib/odoo\n", "data_dir: var/lib\n"))
    with pytest.raises(InvalidConfiguration) as failure:
        register(tmp_path)
    shown = str(failure.value)
    for line in (
        "trial.yaml:8: repositories.erp.password",
        "trial.yaml:13: environments.trial.stag",
        "trial.yaml:16: environments.trial.data_dir",
    ):
        assert line in shown
    assert "canary-literal" not in shown
