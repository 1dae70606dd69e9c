"""What is noted in a project's folder, on a real one."""

from pathlib import Path

import pytest
from provisioned import described

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.environment import Environment
from odoo_ops.model.host import Host
from odoo_ops.runtimes.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    settings = described("staging")
    settings["runtime"]["folder"] = str(tmp_path)
    return Project.of(HostAdapter(Host(name="erp-1")), Environment.model_validate(settings))


def test_note_that_somebody_edited_is_told_with_its_place(project: Project) -> None:
    project.write_record()
    assert project.read_record() == project.identity
    Path(project.record).write_text('{"environment": 1}')
    with pytest.raises(
        PreconditionFailed, match=rf"{project.record} on erp-1 is not as it was noted: .*\n?environment"
    ):
        project.read_record()
