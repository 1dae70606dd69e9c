"""What is noted in a project's folder, on a real one."""

from collections.abc import Callable
from dataclasses import replace
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
    assert project.read_record() == project.identity.model_copy(update={"memory_bytes": project.facts.memory_bytes})
    Path(project.record).write_text('{"environment": 1}')
    with pytest.raises(
        PreconditionFailed, match=rf"{project.record} on erp-1 is not as it was noted: .*\n?environment"
    ):
        project.read_record()


def test_machine_counts_as_it_was_noted_while_its_memory_is_about_the_same(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After another kernel has started, say, also when the project is noted again."""
    has = {"cores": 4, "memory_bytes": 8 * 2**30}
    call: Callable[..., object] = HostAdapter.call

    def asked(machine: HostAdapter, operation: str, **arguments: object) -> object:
        return has if operation == "describe_machine" else call(machine, operation, **arguments)

    monkeypatch.setattr(HostAdapter, "call", asked)
    project.write_record()
    for memory_bytes, counts in ((8 * 2**30 - 1, 8 * 2**30), (8 * 2**30 - 2**24, 8 * 2**30), (4 * 2**30, 4 * 2**30)):
        has["memory_bytes"] = memory_bytes
        later = replace(project)  # as the next run finds it
        assert later.facts.memory_bytes == counts
        later.write_record(has_database=True)
