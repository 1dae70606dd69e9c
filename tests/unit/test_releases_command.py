"""The command that lists releases, of records as a host keeps them."""

import json
from contextlib import nullcontext
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from deployments import releases_command
from deployments.cli import app
from odoo_ops.model.release import ReleaseRecord

_FIRST = ReleaseRecord(at=datetime(2026, 11, 1, tzinfo=UTC), addons={"/opt/ours": "/s/a"}, former={"/opt/ours": None})
_SECOND = ReleaseRecord(
    at=datetime(2026, 11, 2, tzinfo=UTC),
    addons={"/opt/ours": "/s/b"},
    former={"/opt/ours": "/s/a"},
    kept_database="kept",
    asked={"/opt/ours": "v2.1"},
    updated=("shop",),
    backup_id="0123456789abcdef",
    down_seconds=61.4,
    unwell="Disks have room: 2 % is free",
)


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[ReleaseRecord]:
    found = list[ReleaseRecord]()
    monkeypatch.setattr(releases_command, "prefect_api", nullcontext)
    monkeypatch.setattr(releases_command.OdooEnvironment, "open", lambda name: name)
    monkeypatch.setattr(releases_command, "read_records", lambda _: tuple(found))
    monkeypatch.setattr(releases_command, "read_databases", lambda _: ["erp", "kept"])
    return found


def test_releases_are_listed_the_newest_first_with_what_is_known_of_each(records: list[ReleaseRecord]) -> None:
    records += [_FIRST, _SECOND]
    listed = CliRunner().invoke(app, ["releases", "erp"])
    known = "ours b; asked for as v2.1; updated modules: 1; 61 s of downtime; backup 01234567"
    assert listed.stdout.splitlines() == [
        f"2026-11-02T00:00:00+00:00  in place: {known}; a check failed: Disks have room: 2 % is free",
        "2026-11-01T00:00:00+00:00  rollback: ours a",
    ]
    newest, _ = json.loads(CliRunner().invoke(app, ["releases", "erp", "--json"]).stdout)
    assert (newest["standing"], newest["record"]["backup_id"]) == ("in place", _SECOND.backup_id)


def test_release_to_which_no_rollback_leads_any_more_is_listed_with_why(
    records: list[ReleaseRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    records += [_FIRST, _SECOND]
    monkeypatch.setattr(releases_command, "read_databases", lambda _: ["erp"])
    *_, oldest = CliRunner().invoke(app, ["releases", "erp"]).stdout.splitlines()
    assert oldest == "2026-11-01T00:00:00+00:00  no rollback, as the database kept is gone: ours a"


@pytest.mark.usefixtures("records")
def test_environment_without_a_release_says_so() -> None:
    assert "Nothing was released to erp yet" in CliRunner().invoke(app, ["releases", "erp"]).stdout
    assert CliRunner().invoke(app, ["releases", "erp", "--json"]).stdout == "[]\n"
