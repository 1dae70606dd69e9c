"""Odoo as a person's browser sees it: log in, read and write records, fetch files."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from odoo_ops.errors import TransientError, VerificationFailed

LOGIN = "admin"
PASSWORD = "admin"  # noqa: S105 - Odoo's own default; it listens on 127.0.0.1 alone
_LOOPBACK = "127.0.0.1"
_TIME_LIMIT_SECONDS = 120


@dataclass(frozen=True)
class OdooAddress:
    """Where an Odoo is found on this machine.

    Attributes:
        authority: certificate of the authority that signed its own; None: it is reached without TLS.
        host: its name, which need not be known to a name server.
    """

    port: int
    authority: Path | None = None
    host: str = _LOOPBACK

    @property
    def url(self) -> str:
        """As a browser is told."""
        return f"{self._scheme}://{self.host}:{self.port}"

    @property
    def _scheme(self) -> str:
        return "https" if self.authority else "http"

    @contextmanager
    def opened(self) -> Iterator[httpx.Client]:
        """A client that looks for the name on this machine, and trusts the authority and no other."""
        with httpx.Client(
            base_url=f"{self._scheme}://{_LOOPBACK}:{self.port}",
            headers={"Host": f"{self.host}:{self.port}"},
            verify=ssl.create_default_context(cafile=self.authority) if self.authority else True,
            event_hooks={"request": [self._ask_for_name]},
            timeout=_TIME_LIMIT_SECONDS,
            trust_env=False,
        ) as http:
            yield http

    def _ask_for_name(self, request: httpx.Request) -> None:
        request.extensions["sni_hostname"] = self.host


class OdooClient:
    """A session of one user."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def call(self, model: str, method: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - any method of Odoo's
        """Call a method of a model. Raises VerificationFailed with Odoo's own words when it refuses."""
        parameters = {"model": model, "method": method, "args": arguments, "kwargs": options}
        return self.post(f"/web/dataset/call_kw/{model}/{method}", parameters)

    def post(self, path: str, parameters: dict[str, Any]) -> Any:  # noqa: ANN401 - as `call`
        """Send one JSON-RPC request; raises as `call` does."""
        body = {"jsonrpc": "2.0", "method": "call", "params": parameters}
        answer = self._answer("POST", path, json=body).json()
        if "error" in answer:
            error = answer["error"]
            said = error.get("data", {}).get("message") or error["message"]
            raise VerificationFailed(f"Odoo refused {path}: {said}. Next step: read its log.")
        return answer["result"]

    def file(self, attachment: int) -> bytes:
        """The content of an attachment, as a browser downloads it."""
        return self._answer("GET", f"/web/content/{attachment}").content

    def _answer(self, method: str, path: str, json: object = None) -> httpx.Response:
        try:
            response = self._http.request(method, path, json=json)
        except httpx.TransportError as error:
            raise TransientError(f"Odoo does not answer {path}: {error}. Next step: read its log.") from error
        if response.status_code != HTTPStatus.OK:
            raise VerificationFailed(f"Odoo answers {path} with {response.status_code}. Next step: read its log.")
        return response


@contextmanager
def logged_in(address: OdooAddress, database: str) -> Iterator[OdooClient]:
    """A session of the administrator. Raises VerificationFailed when the login is refused."""
    with address.opened() as http:
        client = OdooClient(http)
        session = client.post("/web/session/authenticate", {"db": database, "login": LOGIN, "password": PASSWORD})
        if not session.get("uid"):
            raise VerificationFailed(f"Odoo does not let {LOGIN} in. Next step: read its log.")
        yield client


def answers(address: OdooAddress) -> bool:
    """Whether Odoo shows its login page: the database is there and all its modules are loaded."""
    try:
        with address.opened() as http:
            return http.get("/web/login").status_code == HTTPStatus.OK
    except httpx.TransportError:
        return False
