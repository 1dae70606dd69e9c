"""The webhook receiver as a process of its own, without a Prefect that it could ask."""

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from real_processes import wait_until
from webhooks import (
    REPOSITORY,
    SECRET,
    SIGNING_TOKEN,
    RunningReceiver,
    gitea,
    github,
    gitlab,
    golden,
    push_to,
    running_receiver,
)

SOURCE = {
    "name": "hub",
    "forge": "github",
    "secret": SECRET,
    "rules": [{"repository": REPOSITORY, "branch": "master", "environments": ["staging"]}],
}
SIGNATURES = ("-signature", "-signature-256", "-token")
OTHERS = {
    "lab": ("gitlab", SECRET),
    "signing-lab": ("gitlab", SIGNING_TOKEN),
    "gitea": ("gitea", SECRET),
    "forgejo": ("forgejo", SECRET),
}


@contextmanager
def receiver_without_prefect(
    folder: Path, sources: str, api: str = "http://127.0.0.1:1/api"
) -> Iterator[RunningReceiver]:
    """One that finds this text as its sources from before."""
    folder.joinpath("queue.db.sources").write_text(sources)
    with temporary_settings({PREFECT_API_URL: api}), running_receiver(folder) as receiver:
        yield receiver


class Pages(BaseHTTPRequestHandler):
    """Answers as Prefect's own pages do, where its address lacks /api."""

    def do_GET(self) -> None:
        page = b"<!doctype html><html></html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def pages() -> Iterator[str]:
    """Their address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_receiver_keeps_what_comes_when_something_else_answers_in_prefects_place(tmp_path: Path) -> None:
    with pages() as address, receiver_without_prefect(tmp_path, json.dumps({"hub": SOURCE}), address) as receiver:
        wait_until(lambda: receiver.log().count("is no Prefect API") >= 2, receiver.log, 60)
        body = push_to("master")
        assert receiver.deliver("hub", body, github(body)).json() == {"releases": ["staging"]}
        health = receiver.health()
        assert (health["ok"], health["waiting"]) == (True, 1)
        assert "Next step: correct PREFECT_API_URL" in health["prefect"]


def test_receiver_ends_in_time_when_a_sender_is_slow(tmp_path: Path) -> None:
    with (
        receiver_without_prefect(tmp_path, json.dumps({"hub": SOURCE})) as receiver,
        socket.create_connection(("127.0.0.1", httpx.URL(receiver.url).port or 0)) as connection,
    ):
        head = "POST /hooks/hub HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n["
        connection.sendall(head.encode())
        time.sleep(0.5)  # so that the receiver reads it
        begun = time.monotonic()
        assert receiver.signal(signal.SIGTERM) == -signal.SIGTERM
        assert 10 < time.monotonic() - begun < 25, "as long as GitHub waits, and not for ever"


@pytest.mark.parametrize(
    "kept",
    [
        json.dumps({"hub": SOURCE})[:-20],
        json.dumps({"hub": {**SOURCE, "field_of_a_later_version": 1}}),
        json.dumps([SOURCE]),
        "",
    ],
)
def test_receiver_asks_to_try_again_when_its_sources_from_before_cannot_be_read(kept: str, tmp_path: Path) -> None:
    with receiver_without_prefect(tmp_path, kept) as receiver:
        body = push_to("master")
        assert receiver.deliver("hub", body, github(body)).status_code == 503
        (told,) = [json.loads(line) for line in receiver.log().splitlines() if "file of sources" in line]
        assert told["file"] == str(tmp_path / "queue.db.sources")
        assert "Prefect" in told["next_step"]
        assert SECRET not in receiver.log()


def test_pushes_of_other_forges_are_taken_once_and_only_with_a_good_signature(tmp_path: Path) -> None:
    rules = [*SOURCE["rules"], {"repository": REPOSITORY, "tag": "simple-*", "environments": ["production"]}]
    sources = {
        name: {"name": name, "forge": forge, "secret": secret, "rules": rules}
        for name, (forge, secret) in OTHERS.items()
    }
    with receiver_without_prefect(tmp_path, json.dumps(sources)) as receiver:
        for name, (forge, secret) in OTHERS.items():
            other_secret = secret.replace("whsec_", "whsec_AAAA") if secret == SIGNING_TOKEN else f"{secret}-of-others"
            headers_of, written = (gitlab, "gitlab") if forge == "gitlab" else (gitea, "gitea")
            for ref, environment in (("branch", "staging"), ("tag", "production")):
                body = golden(f"{written}-push-{ref}")
                of_another = headers_of(body, secret=other_secret)
                assert receiver.deliver(name, body, of_another).status_code == 401
                headers = headers_of(body, secret=secret)
                if name != "lab":  # its token goes over the wire, and says nothing about the body
                    assert receiver.deliver(name, body + b" ", headers).status_code == 401
                unsigned = {key: value for key, value in headers.items() if not key.lower().endswith(SIGNATURES)}
                assert receiver.deliver(name, body, unsigned).status_code == 401
                assert receiver.deliver(name, body, headers).json() == {"releases": [environment]}
                assert receiver.deliver(name, body, headers).json()["reason"] == "this delivery is known already"
        assert receiver.health()["waiting"] == 2 * len(OTHERS)
