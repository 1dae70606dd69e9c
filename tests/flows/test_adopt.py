"""A real Odoo that runs on the host is adopted, and backed up by the file that came out."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prefect.artifacts import Artifact
from served_odoo import serve
from typer.testing import CliRunner

from blocks import OdooEnvironment, OdooHost
from deployments.cli import app
from deployments.registration import register
from flows.adopt import adopt
from flows.backup import backup
from odoo_ops.adapters.odoo_site import open_site
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.host import Host

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo]


@pytest.fixture
def served(odoo_site: Site) -> Iterator[Site]:
    serve(odoo_site)
    with open_site(OdooEnvironment.open(odoo_site.name).host, odoo_site.settings.odoo.url) as odoo:
        odoo.wait_for_login_page(odoo_site.settings.database.name, 120, lambda: None)
    yield odoo_site
    OdooEnvironment.open(odoo_site.name).odoo.stop()


def _state(site: Site) -> dict[str, object]:
    paths = [path for folder in (Path(site.settings.data_dir), site.folder) for path in folder.rglob("*")]
    return {
        "files": {str(path): path.stat().st_mtime_ns for path in paths if path.suffix != ".log"},
        "content": site.content(),
        "pid": (site.folder / "odoo.pid").read_text(),
    }


def test_odoo_on_the_host_is_adopted_unchanged_and_backed_up_by_the_file(
    served: Site, restic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host, name, before = f"{served.name}-host", f"{served.name}-adopted"[-40:].strip("-"), _state(served)
    config = f"{served.folder}/odoo.conf"
    report = adopt(host, config=config, name=name)
    assert _state(served) == before
    password = served.settings.database.password
    assert password is not None
    page = Artifact.get(f"adopt-{name}")
    assert page is not None
    assert password.get_secret_value() not in report.model_dump_json() + str(page.data) + caplog.text
    described = yaml.safe_load(report.file)["environments"][name]
    assert described["odoo"]["version"] == "19.0"
    assert described["odoo"]["config"] == config
    assert described["database"]["name"] == served.settings.database.name
    assert described["data_dir"] == served.settings.data_dir
    assert described["service"]["pid_file"] == f"{served.folder}/odoo.pid"
    assert "are not in" not in " ".join(hazard.what for hazard in report.hazards), "every file is there"

    folder = tmp_path / "described"
    folder.mkdir()
    text = report.file
    for place, mine in ((described["state_dir"], "state-adopted"), (_repository(report.file, name), "adopted")):
        text = text.replace(place, str(tmp_path / mine))
    (folder / "adopted.yaml").write_text(text)
    (folder / "hosts.yaml").write_text(f"hosts:\n  {host}: {{restic: {restic}}}\n")
    beginning = f"ODOO_OPS_{name.upper().replace('-', '_')}"
    monkeypatch.setenv(f"{beginning}_ODOO_PASSWORD", password.get_secret_value())
    monkeypatch.setenv(f"{beginning}_RESTIC_PASSWORD", "restic-password")
    checked = CliRunner().invoke(app, ["environments", "check", str(folder)])
    assert checked.exit_code == 0, checked.output
    register(folder)
    backed_up = backup(name)
    assert backed_up.damaged_total == 0
    assert backed_up.files == len([path for path in served.filestore.glob("??/*") if path.is_file()])


def _repository(file: str, name: str) -> str:
    path: str = yaml.safe_load(file)["repositories"][name]["location"]["path"]
    return path


def test_missing_attachments_are_told_where_files_were_lost(served: Site) -> None:
    (lost, *_) = sorted(path for path in served.filestore.glob("??/*") if path.is_file())
    lost.unlink()
    report = adopt(f"{served.name}-host", config=f"{served.folder}/odoo.conf")
    assert any(hazard.what.startswith("1 of ") for hazard in report.hazards)


def test_other_configuration_is_refused_and_those_there_are_named(served: Site) -> None:
    with pytest.raises(
        PreconditionFailed, match=rf"No Odoo runs by /etc/nowhere.conf.*{served.folder}/odoo.conf.*Next"
    ):
        adopt(f"{served.name}-host", config="/etc/nowhere.conf")


def test_host_that_is_not_registered_is_named(prefect_server: None) -> None:  # noqa: ARG001 - the server must run
    OdooHost(settings=Host(name="here")).save("some-host", overwrite=True)
    with pytest.raises(PreconditionFailed, match="No host named 'no-such-host' is registered"):
        adopt("no-such-host")
