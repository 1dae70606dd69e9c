"""A receiver of webhooks as a process, what forges send it, and a stand-in for a forge's API of commit statuses."""

import base64
import hmac
import json
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
from real_processes import MarkedProcess, wait_until
from real_sshd import free_port

from odoo_ops.model.webhooks import STANDARD_PREFIX
from odoo_ops.policy.webhooks import standard_signature

GOLDEN = Path(__file__).parents[1] / "unit" / "golden" / "webhooks"
SECRET = "canary-secret-of-the-webhook"
SIGNING_TOKEN = f"{STANDARD_PREFIX}{base64.b64encode(SECRET.encode()).decode()}"
TOKEN = "canary-token-of-the-forge"
REPOSITORY = "Codertocat/Hello-World"
COMMIT = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"


def golden(name: str) -> bytes:
    """A real delivery's body."""
    return (GOLDEN / f"{name}.json").read_bytes()


def push_to(branch: str, commit: str = "", repository: str = REPOSITORY) -> bytes:
    """GitHub's real push, of another branch, commit or repository."""
    payload = json.loads(golden("github-push-branch"))
    payload["ref"] = f"refs/heads/{branch}"
    payload["after"] = payload["head_commit"]["id"] = commit or secrets.token_hex(20)
    payload["repository"]["full_name"] = repository
    return json.dumps(payload).encode()


def github(body: bytes, *, event: str = "push", delivery: str = "", secret: str = SECRET) -> dict[str, str]:
    """What GitHub's headers say."""
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or str(uuid4()),
        "X-Hub-Signature-256": f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}",
    }


def gitlab(body: bytes, *, secret: str = SECRET) -> dict[str, str]:
    """What GitLab's headers say; a secret with `whsec_` is a signing token, another one goes over the wire."""
    identity = str(uuid4())
    signed = secret.startswith(STANDARD_PREFIX)
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitLab/18.5.0",
        "X-Gitlab-Event": "Tag Push Hook" if json.loads(body)["object_kind"] == "tag_push" else "Push Hook",
        "X-Gitlab-Event-UUID": str(uuid4()),
        "X-Gitlab-Instance": "https://gitlab.example.com",
        "Idempotency-Key": identity,
        **(standard(body, identity=identity, secret=secret) if signed else {"X-Gitlab-Token": secret}),
    }


def gitea(body: bytes, *, secret: str = SECRET) -> dict[str, str]:
    """What Gitea's headers say; Forgejo's say the same, and once more in its own name."""
    delivery, signature = str(uuid4()), hmac.digest(secret.encode(), body, "sha256").hex()
    named = {"Delivery": delivery, "Event": "push", "Event-Type": "push", "Signature": signature}
    return {
        "Content-Type": "application/json",
        **{f"X-{forge}-{name}": value for forge in ("Forgejo", "Gitea", "Gogs") for name, value in named.items()},
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Event": "push",
        "X-Hub-Signature-256": f"sha256={signature}",
    }


def standard(body: bytes, *, identity: str = "", at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    """What Standard Webhooks asks of whoever sends."""
    identity, moment = identity or str(uuid4()), str(int(time.time() if at is None else at))
    return {
        "webhook-id": identity,
        "webhook-timestamp": moment,
        "webhook-signature": standard_signature(secret, identity, moment, body),
    }


class RunningReceiver:
    """`odoo-ops webhook serve` on a queue, to be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.queue, self._port, self._folder = folder / "queue.db", free_port(), folder
        self._process: MarkedProcess | None = None
        self._starts = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._starts += 1
        command = [sys.executable, "-m", "deployments.cli", "webhook", "serve"]
        options = ["--port", str(self._port), "--queue", str(self.queue), "--max-body-bytes", "100000"]
        self._process = MarkedProcess([*command, *options], self._folder / f"receiver-{self._starts}.log")
        self._process.wait_until(self._answers, "the receiver answers")

    def _answers(self) -> bool:
        try:
            httpx.get(f"{self.url}/health", timeout=5)
        except httpx.TransportError:
            return False
        return True

    def wait_for_sources(self, *names: str) -> None:
        """Wait until it knows as many sources."""
        wait_until(lambda: self.health()["sources"] >= len(names), lambda: f"{self.health()}\n{self.log()}", 90)

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.url}/health", timeout=10).json()
        return found

    def figures(self) -> str:
        return httpx.get(f"{self.url}/metrics", timeout=10).text

    def deliver(self, source: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        return httpx.post(f"{self.url}/hooks/{source}", content=body, headers=dict(headers), timeout=30)

    def signal(self, number: int) -> int:
        assert self._process
        return self._process.signal(number)

    def end(self) -> int:
        """The status with which it ends by itself."""
        assert self._process
        return self._process.end(180)

    def log(self) -> str:
        """All that it ever said."""
        return "".join(log.read_text() for log in sorted(self._folder.glob("receiver-*.log")))

    def close(self) -> None:
        if self._process:
            self._process.close()


@contextmanager
def running_receiver(folder: Path) -> Iterator[RunningReceiver]:
    """A receiver that was started."""
    receiver = RunningReceiver(folder)
    try:
        receiver.start()
        yield receiver
    finally:
        receiver.close()


class Api(NamedTuple):
    """What a forge's own pages say of the request by which a commit gets a status."""

    path: str
    login: tuple[str, str]
    states: frozenset[str]


# owner and name; the tests' own git servers, which have no owners, have folders there
_REPOS = r"(/api/v1)?/repos/[^/]+(/[^/]+)+/statuses/[0-9a-f]{40}"
_HUB_STATES = frozenset({"error", "failure", "pending", "success"})
_TEA = Api(_REPOS, ("Authorization", f"token {TOKEN}"), _HUB_STATES | {"warning"})
_LAB_STATES = frozenset({"pending", "running", "success", "failed", "canceled", "skipped"})
APIS = {
    # https://docs.github.com/rest/commits/statuses
    "github": Api(_REPOS, ("Authorization", f"Bearer {TOKEN}"), _HUB_STATES),
    # https://docs.gitlab.com/api/commits/#set-commit-pipeline-status: a project by its path in one segment
    "gitlab": Api(r"/api/v4/projects/[^/]+%2F[^/]+/statuses/[0-9a-f]{40}", ("PRIVATE-TOKEN", TOKEN), _LAB_STATES),
    # https://docs.gitea.com/development/api-usage, and the swagger of either (CreateStatusOption)
    "gitea": _TEA,
    "forgejo": _TEA,
}
_FIELDS = {"state", "context", "description", "target_url"}


class StandInForge:
    """A stand-in for a forge: it takes commit statuses as its pages say, and keeps them.

    It cannot show what a real one says of a token that may not write statuses, of a repository that it does not have,
    or of a state that it thinks to be impossible after the last one.
    """

    def __init__(self, kind: str = "github") -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.status, self.headers = 201, dict[str, str]()
        self.asked_at: list[float] = []
        forge, api = self, APIS[kind]

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                forge.asked_at.append(time.monotonic())
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = self._status(body)
                if status == 201:
                    forge.told.append((self.path, body))
                self.send_response(status)
                for name, value in {**forge.headers, "Content-Length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def _status(self, body: dict[str, str]) -> int:
                name, login = api.login
                if not re.fullmatch(api.path, self.path):
                    return 404
                if self.headers[name] != login:
                    return 401
                good = body["state"] in api.states and set(body) <= _FIELDS
                return forge.status if good and self.headers["Content-Type"] == "application/json" else 422

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def states(self, commit: str) -> list[str]:
        """What it was told about a commit, in order."""
        return [body["state"] for path, body in self.told if path.endswith(f"/{commit}")]

    @classmethod
    @contextmanager
    def run(cls, kind: str = "github") -> Iterator["StandInForge"]:
        forge = cls(kind)
        thread = threading.Thread(target=forge.server.serve_forever)
        thread.start()
        try:
            yield forge
        finally:
            forge.server.shutdown()
            thread.join()
            forge.server.server_close()
