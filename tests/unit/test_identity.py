"""What is put on record of an environment at first sight; PostgreSQL is a stand-in."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import Refused
from odoo_ops.model.host import Host
from tasks import identity

FOUND = {"environment": "erp", "system_identifier": "1", "database_uuid": "a"}


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the marker of an environment that was never seen will be."""
    path = tmp_path / "marker.json"
    settings = SimpleNamespace(name="erp", marker=str(path))
    runtime = SimpleNamespace(environment=settings, host=HostAdapter(Host(name="here")))
    monkeypatch.setattr(identity, "OdooEnvironment", SimpleNamespace(open=lambda *_, **__: runtime))
    monkeypatch.setattr(identity, "_read_identity", lambda _: FOUND)
    return path


def test_identity_is_put_on_record_at_first_sight_but_not_by_a_dry_run(marker: Path) -> None:
    assert identity.check_identity.fn("erp", needs_repository=False, writes=False) == FOUND
    assert not marker.exists()
    assert identity.check_identity.fn("erp", needs_repository=False) == FOUND
    assert json.loads(marker.read_text()) == FOUND


def test_dry_run_refuses_another_environment_than_was_seen(marker: Path) -> None:
    marker.write_text(json.dumps({**FOUND, "system_identifier": "2"}))
    with pytest.raises(Refused, match="system_identifier was 2 and is 1"):
        identity.check_identity.fn("erp", needs_repository=False, writes=False)
