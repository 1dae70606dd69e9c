"""A fetched commit of addons is looked at by the real pylint-odoo and the real pip-audit."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from addons_repository import SHELF, AddonsServer
from real_sshd import RealSshd

from blocks import OdooEnvironment
from odoo_ops.model.addons import AddonsRepository, ReleasePolicy
from odoo_ops.model.checks import Check
from odoo_ops.runtimes.commit_checks import check_commit

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.sshd]

_KNOWN = "GHSA-0000-0000-0000"


class _Vulnerabilities(BaseHTTPRequestHandler):
    """A stand-in for osv.dev, which cannot be reached here: it knows of one. It cannot show what osv.dev answers."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]
        fixed = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}
        known = {"id": _KNOWN, "affected": [{"package": asked, "ranges": [fixed]}]}
        self._answer({"vulns": [known]} if asked["name"] == "ill" else {})

    def _answer(self, value: object) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing."""


@pytest.fixture
def vulnerabilities(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Vulnerabilities)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", f"http://127.0.0.1:{server.server_port}/")
    yield
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(sshd_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AddonsServer]:
    with RealSshd.run(sshd_program, tmp_path_factory.mktemp("sshd")) as sshd:
        yield AddonsServer.make(sshd, tmp_path_factory.mktemp("git"))


def judged(site: Site, server: AddonsServer, files: dict[str, str], **asked: object) -> Check:
    """What is said of a commit of these files, in a checkout as `fetch_addons` leaves it."""
    server.push(files)
    return judged_as_it_is(site, server, **asked)


def judged_as_it_is(site: Site, server: AddonsServer, shown: list[str] | None = None, **asked: object) -> Check:
    fields = server.repository(site.folder / "ours").model_dump() | asked
    repository = AddonsRepository.model_validate(fields)
    site.register(release=ReleasePolicy(addons=(repository,)))
    shown = list[str]() if shown is None else shown
    runtime = OdooEnvironment.open(site.name)
    (check,) = check_commit(runtime, repository, str(server.work), runtime.for_foreign_programs, shown.append)
    return check


def test_pylint_odoo_names_what_it_finds_and_passes_what_is_well(site: Site, server: AddonsServer) -> None:
    files = {**SHELF, "shelf/README.rst": "Shelf\n"}
    found = judged(site, server, files, pylint_odoo=True)
    assert found.outcome == "passed", found.detail
    bad = files["shelf/shelf.py"] + "\n\ndef look(cr, name):\n    cr.execute('SELECT %s' % name)\n"
    found = judged(site, server, {**files, "shelf/shelf.py": bad}, pylint_odoo=True)
    assert found.outcome == "failed"
    assert "sql-injection" in found.detail
    many = "".join(f"\n\ndef look_{count}(cr, name):\n    cr.execute('SELECT %s' % name)\n" for count in range(30))
    server.push({**files, "shelf/shelf.py": files["shelf/shelf.py"] + many})
    shown = list[str]()
    assert judged_as_it_is(site, server, shown, pylint_odoo=True).outcome == "failed"
    assert len([line for line in shown if "sql-injection" in line]) == 30
    chosen = {".pylintrc": "[MESSAGES CONTROL]\ndisable=all\nenable=print-used\n"}
    found = judged(site, server, {**files, **chosen, "shelf/shelf.py": bad}, pylint_odoo=True)
    assert found.outcome == "passed", found.detail


def test_audit_wants_pinned_requirements_without_known_vulnerabilities(
    site: Site,
    server: AddonsServer,
    vulnerabilities: None,  # noqa: ARG001 - pip-audit asks it
) -> None:
    found = judged(site, server, {**SHELF}, audit=True)
    assert (found.outcome, found.detail) == ("passed", "it has no requirements.txt")
    found = judged(site, server, {**SHELF, "requirements.txt": "well==1.0\n"}, audit=True)
    assert (found.outcome, found.detail) == ("passed", "1 packages")
    found = judged(site, server, {**SHELF, "requirements.txt": "well==1.0\nill==1.0\n"}, audit=True)
    assert (found.outcome, found.detail) == ("failed", f"ill 1.0: {_KNOWN} (mended in 2.0)")
    found = judged(site, server, {**SHELF, "requirements.txt": "well>=1.0\n"}, audit=True)
    assert found.outcome == "failed"
    assert "well is not pinned to an exact version" in found.detail
    constrained = {"requirements.txt": "-c constraints.txt\nwell\nill==1.0\n", "constraints.txt": "well==1.0\n"}
    found = judged(site, server, {**SHELF, **constrained}, audit=True)
    assert (found.outcome, "well is not pinned" in found.detail) == ("failed", True), "no part of it goes unaudited"
    found = judged(site, server, {**SHELF, "requirements.txt": "-c nowhere.txt\nill==1.0\n"}, audit=True)
    assert (found.outcome, found.detail) == ("failed", f"ill 1.0: {_KNOWN} (mended in 2.0)")
    found = judged(site, server, {**SHELF, "requirements.txt": "ill==1.0\n==\n"}, audit=True)
    assert (found.outcome, "invalid specifier" in found.detail) == ("failed", True), "one line turns no audit off"
    found = judged(site, server, {**SHELF, "requirements.txt": "well>=1.0\n"}, audit=True)
    assert judged_as_it_is(site, server).outcome == "failed", "so it is where nothing is said of it"
    found = judged_as_it_is(site, server, audit=False)
    assert found.outcome == "not measured", "it is not wanted, and nothing is refused"
    assert found.detail.startswith("not pinned to an exact version there: well>=1.0; known vulnerabilities are not")


def test_audit_without_data_is_not_measured(site: Site, server: AddonsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", "http://127.0.0.1:1/")
    found = judged(site, server, {**SHELF, "requirements.txt": "well==1.0\n"}, audit=True)
    assert found.outcome == "not measured"
    assert "onnection" in found.detail


def test_checker_that_is_not_there_is_named(site: Site, server: AddonsServer, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text('#!/bin/sh\nexec /usr/bin/python3 -I "$@"\n')
    bare.chmod(0o755)
    site.register_host(python=str(bare))
    found = judged(site, server, {**SHELF}, pylint_odoo=True)
    assert (found.outcome, found.detail) == ("failed", f"{bare} has no pylint-odoo: install it there")


def test_what_a_check_adds_is_deleted_also_where_it_is_ignored_and_in_submodules(
    site: Site, server: AddonsServer
) -> None:
    server.push({**SHELF, ".gitignore": "*.log\n"})
    other = AddonsServer(server.sshd, server.bare.with_name("other.git"), server.work.with_name("other"))
    other.begin()
    other.push({"more/__manifest__.py": "{}\n"})
    server.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.bare), "other")
    server.commit()
    before = sorted(path for path in server.work.rglob("*") if ".git" not in path.parts)
    writes = "echo '{}' | tee shelf/x.json other/more/x.json more.log; mkdir made; git init --quiet made/nested"
    found = judged_as_it_is(site, server, checks=(("sh", "-c", writes),))
    assert found.outcome == "passed", found.detail
    assert sorted(path for path in server.work.rglob("*") if ".git" not in path.parts) == before
