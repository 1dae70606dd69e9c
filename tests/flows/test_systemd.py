"""A stand-in for `systemctl`: systemd itself runs only as a machine's first process, so not here.

It keeps a unit's state in a file and notes what it is asked for. It cannot show that a unit really starts, that
polkit lets the user do it, or how long that takes.
"""

import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deployments.engines.ports import free_port
from flows.backup import backup
from flows.restore import restore
from odoo_ops.model.environment import SystemdService

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_SYSTEMCTL = """#!/bin/sh
echo "$*" >> {folder}/asked
case "$1" in
  show) cat {folder}/state ;;
  stop) echo inactive > {folder}/state ;;
  start) echo active > {folder}/state ;;
esac
"""


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


@pytest.fixture
def unit(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the stand-in; `state` in it is the unit's, `asked` what it was asked for."""
    folder = site.folder / "systemd"
    folder.mkdir()
    program = folder / "systemctl"
    program.write_text(_SYSTEMCTL.format(folder=folder))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    server = http.server.HTTPServer(("127.0.0.1", free_port()), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    odoo = site.settings.odoo.model_copy(update={"url": f"http://127.0.0.1:{server.server_port}"})
    site.register(service=SystemdService(unit="odoo.service"), odoo=odoo)
    yield folder
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("before", "after", "answer"),
    [("active", "active", "passed"), ("failed", "active", "passed"), ("inactive", "inactive", "not measured")],
)
def test_restore_starts_the_unit_again_unless_somebody_had_stopped_it(
    site: Site, unit: Path, before: str, after: str, answer: str
) -> None:
    backup(site.name)
    (unit / "state").write_text(f"{before}\n")
    report = restore(site.name)
    assert (unit / "state").read_text() == f"{after}\n"
    assert report.checks[-1].outcome == answer
    asked = (unit / "asked").read_text().splitlines()
    assert "stop -- odoo.service" in asked
    assert ("start -- odoo.service" in asked[asked.index("stop -- odoo.service") :]) == (after == "active")
