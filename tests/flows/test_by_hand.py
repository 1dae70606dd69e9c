"""`docs/by-hand.md`, run as it stands: restic and PostgreSQL's programs bring everything back alone."""

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from toolbox_site import both_runtimes

from flows.backup import backup
from odoo_ops.model.runtimes import ComposeProject

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_PAGE = Path(__file__).parents[2] / "docs" / "by-hand.md"


def _run(argv: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, env=variables, capture_output=True, text=True, check=False)


@both_runtimes
def test_page_brings_everything_back_without_this_project(site: Site, restic: Path, postgres_programs: Path) -> None:
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
        "PGHOST": site.settings.database.server,
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
        "PATH": os.pathsep.join([str(restic.parent), str(postgres_programs), os.environ["PATH"]]),
    }
    bash = ["/bin/bash", "-euo", "pipefail", "-c", commands]
    project = site.settings.runtime
    if isinstance(project, ComposeProject):
        del variables["PATH"]
        given = [f"--env={name}={value}" for name, value in variables.items()]
        place = [f"--project-directory={project.folder}", f"--project-name={project.project}"]
        toolbox = ["run", "--rm", "--no-TTY", *given, f"--entrypoint={bash[0]}", project.restore_toolbox]
        done = _run(["docker", "compose", *place, *toolbox, *bash[1:]], dict(os.environ))
    else:
        done = _run(bash, variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.content() == before
    (kept,) = site.filestore.parent.glob(f"{site.filestore.name}.before-*")
    assert (kept / "aa" / "half").read_text() == "what a disaster left of it"
    with site.connect() as connection:
        indexes = connection.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%unaccent%'").fetchall()
    assert site.seen_by_odoo() == [site.settings.database.name]
    assert indexes == [("res_partner_name_search",)]
