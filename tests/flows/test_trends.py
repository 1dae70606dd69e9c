"""What changes from backup to backup: figures kept in Prefect, the picture, and the alarms."""

import base64
import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prefect import flow
from prefect.artifacts import Artifact, create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from blocks import OdooEnvironment
from flows.backup import backup
from odoo_ops.errors import VerificationFailed
from odoo_ops.model.environment import Objectives
from odoo_ops.model.report import BackupReport
from odoo_ops.policy.trends import DATABASE, GAP, ROWS, WHOLE
from tasks.trends import read_history

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_PNG = re.compile(r"\(data:image/png;base64,([A-Za-z0-9+/=]+)\)")


def _outcomes(report: BackupReport) -> dict[str, str]:
    return {check.name: check.outcome for check in report.checks if check.name in {DATABASE, ROWS, WHOLE}}


def _page(site: Site) -> str:
    page = Artifact.get(f"trends-{site.name}")
    assert page is not None
    return str(page.data)


def _grow(site: Site) -> None:
    with site.connect() as connection:
        connection.execute("CREATE TABLE mail_message (id serial PRIMARY KEY, body text)")
        connection.execute(f'ALTER TABLE mail_message OWNER TO "{site.settings.database.user}"')
        connection.execute("INSERT INTO mail_message (body) SELECT repeat('x', 200) FROM generate_series(1, 60000)")


def test_backup_is_kept_and_marked_when_the_database_and_the_backup_shrank(site: Site) -> None:
    _grow(site)
    large = site.attach(os.urandom(3_000_000))
    assert set(_outcomes(backup(site.name)).values()) == {"not measured"}
    with site.connect() as connection:
        connection.execute("TRUNCATE mail_message")
        connection.execute("DELETE FROM ir_attachment WHERE file_size = 3000000")
    large.unlink()
    with pytest.raises(VerificationFailed) as failure:
        backup(site.name)
    first, second = read_history(site.name).backups
    assert "The backup is kept and proved" in str(failure.value)
    assert f"restore snapshot {first.snapshot_id[:8]} into another environment" in str(failure.value)
    for name in (DATABASE, ROWS, WHOLE):
        assert name in str(failure.value)
    assert first.alarms == ""
    assert second.alarms == f"{DATABASE}; {ROWS}; {WHOLE}"
    assert first.gap_seconds is None
    assert second.gap_seconds == (second.taken_at - first.taken_at).total_seconds()
    newest = OdooEnvironment.open(site.name).snapshots(site.name)[0]
    assert (newest.id, newest.proved) == (second.snapshot_id, True)
    page = _page(site)
    assert f"`{second.snapshot_id[:8]}` | {second.alarms} |" in page
    assert "| Age of the newest verified backup | not measured | never drilled." in page
    image = base64.b64decode(_PNG.findall(page)[0])
    assert image.startswith(b"\x89PNG")
    assert len(page) < 500_000
    # the next night is compared with this one
    assert set(_outcomes(backup(site.name)).values()) == {"passed"}


@flow
def _keep_row(key: str, row: dict[str, Any]) -> None:
    create_table_artifact([row], key=key)


def test_backup_is_compared_with_the_manifest_of_the_last_one_when_prefect_lost_its_figures(site: Site) -> None:
    _grow(site)
    backup(site.name)
    key = f"figures-backup-{site.name}"
    with get_client(sync_client=True) as client:
        for artifact in client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key]))):
            client.delete_artifact(artifact.id)
    _keep_row(key, {"from": "another version"})
    with site.connect() as connection:  # PostgreSQL's files stay as large as they were
        connection.execute("DELETE FROM mail_message")
    with pytest.raises(VerificationFailed, match=rf"{ROWS}: 527, 60,527 before"):
        backup(site.name)
    history = read_history(site.name)
    assert [figures.alarms for figures in history.backups] == [ROWS]
    assert history.unreadable == 1
    assert "1 runs are not shown" in _page(site)


def _make_last_older(site: Site) -> None:
    last = read_history(site.name).backups[-1]
    older = last.model_copy(update={"taken_at": last.taken_at - timedelta(minutes=2)})
    _keep_row(f"figures-backup-{site.name}", older.model_dump(mode="json"))


@flow
def _other_run(environment: str) -> BackupReport:
    return backup(environment)


def test_backup_is_marked_when_the_one_before_is_older_than_the_rpo_unless_another_run_waits_for_it(site: Site) -> None:
    site.register(objectives=Objectives(rpo_minutes=1))
    backup(site.name)
    _make_last_older(site)
    with pytest.raises(VerificationFailed, match=rf"kept and proved, .* too long: {GAP}: 2 min .*Next step: look why"):
        backup(site.name)
    assert read_history(site.name).backups[-1].alarms == GAP
    _make_last_older(site)
    assert [check.outcome for check in _other_run(site.name).checks if check.name == GAP] == ["failed"]


def test_backup_passes_when_its_picture_cannot_be_drawn(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> bytes:
        raise OSError("no fonts")

    monkeypatch.setattr("odoo_ops.charts.draw_trends", fail)
    backup(site.name)
    assert len(read_history(site.name).backups) == 1
    assert Artifact.get(f"trends-{site.name}") is None
