"""The automations that are shipped, in a real Prefect server: what they send to a person, and when."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from own_prefect import PrefectServer
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.events.worker import EventsWorker
from real_processes import wait_until

from odoo_ops.errors import VerificationFailed
from odoo_ops.model.report import BackupReport
from tasks.events import announce_backup

ROOT = Path(__file__).parents[2]


@contextmanager
def prefect_server_with_automations(folder: Path) -> Iterator[None]:
    """A server of the test's own, with no other automations."""
    with PrefectServer.run(folder):
        try:
            yield
        finally:  # at its end the session would wait for ever to send what is left to a server that is gone
            EventsWorker.instance().drain()


@contextmanager
def messages_received() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address, and what was sent to it."""
    received: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/", received
        server.shutdown()


def create(name: str, url: str, **trigger: object) -> None:
    """An automation of deployments/, with a notification block of one's own, as its file asks for."""
    block = CustomWebhookNotificationBlock(
        name="person", url=url, json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    saved = block.save(f"person-{uuid4().hex[:8]}")
    shipped = yaml.safe_load((ROOT / "deployments" / name).read_text())
    shipped["trigger"] |= trigger
    shipped["actions"][0]["block_document_id"] = str(saved)
    with get_client(sync_client=True) as client:
        client.create_automation(AutomationCore.model_validate(shipped))


def announce(environment: str) -> None:
    """As `backup` does at its end; the event is with the server when this returns."""
    report = BackupReport.model_construct(environment=environment, snapshot_id="ab12", taken_at=datetime.now(UTC))
    announce_backup(report)
    EventsWorker.instance().wait_until_empty()


@pytest.mark.long  # a busy machine may take longer than its seconds to tell the server of a backup
def test_that_no_backup_was_made_is_told_though_nothing_ran_and_not_while_there_are_some(tmp_path: Path) -> None:
    with prefect_server_with_automations(tmp_path), messages_received() as (url, received):
        announce("production")
        create("alarm-no-backup.yaml", url, within=60)
        for _second in range(75):
            announce("production")
            time.sleep(1)
            assert received == []
        announce("staging")  # another environment's backup is none
        wait_until(lambda: bool(received), lambda: "nobody was told", 180)
    assert received[0]["subject"] == "No backup of production"
    assert "No backup was made and proved" in received[0]["body"]
    assert "Next step: see whether the worker runs" in received[0]["body"]


def test_a_failed_run_is_told_with_its_message(tmp_path: Path) -> None:
    @flow(flow_run_name="backup production")
    def failing() -> None:
        raise VerificationFailed("much smaller than in the backup before")

    with prefect_server_with_automations(tmp_path), messages_received() as (url, received):
        create("alarm.yaml", url)
        with pytest.raises(VerificationFailed):
            failing()
        wait_until(lambda: bool(received), lambda: "nobody was told", 90)
    assert received[0]["subject"] == "backup production: Failed"
    assert "much smaller than in the backup before" in received[0]["body"]
