"""What an operator sees in the Prefect UI while a flow runs and afterwards."""

import re
from typing import TYPE_CHECKING, Any

import pytest
from prefect import Flow
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterType
from prefect.utilities.callables import parameter_schema

from flows.backup import backup
from flows.check_repository import check_repository
from flows.drill import drill
from flows.forget import forget
from flows.health import health
from flows.prune import prune
from flows.restart import restart
from flows.restore import restore
from flows.rotate_repository_key import rotate_repository_key
from odoo_ops.model.environment import BackupPolicy

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


@pytest.mark.parametrize(
    ("jobs", "finished"),
    [
        (2, [r"Dumping 6 tables: 100 % \((\S+ kB) of \1,", r"Restoring the database: 100 % \((\S+ kB) of \1,"]),
        # nothing tells the end of a single job's last table
        pytest.param(
            1,
            [r"Dumping 6 tables: [1-9]\d? % \(", r"Restoring the database: 100 % \((\d+) rows of \1 rows,"],
            marks=pytest.mark.long,
        ),
    ],
)
def test_long_steps_show_a_bar_and_a_rate(
    site: Site, jobs: int, finished: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site.register(backup=BackupPolicy(jobs=jobs))
    monkeypatch.setattr("tasks.progress._EVERY_SECONDS", 0)
    backup(site.name)
    restore(site.name)
    with get_client(sync_client=True) as client:
        bars = client.read_artifacts(artifact_filter=ArtifactFilter(type=ArtifactFilterType(any_=["progress"])))
    shown = {str(bar.description) for bar in bars}
    assert {"Dumping 6 tables", "Restoring the database", "Checking every sha1"} <= shown
    assert all(re.search(line, caplog.text) for line in finished)
    assert "Restoring the database: all rows are there" in caplog.text
    assert "Checking every sha1: 100 % (20 files of 20 files," in caplog.text


def test_reports_are_a_page_for_a_manager_and_a_table_of_checks(site: Site) -> None:
    backup(site.name)
    restore(site.name)
    page, table = Artifact.get(f"restore-{site.name}"), Artifact.get(f"restore-{site.name}-checks")
    assert page is not None
    assert table is not None
    assert f"# {site.name} was restored" in str(page.data)
    assert "| sha1 of every file | passed | 20 files |" in str(page.data)
    assert "| Odoo answers on /web/login | not measured | no Odoo ran before, so none was started |" in str(page.data)
    backed_up = Artifact.get(f"backup-{site.name}")
    assert backed_up is not None
    assert "| Restored as a trial | not measured | the flow `drill` does that |" in str(backed_up.data)


@pytest.mark.parametrize(
    "flow",
    [backup, restore, drill, forget, prune, check_repository, rotate_repository_key, health, restart],
    ids=lambda flow: str(flow.name),
)
def test_every_field_of_a_form_says_what_it_is_for(flow: "Flow[Any, Any]") -> None:
    fields = parameter_schema(flow).properties
    assert fields
    assert [name for name, field in fields.items() if not field.get("description")] == []
