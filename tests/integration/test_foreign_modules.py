"""A real Odoo tells of modules that nobody has approved yet, and runs nothing of them."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from addons_repository import write_files

from odoo_ops.commands import modules

pytestmark = pytest.mark.odoo


def ask(program: tuple[str, ...], folder: Path, files: Mapping[str, str], *names: str) -> dict[str, dict[str, object]]:
    """What Odoo makes of modules of addons with these files."""
    found = modules.parse_modules(printed(program, folder, files, *names))
    assert found is not None
    return found


def printed(program: tuple[str, ...], folder: Path, files: Mapping[str, str], *names: str) -> str:
    """What Odoo prints when it is asked about these modules."""
    write_files(folder / "addons", files)
    config = folder / "odoo.conf"
    config.write_text(f"[options]\ndata_dir = {folder}/data\n")
    command = modules.read_modules(program, str(config), [str(folder / "addons")], names)
    assert command.stdin
    environment = {name: value for name, value in os.environ.items() if not name.startswith(command.without)}
    script = command.stdin.get_secret_value()
    answer = subprocess.run(command.argv, input=script, env=environment, capture_output=True, text=True, check=True)
    return answer.stdout


def test_all_modules_that_are_there_are_named_installed_or_not(odoo19: Path, tmp_path: Path) -> None:
    files = {"lamp/__manifest__.py": "no manifest", "lamp/__init__.py": "", "no_module/__init__.py": ""}
    named = modules.parse_names(printed((str(odoo19),), tmp_path, files))
    assert named is not None
    assert [name in named for name in ("base", "web", "lamp", "no_module")] == [True, True, True, False]


def needing(*packages: str, version: str = "19.0.1.0.0") -> str:
    """A manifest that asks for Python packages."""
    wanted = {"name": "Shelf", "version": version, "license": "LGPL-3", "author": "Tests"}
    return repr({**wanted, "external_dependencies": {"python": list(packages)}})


def test_python_packages_are_found_as_odoo_finds_them(odoo19: Path, tmp_path: Path) -> None:
    there = ("lxml>=2", "psycopg2", "PIL", "xml.dom", "nowhere; python_version < '3'", "python-dateutil")
    lost = ("nowhere", "lxml>=999", "odoo.addons.base", "no name", "nowhere.at.all")
    files = {"shelf/__manifest__.py": needing(*there, *lost), "shelf/__init__.py": ""}
    found = ask((str(odoo19),), tmp_path, files, "shelf")
    missing = found["shelf"]["missing"]
    assert isinstance(missing, list)
    assert [text.removeprefix("Python package ").partition(" (")[0] for text in missing] == list(lost)


def test_nothing_of_modules_is_run(odoo19: Path, tmp_path: Path) -> None:
    """Neither what a manifest names as a Python package, nor what Odoo imports when it starts."""
    ran = tmp_path / "ran"
    files = {
        "shelf/__manifest__.py": needing("odoo.addons.shelf", "shelf", "odoo.addons.shelf.more"),
        "shelf/__init__.py": f"open({json.dumps(str(ran))}, 'a').close()\n",
        "shelf/more.py": "",
    }
    program = ("sh", "-c", f'{odoo19} "$@" --load=base,web,shelf', "sh")
    found = ask(program, tmp_path, files, "shelf")
    assert not ran.exists()
    assert found["shelf"]["path"] == str(tmp_path / "addons/shelf")
    assert len(found["shelf"]["missing"]) == 3  # type: ignore[arg-type]


def test_module_that_odoo_loaded_when_it_started_is_read_where_the_addons_path_leads(
    odoo19: Path, tmp_path: Path
) -> None:
    """As `web` is, where somebody releases Odoo's own addons."""
    write_files(tmp_path / "own", {"shelf/__manifest__.py": needing(), "shelf/__init__.py": ""})
    program = ("sh", "-c", f'{odoo19} "$@" --load=base,web,shelf --addons-path={tmp_path}/own', "sh")
    files = {"shelf/__manifest__.py": needing(version="19.0.2.0.0"), "shelf/__init__.py": ""}
    found = ask(program, tmp_path, files, "shelf")
    assert found["shelf"]["version"] == "19.0.2.0.0"
    assert found["shelf"]["path"] == str(tmp_path / "addons/shelf")
