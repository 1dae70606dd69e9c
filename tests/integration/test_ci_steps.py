"""The scripts that the CI of an addons repository runs, run for real: lint, Odoo's tests, the call."""

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest
from rendered_ci import golden_ci, run_script, scripts

from deployments.ci_files import rendered_ci
from deployments.engines.cluster import PostgresCluster
from deployments.engines.ports import free_port
from odoo_ops.model.pipelines import Forge

SECRET, COMMIT = "canary-webhook-secret", "0123456789abcdef0123456789abcdef01234567"
WITH_KEY = f"whsec_{base64.b64encode(SECRET.encode()).decode()}"
TEST = """
from odoo.tests import TransactionCase
class TestSum(TransactionCase):
    def test_sum(self):
        self.assertEqual(1 + 1, {result})
"""


def add_module(folder: Path, *, result: int | None = None, **changed: object) -> None:
    """A module whose manifest differs so; with a `result` it has a test that says what 1 + 1 is."""
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    manifest = {
        "name": folder.name,
        "version": "19.0.1.0.0",
        "author": "Acme",
        "license": "LGPL-3",
        "depends": ["base"],
        **changed,
    }
    (folder / "__manifest__.py").write_text(repr(manifest))
    (folder / "README.rst").write_text(folder.name)
    if result is not None:
        (folder / "tests").mkdir()
        (folder / "tests/__init__.py").write_text("from . import test_sum")
        (folder / "tests/test_sum.py").write_text(TEST.format(result=result))


class Receiver(ThreadingHTTPServer):
    """Takes calls on loopback, and looks whether any process shows the secret among its arguments."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.url = f"http://127.0.0.1:{self.server_port}/hooks/ci"
        self.answers: list[int] = []
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.shown: list[str] = []


class _Call(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.calls.append(({name.lower(): value for name, value in self.headers.items()}, body))
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = file.read_text(errors="replace")
            except OSError:  # ended meanwhile
                continue
            if SECRET in words or WITH_KEY in words:
                self.server.shown.append(words)
        status = self.server.answers.pop(0) if self.server.answers else 202
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.server.url.replace("/ci", "/other"))
        self.end_headers()
        self.wfile.write(b'{"reason": "taken"}')

    do_GET = do_POST  # noqa: N815 - what a redirected call becomes

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def call(forge: Forge, receiver: Receiver, folder: Path, **changed: str) -> tuple[int, str]:
    variables = {
        "ODOO_OPS_WEBHOOK_URL": receiver.url,
        "ODOO_OPS_WEBHOOK_SECRET": SECRET,
        "REPOSITORY": "acme/addons",
        "REF": "refs/heads/main",
        "BRANCH_NAME": "main",
        "COMMIT": COMMIT,
        "RUN": "71",
        **changed,
    }
    return run_script(scripts(forge, golden_ci(forge))["call"], folder, **variables)


@pytest.mark.parametrize(
    ("forge", "url"),
    [
        (Forge.GITHUB, ""),
        (Forge.GITLAB, ""),
        (Forge.JENKINS, "https://git.example.com:8443/acme/addons.git"),
        (Forge.JENKINS, "https://git.example.com/acme/addons"),
        (Forge.JENKINS, "ssh://git@git.example.com:2222/acme/addons.git"),
        (Forge.JENKINS, "git@git.example.com:acme/addons.git"),
    ],
)
@pytest.mark.parametrize("secret", [SECRET, WITH_KEY])
def test_call_is_signed_and_shows_no_secret(
    forge: Forge, url: str, secret: str, receiver: Receiver, tmp_path: Path
) -> None:
    before = int(time.time())
    status, output = call(forge, receiver, tmp_path, GIT_URL=url, ODOO_OPS_WEBHOOK_SECRET=secret)
    assert (status, output) == (0, '202 {"reason": "taken"}\n')
    [(headers, body)] = receiver.calls
    assert json.loads(body) == {
        "event": "push",
        "repository": "acme/addons",
        "ref": "refs/heads/main",
        "commit": COMMIT,
    }
    identity, moment = headers["webhook-id"], headers["webhook-timestamp"]
    assert before <= int(moment) <= int(time.time())
    signed = hmac.new(SECRET.encode(), f"{identity}.{moment}.".encode() + body, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(signed).decode()}"
    assert receiver.shown == []


def test_call_names_the_tag_that_jenkins_builds(receiver: Receiver, tmp_path: Path) -> None:
    changed = {"GIT_URL": "git@git.example.com:acme/addons.git", "BRANCH_NAME": "v1", "TAG_NAME": "v1", "REF": ""}
    assert call(Forge.JENKINS, receiver, tmp_path, **changed)[0] == 0
    [(_, body)] = receiver.calls
    assert json.loads(body)["ref"] == "refs/tags/v1"


def test_call_has_the_same_id_when_the_job_runs_again_and_another_in_another_run(
    receiver: Receiver, tmp_path: Path
) -> None:
    for run in ("71", "71", "72"):
        assert call(Forge.GITHUB, receiver, tmp_path, RUN=run)[0] == 0
    first, again, other = (headers["webhook-id"] for headers, _ in receiver.calls)
    assert first == again != other


def test_call_is_tried_again_under_the_same_id_when_the_receiver_is_unwell(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers = [503]
    assert call(Forge.GITHUB, receiver, tmp_path)[0] == 0
    first, again = (headers["webhook-id"] for headers, _ in receiver.calls)
    assert first == again


@pytest.mark.parametrize(
    ("answer", "words"), [(401, "refused the call: it answered 401"), (302, "leads elsewhere, and nothing was told")]
)
def test_call_that_was_not_taken_fails_the_job(answer: int, words: str, receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers = [answer]
    status, output = call(Forge.GITHUB, receiver, tmp_path)
    assert status == 1
    assert words in output
    assert SECRET not in output


@pytest.mark.parametrize("missing", ["ODOO_OPS_WEBHOOK_URL", "ODOO_OPS_WEBHOOK_SECRET"])
def test_call_says_what_is_not_set(missing: str, receiver: Receiver, tmp_path: Path) -> None:
    status, output = call(Forge.GITHUB, receiver, tmp_path, **{missing: ""})
    assert status == 1
    assert "Next step: set them" in output
    assert receiver.calls == []


def lint(folder: Path, *checks: str) -> tuple[int, str]:
    """Run the lint; what it installs is here already."""
    script = scripts(Forge.GITHUB, rendered_ci(Forge.GITHUB, checks=checks))["lint"]
    installed = [line for line in script.splitlines() if " -m pip install " not in line]
    assert len(installed) == len(script.splitlines()) - 1
    return run_script("\n".join(installed), folder, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def test_lint_passes_good_modules_and_names_the_mistakes_of_bad_ones(tmp_path: Path) -> None:
    add_module(tmp_path / "first")
    add_module(tmp_path / "addons/second")
    status, output = lint(tmp_path)
    assert status == 0, output
    manifest = tmp_path / "addons/second/__manifest__.py"
    manifest.write_text(manifest.read_text().replace("LGPL-3", "unheard of"))
    status, output = lint(tmp_path)
    assert status != 0
    assert "addons/second/__manifest__.py" in output
    assert "license-allowed" in output
    (tmp_path / ".pylintrc").write_text("[MESSAGES CONTROL]\ndisable=all\nenable=manifest-version-format\n")
    status, output = lint(tmp_path)
    assert status == 0, output


def test_lint_fails_when_a_requirement_is_not_pinned(tmp_path: Path) -> None:
    add_module(tmp_path / "first")
    (tmp_path / "requirements.txt").write_text("# none yet\n")
    status, output = lint(tmp_path)
    assert status == 0, output
    (tmp_path / "requirements.txt").write_text("num2words>=0.5\n")
    status, output = lint(tmp_path)
    assert status != 0
    assert "not pinned to an exact version" in output


def test_lint_fails_when_a_check_of_the_repositorys_own_does(tmp_path: Path) -> None:
    add_module(tmp_path / "first")
    (tmp_path / "check.py").write_text("import sys; print(*sys.argv[1:]); sys.exit(sys.argv[1] == 'bad')")
    status, output = lint(tmp_path, "python3 check.py good --all", "python3 check.py last")
    assert (status, "good --all" in output, "last" in output) == (0, True, True)
    status, output = lint(tmp_path, "python3 check.py bad", "python3 check.py last")
    assert (status, "bad" in output, "last" in output) == (1, True, False)


def test_repository_without_a_module_fails(tmp_path: Path) -> None:
    add_module(tmp_path / "oca/other")
    (tmp_path / "oca/.git").touch()  # as git marks a submodule
    add_module(tmp_path / "unfinished", installable=False)
    status, output = lint(tmp_path)
    assert (status, output) == (
        1,
        "No module was found: no folder here holds a __manifest__.py that may be installed.\n",
    )


@pytest.fixture
def odoo_tests(odoo19: Path, postgres_cluster: PostgresCluster, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables with which the tests of a repository run: a PostgreSQL, and `odoo` on PATH."""
    with psycopg.connect(postgres_cluster.conninfo, autocommit=True) as connection:
        connection.execute("CREATE ROLE odoo SUPERUSER LOGIN PASSWORD 'canary-odoo'")
        (tmp_path / "tmp").mkdir()
        yield {
            "PATH": f"{odoo19.parent}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(postgres_cluster.port),
            "PGUSER": "odoo",
            "PGPASSWORD": "canary-odoo",
            "ODOO_HTTP_PORT": str(free_port()),
            "TMPDIR": str(tmp_path / "tmp"),
        }
        connection.execute("DROP DATABASE IF EXISTS ci (FORCE)")
        connection.execute("DROP ROLE odoo")


@pytest.mark.odoo
@pytest.mark.postgres
@pytest.mark.parametrize(
    ("result", "third", "passes", "words"),
    [
        (2, {}, True, "0 failed, 0 error(s) of 2 tests"),
        (3, {}, False, "AssertionError: 2 != 3"),
        (2, {"depends": ["not_there"]}, False, 'depends on module "not_there"'),
        (2, {"version": "18.0.1.0.0"}, False, "third was not installed"),
    ],
)
def test_odoos_tests_decide(
    result: int, third: dict[str, object], words: str, odoo_tests: dict[str, str], tmp_path: Path, *, passes: bool
) -> None:
    repository = tmp_path / "repository"
    add_module(repository / "first", result=2)
    add_module(repository / "addons/second", result=result)
    add_module(repository / "unfinished", depends=["not_there"], installable=False)
    add_module(repository / "third", **third)
    status, output = run_script(scripts(Forge.GITHUB, golden_ci("github"))["test"], repository, **odoo_tests)
    assert (status == 0) == passes, output
    assert words in output
    assert not list(repository.rglob("*.pyc"))
