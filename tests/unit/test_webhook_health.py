"""What the receiver says of Prefect, when that answers and yet takes nothing."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.webhook.metrics import Metrics
from deployments.webhook.prefect_api import PrefectApi
from deployments.webhook.queue import Queue
from deployments.webhook.releases import Releases
from deployments.webhook.rush import Rush
from deployments.webhook.sources import Sources
from odoo_ops.errors import TransientError
from odoo_ops.model.webhooks import Accepted, Delivery, Push


class BusyPrefect:
    """A stand-in for a Prefect that answers all but what it is told not to: a real one is busy only when it likes."""

    def __init__(self) -> None:
        self.status_of_sources, self.status_of_deployment, self.status_of_run = 200, 200, 201
        self.instead: bytes | None = None  # of what Prefect's API says
        prefect = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if "/deployments/name/" in self.path:
                    found = {"id": str(uuid4()), "name": "release", "flow_id": str(uuid4())}
                    self._answer(prefect.status_of_deployment, found)
                else:  # it has no sources, and asks for no token against forged requests
                    self._answer(prefect.status_of_sources if "/block_documents" in self.path else 404, [])

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(prefect.status_of_run, {"id": str(uuid4()), "name": "run", "flow_id": str(uuid4())})

            def _answer(self, status: int, found: object) -> None:
                body = json.dumps(found).encode() if prefect.instead is None else prefect.instead
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def prefect() -> Iterator[BusyPrefect]:
    prefect = BusyPrefect()
    thread = threading.Thread(target=prefect.server.serve_forever)
    thread.start()
    try:
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{prefect.server.server_port}/api"}):
            yield prefect
    finally:
        prefect.server.shutdown()
        thread.join()
        prefect.server.server_close()


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        ("status_of_run", 503, "Prefect answers 503 when it is given a run."),
        ("status_of_deployment", 404, "Prefect has no deployment release/release"),
        ("status_of_deployment", 503, "answers 503"),
    ],
)
def test_prefect_is_in_trouble_until_it_takes_what_is_queued(
    prefect: BusyPrefect, tmp_path: Path, fault: str, status: int, said: str
) -> None:
    queue, api = Queue(tmp_path / "queue.db"), PrefectApi()
    releases = Releases(queue, Sources(tmp_path / "sources"), api, Metrics(), Rush())
    releases.work()
    assert api.trouble == ""
    push = Push(repository="acme/addons", ref="refs/heads/main", commit="a" * 40)
    accepted = Accepted(push=push, environments=("staging",))
    queue.add([Delivery(source="hub", id="1", body_digest=None, accepted=accepted, received_at=1)])
    good = getattr(prefect, fault)
    setattr(prefect, fault, status)
    for _ in range(2):
        with pytest.raises(TransientError):
            releases.work()
        assert api.trouble.startswith(said)
    setattr(prefect, fault, good)
    releases.work()
    assert (api.trouble, queue.waiting()[0]) == ("", 0)


@pytest.mark.parametrize("page", [b"<!doctype html><html></html>", b"\xff\xfe", b'{"login": "needed"}', b'[{"id": 1}]'])
def test_what_answers_in_prefects_place_is_named_and_asked_again(
    prefect: BusyPrefect, tmp_path: Path, page: bytes
) -> None:
    """Prefect's own pages answer to any path with 200, where its address lacks /api; so does a login before it."""
    api, sources = PrefectApi(), Sources(tmp_path / "sources")
    releases = Releases(Queue(tmp_path / "queue.db"), sources, api, Metrics(), Rush())
    prefect.instead = page
    with pytest.raises(TransientError, match=r"127.0.0.1 is no Prefect API. Next step: .* ends in /api"):
        releases.work()
    assert ("is no Prefect API" in api.trouble, sources.known) == (True, False)
    prefect.instead = None
    releases.work()
    assert (api.trouble, sources.known) == ("", True)


@pytest.mark.usefixtures("prefect")
def test_sources_that_cannot_be_read_are_known_again_once_prefect_was_asked(tmp_path: Path) -> None:
    file = tmp_path / "sources"
    file.write_text('{"hub": {"name": "hu')
    sources = Sources(file)
    assert not sources.known
    with PrefectApi().client() as client:
        sources.refresh(client)
    assert (sources.known, file.read_text()) == (True, "{}")
    assert Sources(file).known


def test_prefect_without_any_source_is_named_and_asked_again_and_none_is_forgotten(
    prefect: BusyPrefect, tmp_path: Path
) -> None:
    """Another server at its address may say 404, too: that is no reason to believe nobody any more."""
    api, file = PrefectApi(), tmp_path / "sources"
    rules = [{"repository": "acme/addons", "branch": "main", "environments": ["staging"]}]
    file.write_text(json.dumps({"hub": {"name": "hub", "forge": "github", "secret": "s" * 16, "rules": rules}}))
    sources = Sources(file)
    prefect.status_of_sources = 404
    with pytest.raises(TransientError, match="Next step: `odoo-ops environments register`"):
        Releases(Queue(tmp_path / "queue.db"), sources, api, Metrics(), Rush()).work()
    assert (api.trouble[:32], sources.names()) == ("Prefect knows no webhook sources", ["hub"])
