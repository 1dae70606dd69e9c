"""Whose the folders of Odoo's volume are, as the shell of an image tells it: run here, on a folder in its place."""

import os
import subprocess
from pathlib import Path

import pytest

from odoo_ops.commands.provision import print_owners

ODOO, OTHER = (4321, 4322), (1000, 1000)


def _owners(data: Path) -> list[str]:
    _, script, *arguments = print_owners("odoo:19.0", "shop_data", "erp").argv[-4:]
    argv = ["sh", "-c", script.replace("/data", str(data)), *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()


@pytest.fixture
def data(tmp_path: Path, as_root: None) -> Path:  # noqa: ARG001 - only root gives files away
    data = tmp_path / "volume"
    for folder in ("sessions/ab", "filestore/erp/00", "filestore/erp/01", "filestore/other/00", "lost+found"):
        (data / folder).mkdir(parents=True)
    for path in (data, *data.rglob("*")):
        os.chown(path, *ODOO)
    return data


def test_owners_of_a_volume_and_its_filestore_are_told(data: Path) -> None:
    assert _owners(data) == ["4321:4322", "4321:4322"]


@pytest.mark.parametrize("folder", ["sessions", "filestore/erp", "filestore/erp/01"])
def test_folder_of_another_user_is_told_where_odoo_writes(data: Path, folder: str) -> None:
    os.chown(data / folder, *OTHER)
    assert set(_owners(data)) == {"4321:4322", "1000:1000"}


@pytest.mark.parametrize("folder", ["lost+found", "filestore", "filestore/other", "filestore/other/00"])
def test_folder_in_which_odoo_does_not_write_may_be_anothers(data: Path, folder: str) -> None:
    os.chown(data / folder, *OTHER)
    assert set(_owners(data)) == {"4321:4322"}


def test_empty_volume_has_no_owner(tmp_path: Path) -> None:
    assert _owners(tmp_path) == []
