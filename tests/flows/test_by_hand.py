"""`docs/by-hand.md`, run as it stands: restic and PostgreSQL's programs bring everything back alone."""

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.backup import backup

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_PAGE = Path(__file__).parents[2] / "docs" / "by-hand.md"


def test_page_brings_everything_back_without_this_project(site: Site, restic: Path) -> None:
    before = site.content()
    report = backup(site.name)
    site.lose_all()
    (site.filestore / "aa").mkdir(parents=True)
    (site.filestore / "aa" / "half").write_text("what a disaster left of it")
    commands = "".join(re.findall(r"```sh\n(.*?)```", _PAGE.read_text(), re.DOTALL))
    assert "pg_restore" in commands
    variables = {
        "RESTIC_REPOSITORY": str(site.folder / "repository"),
        "RESTIC_PASSWORD": "repository-password",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(site.cluster.port),
        "PGUSER": "postgres",
        "PGPASSWORD": site.cluster.superuser_password,
        "ENVIRONMENT": site.name,
        "DATABASE": site.settings.database.name,
        "ROLE": site.settings.database.user,
        "SNAPSHOT": report.snapshot_id,
        "OWNER": str(os.geteuid()),
        "FILESTORE": str(site.filestore),
        "WORK": str(site.folder / "by-hand"),
        "HOME": str(site.folder),
        "PATH": os.pathsep.join([str(restic.parent), str(site.cluster.programs), os.environ["PATH"]]),
    }
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", commands], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.content() == before
    (kept,) = site.filestore.parent.glob(f"{site.filestore.name}.before-*")
    assert (kept / "aa" / "half").read_text() == "what a disaster left of it"
    with site.connect() as connection:
        indexes = connection.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%unaccent%'").fetchall()
    assert site.seen_by_odoo() == [site.settings.database.name]
    assert indexes == [("res_partner_name_search",)]
