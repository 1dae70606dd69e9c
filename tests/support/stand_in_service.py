"""A process with a page and an open session stands in for Odoo: it cannot show that Odoo serves the database."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from blocks import OdooEnvironment
from deployments.engines.ports import free_port
from odoo_ops.model.environment import ProcessService
from odoo_ops.runtimes.odoo_service import OdooService

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

_PROGRAM = """
import http.server, os, pathlib, sys, psycopg

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

connection = psycopg.connect(os.environ["SERVICE_CONNINFO"])
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Page).serve_forever()
"""


@contextmanager
def stand_in_service(site: Site) -> Iterator[OdooService]:
    """The service of a site, registered and started; it is stopped at the end. Its pid is in `odoo.pid`."""
    pid_file, program, port = site.folder / "odoo.pid", site.folder / "service.py", free_port()
    program.write_text(_PROGRAM)
    launcher = site.folder / "launcher"
    launcher.touch(mode=0o700)
    words = shlex.join(map(str, (sys.executable, program, pid_file, port)))
    launcher.write_text(f"#!/bin/sh\nexport SERVICE_CONNINFO={shlex.quote(site.conninfo)}\nexec {words}\n")
    service = ProcessService(start=(str(launcher),), pid_file=str(pid_file), log_file=str(site.folder / "odoo.log"))
    odoo = site.settings.odoo.model_copy(update={"url": f"http://127.0.0.1:{port}"})
    site.register(service=service, odoo=odoo)
    runtime = OdooEnvironment.open(site.name)
    assert not runtime.odoo.runs()
    runtime.odoo.start()
    try:
        yield runtime.odoo
    finally:
        runtime.odoo.stop()
