"""A running Odoo by HTTP, as a browser reaches it: pages, files and the web client's own RPC."""

import base64
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import VerificationFailed
from odoo_ops.model.sockets import TcpAddress, UnixAddress

_ASSET = re.compile(r"""(?:src|href)=["'](/web/assets/[^"']+)["']""")
_LOGIN = "/web/login"
_WHO = "/web/session/get_session_info"  # only for who logged in; Odoo looks that up where it has a registry
_NOBODY = 100  # its error of that name: the session is over
_PASSING = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}  # a proxy's
_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 120.0
_PORTS = {"http": 80, "https": 443}


class OdooSite:
    """One Odoo, spoken to in one session.

    Args:
        client: speaks to the server.
        url: the address under which messages name it.
        answer_seconds: how long an answer may take.
    """

    def __init__(self, client: httpx.Client, url: str, answer_seconds: float) -> None:
        self._client, self._url, self._answer_seconds = client, url, answer_seconds

    def wait_for_registry(self, database: str, seconds: float) -> None:
        """Wait until Odoo has the registry of a database: it then says that nobody is logged in there.

        No page is made for that, and no user is read. `/web/health` would not do: it answers without a database, too.

        Args:
            database: it is asked for by name, in case the server has several.
            seconds: how long to wait at the most.

        Raises:
            VerificationFailed: nobody answered in time, or it has no registry of that database.
        """
        deadline, said = time.monotonic() + seconds, "nothing"
        while (left := deadline - time.monotonic()) > 0:
            timeout = min(left, self._answer_seconds)
            try:
                # makes it the database of this session, and leads to the login page
                self._client.get("/web", params={"db": database}, follow_redirects=False, timeout=timeout)
                answer = self._client.post(_WHO, json={"jsonrpc": "2.0", "params": {}}, timeout=timeout)
            except httpx.RequestError as error:
                said = type(error).__name__
            else:
                said = _said_of_registry(answer)
                if not said:
                    return
                if answer.status_code not in _PASSING:
                    break
            time.sleep(_POLL_SECONDS)
        raise VerificationFailed(
            f"Odoo at {self._url} has no registry of the database {database!r}: {said}. Next step: read Odoo's log."
        )

    def wait_for_login_page(self, database: str, seconds: float, still_runs: Callable[[], None]) -> str:
        """The login page's HTML, once it answers: then the registry of the database is loaded.

        `/web/health` would not do: it answers before.

        Args:
            database: it is asked for by name, in case the server has several.
            seconds: how long to wait at the most.
            still_runs: called between two tries; raises when waiting is of no use any more.

        Raises:
            VerificationFailed: it did not answer in time, or not with status 200.
        """
        deadline, said = time.monotonic() + seconds, "nothing"
        while (left := deadline - time.monotonic()) > 0:
            still_runs()
            try:
                answer = self._client.get(_LOGIN, params={"db": database}, timeout=min(left, self._answer_seconds))
            except httpx.RequestError as error:
                said = type(error).__name__
            else:
                if answer.status_code == HTTPStatus.OK and answer.url.path.endswith(_LOGIN):
                    return answer.text
                said = f"status {answer.status_code} on {answer.url.path}"
                if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
                    break  # the registry does not load: it will not by itself (502 and 503 are a proxy's, they pass)
            time.sleep(_POLL_SECONDS)
        late = f" ({seconds:.0f} s were left)" if time.monotonic() >= deadline else ""
        raise VerificationFailed(f"{self._url}{_LOGIN} does not answer: {said}{late}. Next step: read Odoo's log.")

    def read_assets(self) -> list[str]:
        """Fetch the scripts and styles that the login page names. Returns their paths; raises VerificationFailed."""
        page = self._get(_LOGIN).text
        paths = sorted(set(_ASSET.findall(page)))
        if not paths:
            raise VerificationFailed("The login page names no script and no style.")
        for path in paths:
            answer = self._get(path)
            # with x_sendfile Odoo names the file instead, for the proxy to send it
            given = answer.content or answer.headers.get("X-Accel-Redirect")
            if answer.status_code != HTTPStatus.OK or not given:
                raise VerificationFailed(f"{path}: status {answer.status_code}, {len(answer.content)} bytes.")
        return paths

    def open_page(self, path: str) -> None:
        """Open a page. Raises VerificationFailed where it does not answer with status 200, or the login page does."""
        answer = self._get(path)
        if answer.status_code != HTTPStatus.OK:
            raise VerificationFailed(f"{path}: status {answer.status_code}.")
        if answer.url.path.endswith(_LOGIN) and not urlsplit(path).path.endswith(_LOGIN):
            raise VerificationFailed(
                f"{path} leads to the login page, which says nothing about it. Next step: let the addons show it to "
                "everybody, or name a page that they do show."
            )

    def log_in(self, database: str, login: str, password: str) -> int:
        """Log in and return the user's id. Raises VerificationFailed."""
        session = self._rpc("/web/session/authenticate", {"db": database, "login": login, "password": password})
        if not isinstance(session, dict) or not session.get("uid"):
            raise VerificationFailed(f"Odoo does not let {login} log in.")
        return int(session["uid"])

    def call(self, model: str, method: str, *arguments: Any, **keywords: Any) -> Any:
        """Call a model's method as the user who logged in. Raises VerificationFailed."""
        return self._rpc(
            f"/web/dataset/call_kw/{model}/{method}",
            {"model": model, "method": method, "args": list(arguments), "kwargs": keywords},
        )

    def count(self, model: str) -> int:
        """Records of a model that the user may see, archived ones too."""
        return int(self.call(model, "search_count", [], context={"active_test": False}))

    def read_one(self, model: str) -> None:
        """Read all that the user may see of a record, as its form does: a count computes no field.

        Raises VerificationFailed where a field cannot be read.
        """
        self.call(model, "search_read", [], limit=1, context={"active_test": False, "bin_size": True})

    def read_attachment_sha1(self, attachment: int) -> str:
        """sha1 of an attachment's content as Odoo serves it."""
        (record,) = self.call("ir.attachment", "read", [attachment], ["datas"])
        content = base64.b64decode(record["datas"] or "")
        return hashlib.sha1(content, usedforsecurity=False).hexdigest()

    def has_module(self, name: str) -> bool:
        """Whether a module is installed. Raises VerificationFailed."""
        return bool(self.call("ir.module.module", "search_count", [("name", "=", name), ("state", "=", "installed")]))

    def find_invoice(self) -> int | None:
        """The newest posted customer invoice that the user may read. Raises VerificationFailed."""
        if not self.call("account.move", "has_access", [], "read"):
            return None
        posted = [("move_type", "=", "out_invoice"), ("state", "=", "posted")]
        found = self.call("account.move", "search", posted, limit=1, order="id desc")
        return int(found[0]) if found else None

    def print_invoice(self, invoice: int) -> int:
        """Print an invoice as Odoo sends it to customers, by wkhtmltopdf. Returns its bytes.

        The report's styles are fetched from this server, whatever address the database names.
        Raises VerificationFailed when it is not a whole PDF.
        """
        self.call("ir.config_parameter", "set_param", "report.url", self._url)
        path = f"/report/pdf/account.report_invoice/{invoice}"
        answer = self._get(path)
        content = answer.content
        if answer.status_code != HTTPStatus.OK or not content.startswith(b"%PDF") or b"%%EOF" not in content[-1024:]:
            raise VerificationFailed(
                f"{path}: status {answer.status_code}, {len(content):,} bytes that are not a whole PDF. "
                "Next step: read Odoo's log, and try wkhtmltopdf on that host."
            )
        return len(content)

    def _get(self, path: str) -> httpx.Response:
        try:
            return self._client.get(path)
        except httpx.RequestError as error:
            raise VerificationFailed(f"{path}: {type(error).__name__}: {error}") from None

    def _rpc(self, path: str, params: dict[str, Any]) -> Any:
        try:
            answer = self._client.post(path, json={"jsonrpc": "2.0", "method": "call", "params": params})
            answer.raise_for_status()
            message = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise VerificationFailed(f"{path}: {type(error).__name__}: {error}") from None
        if "error" in message:
            data = message["error"].get("data", {})
            raise VerificationFailed(f"{path}: {data.get('name', 'error')}: {data.get('message', '')}")
        return message.get("result")  # Odoo leaves it out where it is null


def _said_of_registry(answer: httpx.Response) -> str:
    """What an Odoo says that has no registry of the database; "": it has one."""
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return "it has no such database there, or could not load it"
    try:
        error = answer.json()["error"]
        return "" if error["code"] == _NOBODY else f"{error['data']['name']}: {error['data']['message']}"
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"


@contextmanager
def open_site(host: HostAdapter, url: str, *, answer_seconds: float = _ANSWER_SECONDS) -> Iterator[OdooSite]:
    """The Odoo that answers at `url` as its host sees it; no answer may take longer than `answer_seconds`."""
    parts = urlsplit(url)
    target = TcpAddress(host=parts.hostname or "", port=parts.port or _PORTS[parts.scheme])
    with host.tunnel(target) as address:
        transport = httpx.HTTPTransport(uds=address.path) if isinstance(address, UnixAddress) else None
        with httpx.Client(
            base_url=url, transport=transport, timeout=answer_seconds, follow_redirects=True, trust_env=False
        ) as client:
            yield OdooSite(client, url, answer_seconds)
