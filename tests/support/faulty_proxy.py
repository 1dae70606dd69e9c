"""A real HTTP proxy in front of a repository's server, whose faults are made on purpose."""

import http.client
import math
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_CHUNK_BYTES = 64 * 1024
_NOT_PASSED_ON = {"connection", "keep-alive", "transfer-encoding"}


@dataclass
class Fault:
    """What so many requests meet, or all of them, once `after_bytes` of packs have gone by.

    What is under way then ends in its middle. From then on `status` is answered in the server's place; without one
    every connection ends at once, as where there is no server.
    """

    after_bytes: int
    status: int | None = None
    requests: int | None = None
    met: int = 0


class _Cut(Exception):
    """The connection ends here."""


class FaultyProxy(ThreadingHTTPServer):
    """Listens on a port of its own. `fault`, `bytes_a_second` and `held` may be changed while it runs.

    Requests that fit the pattern `held`, as `DELETE /odoo/data/`, never reach the server: they wait until `let_go`.
    """

    daemon_threads = True

    def __init__(self, server_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.far = server_port
        self.fault: Fault | None = None
        self.bytes_a_second: int | None = None
        self.held: str | None = None
        self.holds = threading.Event()
        self._let_go = threading.Event()
        self._pack_bytes = 0
        self._lock, self._pace = threading.Lock(), threading.Lock()

    def break_with(self, fault: Fault) -> None:
        """Count packs' bytes from now on."""
        with self._lock:
            self._pack_bytes, self.fault = 0, fault

    def meets_fault(self) -> Fault | None:
        """The fault that this request meets, if any."""
        with self._lock:
            fault = self.fault
            if fault is None or self._pack_bytes < fault.after_bytes or fault.met == fault.requests:
                return None
            fault.met += 1
            return fault

    def pass_by(self, chunk: bytes) -> None:
        """Count and slow down a piece of a pack; it may be the last before the server goes away."""
        with self._lock:
            self._pack_bytes += len(chunk)
        if self.bytes_a_second:
            with self._pace:  # all connections together
                time.sleep(len(chunk) / self.bytes_a_second)
        if self.meets_fault():
            raise _Cut

    def hold(self, held: str) -> None:
        """Hold such requests from now on; `holds` is set as soon as there is one."""
        self.holds.clear()
        self._let_go.clear()
        self.held = held

    def let_go(self) -> None:
        """End the connections that are held, and hold no more."""
        self.held = None
        self._let_go.set()

    def has_held(self, request: str) -> bool:
        """Hold a request, if it is one to be held. Returns whether it was."""
        held = self.held is not None and re.match(self.held, request) is not None
        if held:
            self.holds.set()
            self._let_go.wait()
        return held

    def handle_error(self, request: object, client_address: object) -> None:
        """What ends a connection is no news here."""

    @classmethod
    @contextmanager
    def run(cls, server_port: int) -> Iterator["FaultyProxy"]:
        proxy = cls(server_port)
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.let_go()
            proxy.shutdown()
            proxy.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def log_message(self, *_words: object) -> None:
        """Nothing reads it."""

    def _pass_on(self) -> None:
        self.close_connection = True
        if self.server.has_held(f"{self.command} {self.path}"):
            return
        fault = self.server.meets_fault()
        if fault and fault.status:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_error(fault.status)
        elif fault is None:
            with suppress(_Cut, OSError):
                self._forward()

    def _forward(self) -> None:
        far = http.client.HTTPConnection("127.0.0.1", self.server.far)
        far.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _NOT_PASSED_ON:
                far.putheader(name, value)
        far.endheaders()
        for chunk in self._pieces(self.rfile, int(self.headers.get("Content-Length", 0))):
            far.send(chunk)
        answer = far.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            for chunk in self._pieces(answer, math.inf if answer.length is None else answer.length):
                self.wfile.write(chunk)
        far.close()

    def _pieces(self, stream: "http.client.HTTPResponse | object", length: float) -> Iterator[bytes]:
        while length > 0 and (chunk := stream.read(int(min(_CHUNK_BYTES, length)))):  # type: ignore[attr-defined]
            length -= len(chunk)
            if "/data/" in self.path:
                self.server.pass_by(chunk)
            yield chunk


for _method in ("GET", "HEAD", "POST", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler._pass_on)
