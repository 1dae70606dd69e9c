"""A real git server by HTTP on this machine: git's own `http-backend`, for those who know the token, or for all."""

import base64
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class GitServer(ThreadingHTTPServer):
    """Serves the repositories of a folder on a port of its own."""

    daemon_threads = True

    def __init__(self, folder: Path, token: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        self.expected = None if token is None else f"Basic {basic}"
        self.logins: set[str | None] = set()

    @classmethod
    @contextmanager
    def run(cls, folder: Path, token: str | None) -> Iterator["GitServer"]:
        with cls(folder, token) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class _Handler(BaseHTTPRequestHandler):
    server: GitServer

    def do_GET(self) -> None:
        login = self.headers.get("Authorization")
        self.server.logins.add(login)
        if self.server.expected not in (None, login):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        head, _, body = self._answer().partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        fields = {name: value for name, value in lines if name != "Status"}
        self.send_response(next((int(value.split()[0]) for name, value in lines if name == "Status"), 200))
        for name, value in {**fields, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the base class calls it so

    def _answer(self) -> bytes:
        """What `git http-backend` says, as a CGI program (git-http-backend)."""
        path, _, query = self.path.partition("?")
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        program = shutil.which("git")
        assert program, "git is missing"
        variables = {
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            [program, "http-backend"], input=sent, env={**os.environ, **variables}, capture_output=True, check=True
        )
        return done.stdout

    def log_message(self, *_arguments: object) -> None:
        """A test's output is its own."""
