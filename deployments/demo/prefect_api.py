"""Prefect's API, as far as the demo needs it: is it there, and run a deployment."""

import json
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import httpx

from odoo_ops.errors import PreconditionFailed, TransientError, VerificationFailed
from odoo_ops.model.base import Value

_FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
_POLL_SECONDS = 0.3
_RUN_SECONDS = 900  # a new Odoo on a slow machine
_BUSY_SECONDS = 120
_ANSWER_SECONDS = 20


class FlowRun(Value):
    """One run of a deployment that was completed.

    Attributes:
        seconds: from the request to its end, as a person waits for it.
        running_seconds: of these, the time in which the flow itself ran.
    """

    name: str
    seconds: float
    running_seconds: float

    @property
    def starting_seconds(self) -> float:
        """Until the flow ran: the worker looks for work, starts Python, loads Prefect."""
        return self.seconds - self.running_seconds


class PrefectApi:
    """The API of the demo's server."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/api", timeout=_ANSWER_SECONDS, trust_env=False)

    def healthy(self) -> bool:
        """Whether the server answers."""
        return self._found("/health")

    def has_work_pool(self, name: str) -> bool:
        """Whether a work pool is there; a worker makes the one it is told to serve."""
        return self._found(f"/work_pools/{name}")

    def run_deployment(self, name: str, parameters: Mapping[str, str], check: Callable[[], None]) -> FlowRun:
        """Run a deployment, `flow/deployment`, and wait for its end; `check` is called now and then.

        Raises VerificationFailed, with the run's own message, unless it was completed; TransientError when it has
        not ended in time; PreconditionFailed when the API refuses.
        """
        begun = time.monotonic()
        deployment = self._json("GET", f"/deployments/name/{name}")
        # SQLite answers 503 when it is busy; with this key, asking again starts no second run
        wanted = {"parameters": parameters, "state": {"type": "SCHEDULED"}, "idempotency_key": str(uuid4())}
        run = self._json("POST", f"/deployments/{deployment['id']}/create_flow_run", wanted)
        while run["state_type"] not in _FINAL:
            if time.monotonic() - begun > _RUN_SECONDS:
                raise TransientError(
                    f"{name} is {run['state_name']} after {_RUN_SECONDS} s. Next step: look at the worker's log."
                )
            check()
            time.sleep(_POLL_SECONDS)
            run = self._json("GET", f"/flow_runs/{run['id']}")
        if run["state_type"] != "COMPLETED":
            message = (run["state"] or {}).get("message")
            raise VerificationFailed(f"{name} is {run['state_name']}: {message}")
        seconds = time.monotonic() - begun
        return FlowRun(name=run["name"], seconds=seconds, running_seconds=run["total_run_time"])

    def read_table(self, key: str) -> list[dict[str, str]]:
        """The rows of the newest table artifact with this key. Raises PreconditionFailed when there is none."""
        artifact = self._json("GET", f"/artifacts/{key}/latest")
        rows: list[dict[str, str]] = json.loads(artifact["data"])
        return rows

    def _found(self, path: str) -> bool:
        try:
            return self._http.get(path).status_code == HTTPStatus.OK
        except httpx.TransportError:
            return False

    def _json(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        give_up = time.monotonic() + _BUSY_SECONDS
        while (response := self._answer(method, path, body)).status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            if time.monotonic() > give_up:
                raise TransientError(f"Prefect's server is busy for {_BUSY_SECONDS} s. Next step: read its log.")
            time.sleep(_POLL_SECONDS)
        if response.is_error:
            raise PreconditionFailed(
                f"Prefect's API answers {path} with {response.status_code}: {response.text[:500]}. "
                "Next step: read the logs of Prefect's server and of `deploy`."
            )
        found: dict[str, Any] = response.json()
        return found

    def _answer(self, method: str, path: str, body: object) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body)
        except httpx.TimeoutException:  # as busy as one that says so
            return httpx.Response(HTTPStatus.SERVICE_UNAVAILABLE)
        except httpx.TransportError as error:
            raise TransientError(
                f"Prefect's API does not answer: {error}. Next step: read the server's log."
            ) from error
