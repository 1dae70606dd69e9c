"""Odoo's image is asked for its version; a stand-in for Docker's client answers."""

from pathlib import Path

import pytest
from provisioned import described

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import Refused
from odoo_ops.model.environment import Environment
from odoo_ops.model.host import Host
from odoo_ops.runtimes import image_versions
from odoo_ops.runtimes.image_versions import check_odoo
from odoo_ops.runtimes.project import Project

DOCKER = """#!/bin/sh
echo "$*" >>"$0.calls"
case "$1" in
    image) echo sha256:1 ;;
    run) {says} ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    settings = described("staging")
    settings["runtime"]["folder"] = str(tmp_path / "project")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return Project.of(HostAdapter(Host(name="erp-1")), Environment.model_validate(settings))


def docker(tmp_path: Path, says: str) -> Path:
    """Put it on PATH; the file of its calls."""
    program = tmp_path / "docker"
    program.write_text(DOCKER.format(says=says))
    program.chmod(0o755)
    return tmp_path / "docker.calls"


def test_image_that_does_not_say_its_version_is_not_refused(project: Project, tmp_path: Path) -> None:
    calls, shown = docker(tmp_path, "echo no user odoo >&2; exit 125"), list[str]()
    check_odoo(project, "19.0.1.3", anew=True, show=shown.append)
    (why,) = shown
    assert why.startswith(f"The series of Odoo in {project.named_image} is not known")
    assert "no user odoo" in why
    name = calls.read_text().partition("--name=")[2].split()[0]
    assert calls.read_text().splitlines()[-1] == f"rm --force --volumes {name}"
    with pytest.raises(Refused, match=r"database is one of Odoo 18\.0"):
        check_odoo(project, "18.0.1.3", anew=True, show=shown.append)


def test_image_that_hangs_is_not_waited_for(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_versions, "_ODOO_SECONDS", 0.5)
    calls, shown = docker(tmp_path, "exec sleep 60"), list[str]()
    check_odoo(project, anew=True, show=shown.append)
    assert "its time limit" in shown[0]
    assert calls.read_text().splitlines()[-1].startswith("rm --force --volumes odoo-ops-")


def test_image_of_another_series_is_refused_and_only_where_it_is_to_run(project: Project, tmp_path: Path) -> None:
    calls, shown = docker(tmp_path, "echo Odoo Server 18.0-20260101"), list[str]()
    with pytest.raises(Refused, match=r"is Odoo 18\.0, and the environment file names Odoo 19\.0"):
        check_odoo(project, anew=True, show=shown.append)
    calls.unlink()
    check_odoo(project, anew=False, show=shown.append)
    assert (calls.exists(), shown) == (False, [])
