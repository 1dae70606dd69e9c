"""What is told to a developer before anything is made, and when packages are installed."""

import socket
import sys
from pathlib import Path

import pytest

from deployments.development.description import Development, read_description
from deployments.development.odoo_source import find_source
from deployments.development.site import Site
from deployments.development.virtual_environment import fit_python
from deployments.engines.ports import free_port
from odoo_ops.errors import InvalidConfiguration, PreconditionFailed

BLANK = ", and programs of a virtual environment cannot; name another one"


def _checkout(folder: Path, *, series: str = "(19, 0, 0, FINAL, 0, '')", least: str = "(3, 10)") -> Path:
    (folder / "odoo").mkdir(parents=True)
    (folder / "odoo-bin").touch()
    (folder / "addons").mkdir()
    (folder / "requirements.txt").touch()
    (folder / "odoo/release.py").write_text(f"version_info = {series}\nMIN_PY_VERSION = {least}\n")
    return folder


def _described(folder: Path, text: str) -> Development:
    file = folder / "odoo-dev.yaml"
    file.write_text(text)
    return read_description(file)


def test_paths_are_beside_the_file_or_of_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/developer")
    found = _described(tmp_path, "odoo: ~/odoo\naddons: [mine, /srv/others]\n")
    assert found.odoo == Path("/home/developer/odoo")
    assert found.addons == (tmp_path / "mine", Path("/srv/others"))
    assert found.folder == tmp_path / ".odoo-dev"


def test_mistakes_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    text = "addons: [a,b]\nhttp_prot: 8069\nhttp_port: many\naddons_: x\nfolder: my odoo\nmodules: []\n"
    with pytest.raises(InvalidConfiguration) as caught:
        _described(tmp_path, text)
    file = tmp_path / "odoo-dev.yaml"
    assert sorted(caught.value.mistakes) == [
        f"{file}:1: odoo: is missing. Odoo's source: a git checkout (with odoo-bin), or the folder of its package.",
        f"{file}:2: http_prot: is not a field; did you mean 'http_port'?",
        f"{file}:3: http_port: must be a whole number",
        f"{file}:4: addons_: is not a field; did you mean 'addons'?",
        f"{file}:5: folder: {tmp_path / 'my odoo'} has a blank in it{BLANK}",
        f"{file}:6: modules: is too short; it needs at least 1",
    ]


def test_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="none.yaml: cannot be read: No such file"):
        read_description(tmp_path / "none.yaml")


def test_checkout_brings_its_addons_and_requirements(tmp_path: Path) -> None:
    source = find_source(_checkout(tmp_path / "odoo"))
    assert (source.series, source.least_python) == ("19.0", (3, 10))
    assert source.addons == (tmp_path / "odoo/addons",)
    assert source.requirements == (tmp_path / "odoo/requirements.txt",)


def test_folder_without_odoo_and_an_old_odoo_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreconditionFailed, match=r"holds no Odoo: neither odoo-bin.*Nothing was changed"):
        find_source(tmp_path)
    with pytest.raises(PreconditionFailed, match=r"is Odoo 16\.0, and 18\.0 is the oldest"):
        find_source(_checkout(tmp_path / "old", series="(16, 0, 0, FINAL, 0, '')"))


def test_python_that_is_too_old_or_missing_is_refused(tmp_path: Path) -> None:
    source = find_source(_checkout(tmp_path / "odoo", least="(3, 99)"))
    with pytest.raises(PreconditionFailed, match=r"and Odoo 19\.0 needs 3\.99 or later\. Nothing was changed"):
        fit_python(sys.executable, source)
    with pytest.raises(PreconditionFailed, match="python-canary.*cannot run.*Next step: name a Python"):
        fit_python("python-canary", source)


@pytest.mark.postgres
@pytest.mark.usefixtures("postgres_programs")
def test_taken_port_and_missing_files_are_told_at_once_and_nothing_is_made(tmp_path: Path) -> None:
    _checkout(tmp_path / "odoo")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", free_port()))
        listening.listen()
        port = listening.getsockname()[1]
        lines = (
            "odoo: odoo",
            f"python: {sys.executable}",
            f"http_port: {port}",
            "addons: [mine]",
            "requirements: [r.txt]",
        )
        with pytest.raises(PreconditionFailed) as caught:
            Site(_described(tmp_path, "\n".join(lines)), print).start()
    assert str(caught.value).startswith(
        f"{tmp_path}/r.txt is no file (`requirements`); {tmp_path}/mine is no folder (`addons`); something listens on "
        f"port {port} already (`http_port`). Nothing was changed."
    )
    assert not (tmp_path / ".odoo-dev").exists()


@pytest.mark.postgres
@pytest.mark.usefixtures("postgres_programs")
def test_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    _checkout(tmp_path / "odoo")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "odoo.conf").write_text("[options]\n")
    lines = ("odoo: odoo", f"python: {sys.executable}", f"http_port: {free_port()}", "folder: work")
    with pytest.raises(PreconditionFailed, match=r"work holds what was not made here \(`folder`\)"):
        Site(_described(tmp_path, "\n".join(lines)), print).start()
    assert [file.name for file in (tmp_path / "work").iterdir()] == ["odoo.conf"]
