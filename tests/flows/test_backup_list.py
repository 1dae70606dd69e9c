"""What the command line tells of an environment's backups."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from deployments.cli import app
from flows.backup import backup
from odoo_ops.errors import VerificationFailed

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["backups", *arguments])
    return result.exit_code, result.output


@pytest.mark.postgres
@pytest.mark.restic
def test_backups_are_listed_newest_first_with_what_is_known_of_each(site: Site) -> None:
    first = backup(site.name)
    next(file for file in site.filestore.rglob("*") if file.is_file()).unlink()
    with pytest.raises(VerificationFailed, match="damaged"):
        backup(site.name)
    status, text = _run(site.name, "--json")
    assert status == 0
    newest, oldest = json.loads(text)
    assert oldest["id"] == first.snapshot_id
    assert (oldest["size_bytes"], oldest["new_bytes"]) == (first.total_bytes, first.added_bytes)
    assert (newest["proved"], newest["damaged"], newest["verified"]) == (True, True, False)
    assert (oldest["proved"], oldest["damaged"], oldest["verified"]) == (True, False, False)
    assert "newest proved" in newest["kept"]
    assert "newest without damage" in oldest["kept"]
    status, table = _run(site.name)
    assert status == 0
    head, first_line, second_line = table.splitlines()
    assert head.split("  ")[0] == "time (UTC)"
    assert newest["id"][:8] in first_line
    assert "proved, damaged" in first_line
    assert oldest["id"][:8] in second_line


@pytest.mark.usefixtures("prefect_server")
def test_backups_of_an_unknown_environment_are_refused_with_the_next_step() -> None:
    status, said = _run("no-such-one")
    assert status == 2
    assert "No environment named 'no-such-one' is registered" in said
    assert "Next step: run `odoo-ops environments register`" in said


@pytest.mark.postgres
@pytest.mark.restic
def test_backups_off_site_are_refused_where_there_is_no_such_repository(site: Site) -> None:
    status, said = _run(site.name, "--offsite")
    assert status == 2
    assert f"{site.name} has no off-site repository" in said
    status, said = _run(site.name)
    assert status == 2
    assert "There is no repository in" in said
