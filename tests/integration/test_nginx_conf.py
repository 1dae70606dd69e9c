"""The rendered nginx.conf in a real nginx, before a server that repeats what it is asked."""

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from provisioned import STAGES, files_of
from real_processes import wait_until

from deployments.engines.ports import free_port, is_free
from deployments.engines.process import run
from odoo_ops.render import render

Require = Callable[[str, Path | None, str], Path]


class Odoo(BaseHTTPRequestHandler):
    """Answers every request with a page that names it, a cookie, and the headers that came."""

    def do_GET(self) -> None:
        sends_file = self.path.startswith("/web/content/")
        page = f"<html><body>{self.path}</body></html>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        if "/static/" in self.path:
            self.send_header("Cache-Control", "no-cache")
            self.send_header("Served", str(time.monotonic_ns()))
        else:
            self.send_header("Set-Cookie", "session_id=abc; Path=/; HttpOnly")
        if "/embed/" in self.path:
            self.send_header("Access-Control-Allow-Origin", "*")
        for name, value in self.headers.items():
            self.send_header(f"Seen-{name}", value)
        if sends_file:
            self.send_header("X-Accel-Redirect", "/web/filestore/erp/ab/abcdef")
            self.send_header("Content-Security-Policy", "default-src 'none'")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@dataclass(frozen=True)
class Edge:
    """A running nginx."""

    http_port: int
    https_port: int
    log: Path
    certificate: Path

    def get(
        self, path: str, host: str, *, tls: bool = True, method: str = "GET", content: bytes = b"", **headers: str
    ) -> httpx.Response:
        """Ask for a page of a host, which is this machine."""
        scheme, port = ("https", self.https_port) if tls else ("http", self.http_port)
        with httpx.Client(verify=False, http2=False, trust_env=False) as client:  # noqa: S501 - the test's own certificate
            request = client.build_request(
                method,
                f"{scheme}://127.0.0.1:{port}{path}",
                headers={"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}},
                content=content,
                extensions={"sni_hostname": host},
            )
            return client.send(request)


@pytest.fixture(scope="module")
def nginx_program(require: Require) -> Path:
    import shutil

    found = shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/usr/bin")
    return require("nginx", Path(found) if found else None, "apt-get install nginx-light")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    names = ["-keyout", folder / "key.pem", "-out", folder / "certificate.pem"]
    run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-noenc",
            "-days",
            "2",
            "-subj",
            "/CN=erp.example.com",
            *names,
        ]
    )
    return folder


def placed(
    stage: str,
    folder: Path,
    certificates: Path,
    replaced: Mapping[str, str],
    operators: Sequence[str] = (),
    *,
    proxies: Sequence[str] = (),
) -> Path:
    """A stage's nginx.conf with addresses and folders of the test."""
    files = files_of(stage, body_limit_bytes=2**20, operator_networks=list(operators), trusted_proxies=list(proxies))
    conf = files["config/nginx/nginx.conf"].content.get_secret_value()
    places = {
        "/etc/nginx-tls": str(certificates),
        "/var/tmp/": f"{folder}/",  # noqa: S108
        "/tmp/": f"{folder}/",  # noqa: S108
        "/dev/stdout": f"{folder}/access.log",
        **replaced,
    }
    conf = re.sub("|".join(map(re.escape, places)), lambda found: places[found[0]], conf)
    path = folder / "nginx.conf"
    path.write_text(conf)
    return path


@pytest.mark.parametrize("stage", STAGES)
def test_nginx_accepts_the_configuration(nginx_program: Path, certificates: Path, tmp_path: Path, stage: str) -> None:
    conf = placed(stage, tmp_path, certificates, {})
    done = subprocess.run([nginx_program, "-t", "-c", conf], capture_output=True, text=True, check=True)
    assert "test is successful" in done.stderr
    assert re.findall(r"\[(?:warn|error|emerg)\].*", done.stderr) == []


@contextmanager
def served(
    stage: str,
    nginx_program: Path,
    certificates: Path,
    folder: Path,
    operators: Sequence[str] = (),
    *,
    proxies: Sequence[str] = (),
) -> Iterator[Edge]:
    """nginx of a stage before the repeating server."""
    ports = {"8080": free_port(), "8443": free_port(), "127.0.0.1:8081": free_port()}
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Odoo)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{upstream.server_port}"
    filestore = folder / "filestore"
    (filestore / "erp" / "ab").mkdir(parents=True)
    (filestore / "erp" / "ab" / "abcdef").write_text("an attachment")
    folder.chmod(0o755)
    replaced = {f"http://$odoo_host:{port}": address for port in (8069, 8072)}
    replaced |= {"/var/lib/odoo/filestore": str(filestore), "/etc/nginx-odoo/": f"{folder}/"}
    replaced |= {f"listen {port}": f"listen 127.0.0.1:{own}" for port, own in ports.items()}
    conf = placed(stage, folder, certificates, replaced, operators, proxies=proxies)
    words = [nginx_program, "-c", conf, "-g", "daemon off; user root;"]
    process = subprocess.Popen(words, stderr=(folder / "error.log").open("w"))
    try:
        wait_until(lambda: process.poll() is not None or not is_free(ports["8080"]), "nginx listens")
        assert process.poll() is None, (folder / "error.log").read_text()
        yield Edge(ports["8080"], ports["8443"], folder / "access.log", certificates / "certificate.pem")
    finally:
        process.terminate()
        process.wait()
        upstream.shutdown()
        upstream.server_close()


class TestProduction:
    @pytest.fixture(scope="class")
    def edge(self, nginx_program: Path, certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
        with served("production", nginx_program, certificates, tmp_path_factory.mktemp("nginx")) as running:
            yield running

    def test_pages_come_with_headers_that_protect_them(self, edge: Edge) -> None:
        answer = edge.get("/odoo", "erp.example.com")
        assert answer.status_code == 200
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
        cookie = answer.headers["Set-Cookie"].lower()
        assert "secure" in cookie
        assert "samesite=lax" in cookie
        assert "erp-production" not in answer.text, "no banner"

    def test_odoo_is_told_who_asks_and_how(self, edge: Edge) -> None:
        seen = edge.get("/odoo", "shop.example.com", X_Forwarded_For="6.6.6.6", X_Odoo_Database="other").headers
        assert seen["Seen-X-Forwarded-Host"] == seen["Seen-Host"] == "shop.example.com"
        assert seen["Seen-X-Forwarded-Proto"] == "https"
        assert seen["Seen-X-Forwarded-For"] == "127.0.0.1"
        assert "Seen-X-Odoo-Database" not in seen

    def test_websocket_is_upgraded_and_other_requests_are_not(self, edge: Edge) -> None:
        seen = edge.get("/websocket", "erp.example.com", Upgrade="websocket", Connection="Upgrade").headers
        assert (seen["Seen-Upgrade"], seen["Seen-Connection"]) == ("websocket", "upgrade")
        assert "Seen-Upgrade" not in edge.get("/odoo", "erp.example.com").headers

    @pytest.mark.parametrize(
        "path", ["/web/database/manager", "/web/database", "//web//database/create", "/fr/web/database/drop"]
    )
    def test_database_manager_is_closed(self, edge: Edge, path: str) -> None:
        assert edge.get(path, "erp.example.com").status_code == 404

    def test_http_leads_to_https(self, edge: Edge) -> None:
        answer = edge.get("/shop?a=b", "shop.example.com", tls=False)
        assert (answer.status_code, answer.headers["Location"]) == (308, "https://shop.example.com/shop?a=b")

    def test_nobody_is_served_under_another_name(self, edge: Edge) -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            edge.get("/", "evil.example.com", tls=False)
        with pytest.raises(httpx.ConnectError):
            edge.get("/", "evil.example.com")

    def test_attachments_are_sent_from_the_filestore_and_only_when_odoo_says_so(self, edge: Edge) -> None:
        answer = edge.get("/web/content/7", "erp.example.com")
        assert answer.text == "an attachment"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'", "as Odoo said"
        assert answer.headers["Strict-Transport-Security"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert edge.get("/web/filestore/erp/ab/abcdef", "erp.example.com").status_code == 404

    def test_guessing_passwords_is_slowed_down_and_looking_at_the_page_is_not(self, edge: Edge) -> None:
        tried = [edge.get("/web/login", "erp.example.com", method="POST").status_code for _ in range(25)]
        assert tried[:20] == [200] * 20
        assert 429 in tried[20:]
        assert edge.get("/web/login", "erp.example.com").status_code == 200
        for path in (
            "/fr/web/login",
            "/web/session/authenticate",
            "/xmlrpc/common",
            "/xmlrpc/2/common",
            "//xmlrpc//2/common/",
        ):
            assert edge.get(path, "erp.example.com", method="POST").status_code == 429, path

    def test_calls_that_bring_a_password_are_slowed_down_where_an_integration_does_not_come(self, edge: Edge) -> None:
        asked = {"headers": {"Host": "erp.example.com"}, "extensions": {"sni_hostname": "erp.example.com"}}
        paths = ("/jsonrpc", "/xmlrpc/object", "/xmlrpc/2/object", "/fr/jsonrpc/")
        with httpx.Client(base_url=f"https://127.0.0.1:{edge.https_port}", verify=False, trust_env=False) as client:  # noqa: S501
            tried = [client.post(paths[number % 4], **asked).status_code for number in range(600)]
            assert tried[:100] == [200] * 100
            assert {client.post(path, **asked).status_code for path in [*paths] * 3} >= {429}
            assert client.post("/json/2/res.partner/search", **asked).status_code == 200, "its key cannot be guessed"

    def test_listed_sites_may_call_and_others_may_not(self, edge: Edge) -> None:
        question = edge.get("/json/2/x", "erp.example.com", method="OPTIONS", Origin="https://www.example.com")
        assert (question.status_code, question.headers["Access-Control-Allow-Origin"]) == (
            204,
            "https://www.example.com",
        )
        other = edge.get("/odoo", "erp.example.com", Origin="https://evil.example.com")
        assert "Access-Control-Allow-Origin" not in other.headers

    def test_nginx_itself_rules_how_long_it_keeps_static_files(self, edge: Edge) -> None:
        first, second = (edge.get("/base/static/logo.png", "erp.example.com").headers["Served"] for _ in range(2))
        assert first == second

    def test_too_large_an_upload_is_refused(self, edge: Edge) -> None:
        answer = edge.get("/web/binary", "erp.example.com", method="POST", content=b" " * (2**20 + 1))
        assert answer.status_code == 413

    def test_log_tells_no_secret_of_a_link(self, edge: Edge) -> None:
        edge.get("/web/reset_password?token=canary-token", "erp.example.com", Referer="https://erp.example.com/?canary")
        wait_until(lambda: "/web/reset_password" in edge.log.read_text(), "the request is in the log")
        assert "canary" not in edge.log.read_text()

    @pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
    def test_http_2_is_spoken(self, edge: Edge, version: str) -> None:
        address = ["-connect", f"127.0.0.1:{edge.https_port}", "-servername", "erp.example.com"]
        words = ["openssl", "s_client", version, "-alpn", "h2", *address]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        assert b"ALPN protocol: h2" in done.stdout

    def test_older_tls_is_refused(self, edge: Edge) -> None:
        address = ["-connect", f"127.0.0.1:{edge.https_port}", "-servername", "erp.example.com"]
        # its own side of OpenSSL would not ask otherwise
        words = ["openssl", "s_client", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", *address]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert done.returncode
        assert b"alert protocol version" in done.stderr


def test_staging_says_on_every_page_what_it_is(nginx_program: Path, certificates: Path, tmp_path: Path) -> None:
    with served("staging", nginx_program, certificates, tmp_path) as edge:
        answer = edge.get("/odoo", "erp-staging.example.com", Accept_Encoding="gzip")
        assert ">staging: erp-staging</div></body>" in answer.text
        assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("stage", ["staging", "testing"])
def test_who_may_call_is_not_left_to_odoo(nginx_program: Path, certificates: Path, tmp_path: Path, stage: str) -> None:
    host, tls = ("erp-staging.example.com", True) if stage == "staging" else ("erp-testing.localhost", False)
    with served(stage, nginx_program, certificates, tmp_path) as edge:
        answer = edge.get("/embed/x", host, tls=tls, Origin="https://evil.example.com")
        assert not answer.headers.get("Access-Control-Allow-Origin")


def test_testing_is_served_without_tls(nginx_program: Path, certificates: Path, tmp_path: Path) -> None:
    with served("testing", nginx_program, certificates, tmp_path) as edge:
        answer = edge.get("/odoo", "erp-testing.localhost", tls=False)
        assert answer.status_code == 200
        assert "secure" not in answer.headers["Set-Cookie"].lower()


def test_everybody_is_told_to_come_back_while_a_release_is_put_in_place(
    nginx_program: Path, certificates: Path, tmp_path: Path
) -> None:
    (tmp_path / "release.conf").write_text(render("nginx/release.conf", host=None, retry_after_seconds=60))
    with served("staging", nginx_program, certificates, tmp_path) as edge:
        for path in ("/web", "/web/login", "/websocket", "/base/static/logo.png"):
            answer = edge.get(path, "erp-staging.example.com")
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
            assert "Back soon" in answer.text


def test_other_file_than_the_release_s_own_has_no_effect(
    nginx_program: Path, certificates: Path, tmp_path: Path
) -> None:
    (tmp_path / "release-x.conf").write_text(render("nginx/release.conf", host=None, retry_after_seconds=60))
    with served("staging", nginx_program, certificates, tmp_path) as edge:
        assert edge.get("/web", "erp-staging.example.com").status_code == 200


def test_operators_see_odoo_while_everybody_else_is_told_to_come_back(
    nginx_program: Path, certificates: Path, tmp_path: Path
) -> None:
    (tmp_path / "release.conf").write_text(render("nginx/release.conf", host=None, retry_after_seconds=60))
    with served("staging", nginx_program, certificates, tmp_path, ["192.0.2.0/24", "127.0.0.1"]) as edge:
        for path in ("/web", "/web/login", "/base/static/logo.png"):
            assert edge.get(path, "erp-staging.example.com").status_code == 200


@pytest.mark.parametrize("proxies", [["127.0.0.1", "192.0.2.0/24"], ["192.0.2.0/24"]])
def test_logins_count_for_those_whom_a_trusted_proxy_names_and_no_stranger_names_another(
    nginx_program: Path, certificates: Path, tmp_path: Path, proxies: list[str]
) -> None:
    trusted = "127.0.0.1" in proxies
    with served("production", nginx_program, certificates, tmp_path, proxies=proxies) as edge:

        def login(forwarded: str) -> httpx.Response:
            return edge.get("/web/login", "erp.example.com", method="POST", X_Forwarded_For=forwarded)

        seen = login("6.6.6.6, 203.0.113.1, 192.0.2.9").headers["Seen-X-Forwarded-For"]
        assert seen == ("203.0.113.1" if trusted else "127.0.0.1"), "what stands before it is the client's own word"
        assert 429 in [login("203.0.113.1").status_code for _ in range(25)]
        assert login("203.0.113.2").status_code == (200 if trusted else 429)


def test_nginx_accepts_that_a_release_names_a_container(
    nginx_program: Path, certificates: Path, tmp_path: Path
) -> None:
    (tmp_path / "release.conf").write_text(render("nginx/release.conf", host="0123456789ab"))
    conf = placed("production", tmp_path, certificates, {"/etc/nginx-odoo/": f"{tmp_path}/"})
    done = subprocess.run([nginx_program, "-T", "-c", conf], capture_output=True, text=True, check=True)
    assert "set $odoo_host 0123456789ab;" in done.stdout
