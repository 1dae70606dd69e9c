"""A real Odoo for development, from a file of a few lines: made, started, changed, stopped."""

import os
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from real_processes import wait_until
from typer.testing import CliRunner, Result

from deployments.cli import app
from deployments.development.description import read_description
from deployments.development.odoo_source import OdooSource
from deployments.development.site import Site
from deployments.development.virtual_environment import ensure_environment, fit_python
from deployments.engines.ports import free_port
from odoo_ops.errors import CommandFailed

pytestmark = [pytest.mark.odoo, pytest.mark.postgres]

LOCK = Path(__file__).parents[2] / "deployments/engines/requirements-odoo19.txt"
CONTROLLER = """
from odoo.http import Controller, route
class Greeting(Controller):
    @route("/greeting", auth="none")
    def greet(self):
        return "{text}"
"""


@dataclass(frozen=True)
class Developer:
    """Somebody with a description, and a folder of addons with one in it."""

    file: Path
    settings: dict[str, Any]

    @classmethod
    def sits_down(cls, folder: Path, odoo19: Path) -> "Developer":
        source = odoo19.parents[1] / "debian/usr/lib/python3/dist-packages"
        settings = {
            "odoo": str(source),
            "python": sys.executable,
            "requirements": [str(LOCK)],
            "addons": ["addons"],
            "modules": ["base", "greeting"],
            "http_port": free_port(),
        }
        developer = cls(folder / "odoo-dev.yaml", settings)
        developer.describe()
        (folder / "addons" / "greeting").mkdir(parents=True)
        (folder / "addons/greeting/__manifest__.py").write_text("{'name': 'Greeting', 'depends': ['base']}")
        (folder / "addons/greeting/__init__.py").write_text("from . import controller")
        developer.program("hello")
        return developer

    @property
    def site(self) -> Site:
        return Site(read_description(self.file), print)

    def describe(self, **change: object) -> None:
        self.file.write_text(yaml.safe_dump({**self.settings, **change}))

    def program(self, text: str) -> None:
        (self.file.parent / "addons/greeting/controller.py").write_text(CONTROLLER.format(text=text))

    def command(self, word: str) -> Result:
        return CliRunner().invoke(app, ["develop", word, str(self.file)])

    def start(self) -> str:
        result = self.command("start")
        assert result.exit_code == 0, result.output
        return result.output

    def greeting(self) -> str:
        try:
            return httpx.get(f"{self.site.server.url}/greeting", timeout=60, trust_env=False).text
        except httpx.RequestError:
            return ""

    def logs_in(self, login: str, password: str) -> bool:
        params = {"db": "development", "login": login, "password": password}
        with httpx.Client(timeout=60, trust_env=False) as client:
            answer = client.post(f"{self.site.server.url}/web/session/authenticate", json={"params": params})
        return bool(answer.json().get("result", {}).get("uid"))


@pytest.fixture(scope="module")
def developer(
    odoo19: Path,
    postgres_programs: Path,  # noqa: ARG001 - the cluster finds them itself
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Developer]:
    """Each test finds Odoo running, and leaves it so."""
    if os.environ.get("ODOO_BIN"):
        pytest.skip("the Odoo that ODOO_BIN names may be laid out in any way")
    made = Developer.sits_down(tmp_path_factory.mktemp("dev"), odoo19)
    try:
        output = made.start()
        assert "Odoo fills the new database development" in output
        yield made
    finally:
        made.command("stop")


def test_odoo_answers_with_the_developers_addon(developer: Developer) -> None:
    assert developer.greeting() == "hello"
    assert developer.logs_in("admin", "admin")
    assert not developer.logs_in("admin", "another")


def test_second_start_does_nothing(developer: Developer) -> None:
    pid = developer.site.server.pid()
    assert pid
    output = developer.start().splitlines()
    assert len(output) == 2, output
    assert output[0].startswith(f"Odoo runs at {developer.site.server.url}")
    assert developer.site.server.pid() == pid


def test_changed_addon_is_served_without_a_restart_by_hand(developer: Developer) -> None:
    pid = developer.site.server.pid()
    developer.program("changed")
    wait_until(lambda: developer.greeting() == "changed", developer.site.server.log.read_text, 120)
    assert developer.site.server.pid() == pid


def test_stopped_odoo_comes_back_with_its_data_and_installs_nothing(developer: Developer) -> None:
    site = developer.site
    site.server.run("shell", "--no-http")
    assert developer.command("stop").exit_code == 0
    assert site.server.pid() is None
    assert not site.cluster.is_running()
    assert developer.command("stop").exit_code == 0, "what is stopped may be stopped again"
    output = developer.start()
    assert [line.partition(" ")[0] for line in output.splitlines()] == ["Starting", "Starting", "Odoo", "Its"]
    assert developer.greeting() == "changed"


def test_changed_description_restarts_odoo_alone(developer: Developer) -> None:
    port = free_port()
    developer.describe(http_port=port)
    output = developer.start()
    assert "Odoo was stopped" in output
    assert "PostgreSQL" not in output
    assert developer.site.server.url == f"http://127.0.0.1:{port}"
    assert developer.greeting() == "changed"
    developer.describe()
    developer.start()


def test_all_is_in_one_folder_and_closed_to_others(developer: Developer) -> None:
    folder = developer.file.parent
    assert {path.name for path in folder.iterdir()} == {"odoo-dev.yaml", "addons", ".odoo-dev"}
    for name in ("odoo.conf", "database-password", "postgres/superuser-password"):
        assert (folder / ".odoo-dev" / name).stat().st_mode & 0o077 == 0, name


def _package(folder: Path, name: str) -> Path:
    """A package that needs nothing to be installed: a wheel."""
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return wheel


def test_packages_are_installed_again_when_their_files_change(tmp_path: Path) -> None:
    version = fit_python(sys.executable, OdooSource(tmp_path, "19.0", (3, 10)))
    said: list[str] = []
    venv, file = tmp_path / "venv", tmp_path / "requirements.txt"

    def ensured() -> bool:
        said.clear()
        return ensure_environment(venv, sys.executable, version, [file], said.append)

    file.write_text(f"{_package(tmp_path, 'first')}\n")
    assert ensured()
    assert not ensured()
    assert said == []
    file.write_text(f"{_package(tmp_path, 'second')}\n")
    assert ensured()
    assert said == [f"Installing the packages of {file}"]
    installed = {path.stem for path in venv.glob("lib/python3*/site-packages/*.py")}
    assert {"first", "second"} <= installed
    file.write_text(f"{tmp_path}/canary-1.0-py3-none-any.whl\n")
    with pytest.raises(CommandFailed, match=r"(?s)canary-1\.0.*Next step: correct what is named there"):
        ensured()
    file.write_text(f"{_package(tmp_path, 'second')}\n")
    assert ensured(), "after a failure it is looked at again"
