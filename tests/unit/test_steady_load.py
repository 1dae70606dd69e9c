"""What the load of the release tests takes for a failed request, on a server that closes its connections as told."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from steady_load import Load

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class _Server(socketserver.ThreadingTCPServer):
    """Gives each connection the next of these lists of answers, one a request, and closes it after the last."""

    daemon_threads = True

    def __init__(self, *connections: tuple[bytes, ...]) -> None:
        self.connections = iter(connections)
        super().__init__(("127.0.0.1", 0), _Answers)


class _Answers(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        for answer in next(self.server.connections):
            while self.rfile.readline().strip():
                pass
            self.wfile.write(answer)


@contextmanager
def _asked(method: str, *connections: tuple[bytes, ...]) -> Iterator[Load]:
    """A load that has asked twice on one connection."""
    with _Server(*connections) as server:
        threading.Thread(target=server.serve_forever).start()
        load = Load(lambda: httpx.Client(trust_env=False, base_url=f"http://127.0.0.1:{server.server_address[1]}"))
        try:
            with load._opened() as kept:
                for _ in range(2):
                    load.send(kept, method, "/shelf")
            yield load
        finally:
            server.shutdown()


def test_get_is_asked_again_when_a_kept_connection_was_closed_without_an_answer() -> None:
    with _asked("GET", (_ANSWER, b""), (_ANSWER,)) as load:
        assert (load.answers, load.failed, load.repeated) == ([200, 200], [], ["/shelf"])


@pytest.mark.parametrize(
    ("method", "connections", "repeated"),
    [
        pytest.param("POST", ((_ANSWER, b""), (_ANSWER,)), [], id="post"),
        pytest.param("GET", ((b"",), (_ANSWER,)), [], id="first on its connection"),
        pytest.param("GET", ((_ANSWER, _ANSWER[:-1]), (_ANSWER,)), [], id="answer that had begun"),
        pytest.param("GET", ((_ANSWER, b""), (b"",), (_ANSWER,)), ["/shelf"], id="asked again in vain"),
    ],
)
def test_request_has_failed_when_it_may_not_be_asked_again(
    method: str, connections: tuple[tuple[bytes, ...], ...], repeated: list[str]
) -> None:
    with _asked(method, *connections) as load:
        assert (load.answers, len(load.failed), load.repeated) == ([200], 1, repeated)
