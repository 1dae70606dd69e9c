"""Both locks on a host: whoever takes the one looks at the other, as a run that lost Prefect's limit goes on."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import Refused
from odoo_ops.model.host import Host
from odoo_ops.model.runtimes import ComposeProject
from tasks import locks

HERE = HostAdapter(Host(name="here"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provisioned project; its container is this machine, and so is its host."""
    found = ComposeProject(project="shop", folder=str(tmp_path / "project"))
    runtime = SimpleNamespace(environment=SimpleNamespace(state_dir=str(tmp_path / "state")), machine=HERE, host=HERE)
    monkeypatch.setattr(locks, "OdooEnvironment", SimpleNamespace(open=lambda _: runtime))
    monkeypatch.setattr(locks, "_limit", lambda _: nullcontext())
    monkeypatch.setattr(locks, "described_project", lambda _: found)
    monkeypatch.setattr(locks, "provisioned_project", lambda _: found)
    monkeypatch.setattr(locks, "runs_toolbox", lambda *_: True)
    return found


@pytest.mark.usefixtures("project")
def test_project_is_not_touched_while_a_run_works_on_its_data() -> None:
    with (
        locks.environment_locked("shop", "release"),
        pytest.raises(Refused, match="state/lock on here: .* for: release.*No data was changed"),
        locks.project_locked("shop", "renew certificates"),
    ):
        pass
    with locks.project_locked("shop", "provision") as lock, locks.data_locked("shop", "provision"):
        lock.check()


@pytest.mark.usefixtures("project")
def test_data_is_not_touched_while_a_run_works_on_its_project() -> None:
    with (
        locks.project_locked("shop", "renew certificates"),
        pytest.raises(Refused, match="project/.odoo-ops.lock on here: .* for: renew certificates"),
        locks.environment_locked("shop", "release"),
    ):
        pass
    with locks.environment_locked("shop", "release") as lock:
        lock.check()


@pytest.mark.usefixtures("project")
def test_no_container_is_started_for_a_lock_that_nobody_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "runs_toolbox", lambda *_: False)
    with locks.data_locked("shop", "what is not looked at"), locks.project_locked("shop", "provision") as lock:
        lock.check()


@pytest.mark.usefixtures("project")
def test_environment_without_a_provisioned_project_has_one_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "provisioned_project", lambda _: None)
    with locks.project_locked("shop", "provision"), locks.environment_locked("shop", "release") as lock:
        lock.check()
