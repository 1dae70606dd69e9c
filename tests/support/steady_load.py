"""A steady load of requests on a site, of which each is answered, failed, or was asked again, and nothing else.

A GET on a connection that was kept, and that was closed before an answer began, is asked again, once: so browsers do,
as HTTP allows (RFC 9110, 9.2.2; RFC 9112, 9.3.1), since a server closes kept connections when it likes. No POST is, and
nothing that was the first on its connection: where the site loses one of these, it failed.
"""

import itertools
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from provisioned_site import Provisioned

_PAUSE_SECONDS = 0.2  # between requests of one kind: a steady load, no heavy one


class Load:
    """Requests, each kind one after the other: quick ones on a connection that is kept, quick ones to read and to post
    each on one of its own, and slow ones.

    Attributes:
        agent: what the site's log calls who asked.
        answers: status of each.
        failed: what went wrong instead of an answer.
        repeated: what was asked again; what came of it is in the other two.
        hosts: path -> when an answer came, and from which container.
        retry_after: what answers with status 503 said of when to come back.
        pages: what was shown of the shelf, each once.
    """

    def __init__(self, browser: Callable[[], httpx.Client]) -> None:
        self.agent = f"steady-load-{secrets.token_hex(4)}"
        self.answers: list[int] = []
        self.failed: list[str] = []
        self.repeated: list[str] = []
        self.hosts: dict[str, list[tuple[float, str]]] = {"/shelf/host": [], "/shelf/slow": []}
        self.retry_after: set[str | None] = set()
        self.pages: set[str] = set()
        self._browser = browser
        self._ended = threading.Event()

    def __str__(self) -> str:
        answers = ", ".join(f"{count} with {status}" for status, count in sorted(Counter(self.answers).items()))
        return f"answered: {answers}; asked again on a new connection: {len(self.repeated)}; failed: {self.failed}"

    def ask(self) -> None:
        with self._opened() as kept:
            while not self._ended.wait(_PAUSE_SECONDS):
                self.send(kept, "GET", "/shelf")

    def ask_anew(self) -> None:
        for method in itertools.cycle(("GET", "POST")):
            if self._ended.wait(_PAUSE_SECONDS):
                return
            with self._opened() as own:
                self.send(own, method, "/shelf/host")

    def ask_slowly(self) -> None:
        while not self._ended.is_set():
            with self._opened() as own:
                self.send(own, "GET", "/shelf/slow")

    def _opened(self) -> httpx.Client:
        browser = self._browser()
        browser.headers["User-Agent"] = self.agent
        return browser

    def send(self, browser: httpx.Client, method: str, path: str) -> None:
        """Ask, and note what came of it."""
        try:
            answer = self._answer(browser, method, path)
        except httpx.HTTPError as error:
            self.failed.append(f"{method} {path}: {error!r}")
            return
        self.answers.append(answer.status_code)
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            self.retry_after.add(answer.headers.get("Retry-After"))
        if path == "/shelf":
            self.pages.add(answer.text)
        if path in self.hosts:
            self.hosts[path].append((time.monotonic(), answer.text))

    def _answer(self, browser: httpx.Client, method: str, path: str) -> httpx.Response:
        happened = set[str]()
        try:
            return browser.request(method, path, extensions={"trace": lambda event, _: happened.add(event)})
        except (httpx.RemoteProtocolError, httpx.ReadError):
            first = "connection.connect_tcp.started" in happened
            if method != "GET" or first or "http11.receive_response_headers.complete" in happened:
                raise
        self.repeated.append(path)
        return browser.request(method, path)

    def end(self) -> None:
        self._ended.set()

    def last_of(self, host: str) -> float:
        """When a quick request was answered by a container for the last time."""
        return max(at for at, answered in self.hosts["/shelf/host"] if answered == host)


@contextmanager
def load(site: Provisioned, *, slow: bool = True) -> Iterator[Load]:
    """A steady load for as long as the block lasts."""
    made = Load(site.browser)
    asks = (made.ask, made.ask_anew, *((made.ask_slowly,) if slow else ()))
    threads = [threading.Thread(target=ask) for ask in asks]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.end()
        for thread in threads:
            thread.join()
