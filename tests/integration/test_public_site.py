"""The way of websockets, at a server of the test's own."""

import threading
import time

import pytest
from websockets.http11 import Request
from websockets.sync.server import ServerConnection, serve

from odoo_ops.adapters import public_site
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.adapters.public_site import PublicSite
from odoo_ops.model.host import Host


def _answers_late(_connection: ServerConnection, _request: Request) -> None:
    time.sleep(1)


def test_first_websocket_of_an_odoo_is_waited_for_while_it_loads_its_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_site, "_ANSWER_SECONDS", 0.5)
    with serve(list, "127.0.0.1", 0, process_request=_answers_late) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        site = PublicSite(HostAdapter(Host(name="here")), f"http://127.0.0.1:{port}", None)
        assert site.upgrades_to_websocket("erp")
        server.shutdown()
