"""The examples that run something: nginx with TLS before the webhook receiver, systemd units, the lines for a shell."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from real_processes import wait_until
from real_sshd import free_port
from rendered_ci import golden_ci, run_script, scripts
from webhooks import COMMIT, REPOSITORY, SECRET, RunningReceiver, github, push_to, running_receiver

from odoo_ops.model.pipelines import Forge

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "deployments" / "examples" / "webhook"
UNITS = sorted(ROOT.glob("deployments/examples/*/*.service"))
RULE = {"repository": REPOSITORY, "branch": "master", "environments": ["staging"]}

Require = Callable[[str, Path | None, str], Path]


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[RunningReceiver]:
    """One that knows its sources from before, and whose Prefect is away."""
    sources = {
        name: {"name": name, "forge": forge, "secret": SECRET, "rules": [RULE]}
        for name, forge in (("github", "github"), ("ci", "generic"))
    }
    tmp_path.joinpath("queue.db.sources").write_text(json.dumps(sources))
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}), running_receiver(tmp_path) as receiver:
        yield receiver


@contextmanager
def nginx_before(receiver: RunningReceiver, program: Path, folder: Path) -> Iterator[str]:
    """The example in a real nginx, with a certificate of its own making; its address."""
    port, key, certificate = free_port(), folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    example = (EXAMPLES / "nginx.conf").read_text()
    for there, here in [
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/letsencrypt/live/hooks.example.com/fullchain.pem", str(certificate)),
        ("/etc/letsencrypt/live/hooks.example.com/privkey.pem", str(key)),
        ("http://127.0.0.1:8090", receiver.url),
    ]:
        assert there in example
        example = example.replace(there, here)
    paths = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "client_body", "fastcgi", "uwsgi", "scgi")
    )
    head = f"daemon off; user root; pid {folder}/nginx.pid; error_log stderr;"
    folder.joinpath("nginx.conf").write_text(f"{head} events {{}} http {{ access_log off; {paths} {example} }}")
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen([program, "-c", folder / "nginx.conf"], stdout=log, stderr=log)
    try:
        address = f"https://localhost:{port}"
        wait_until((folder / "nginx.pid").exists, (folder / "nginx.log").read_text)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def test_delivery_comes_through_nginx_with_tls_and_nothing_else_does(
    receiver: RunningReceiver, nginx_program: Path, tmp_path: Path
) -> None:
    body = push_to("master") + b" " * 60_000  # more than nginx holds in memory
    with nginx_before(receiver, nginx_program, tmp_path) as address:
        certificate = str(tmp_path / "certificate.pem")
        with httpx.Client(verify=certificate, base_url=address) as client:
            answer = client.post("/hooks/github", content=body, headers=github(body))
            assert (answer.status_code, answer.json()) == (202, {"releases": ["staging"]})
            too_large = client.post("/hooks/github", content=b" " * 27_000_000)
            assert too_large.status_code == 413
            assert "nginx" in too_large.text
            assert {client.get(path).status_code for path in ("/health", "/metrics", "/docs")} == {404}
    assert receiver.health()["waiting"] == 1


def test_lines_for_a_shell_are_a_delivery(receiver: RunningReceiver, tmp_path: Path, require: Require) -> None:
    programs = {}
    for name in ("python3", "curl", "git", "bash"):
        found = shutil.which(name)
        programs[name] = require(name, Path(found) if found else None, f"apt-get install {name}")
    page = (ROOT / "docs" / "webhook.md").read_text()
    (lines,) = re.findall(r"^    body='.*?/hooks/ci$", page, re.MULTILINE | re.DOTALL)
    script = lines.replace("https://hooks.example.com", receiver.url).replace("acme/addons", REPOSITORY)
    git = [programs["git"], "-c", "user.name=it", "-c", "user.email=it@example.com", "-C", tmp_path]
    for command in (
        ["init", "--quiet", "addons"],
        ["-C", "addons", "commit", "--quiet", "--allow-empty", "-mx"],
    ):
        subprocess.run([*git, *command], check=True)
    done = subprocess.run(
        [programs["bash"], "-c", script.replace("/main", "/master")],
        cwd=tmp_path / "addons",
        env={**os.environ, "SECRET": SECRET},
        check=True,
        capture_output=True,
    )
    assert json.loads(done.stdout) == {"releases": ["staging"]}


@pytest.mark.parametrize("forge", list(Forge))
def test_call_of_a_rendered_ci_is_a_delivery(forge: Forge, receiver: RunningReceiver, tmp_path: Path) -> None:
    told = {
        "ODOO_OPS_WEBHOOK_URL": f"{receiver.url}/hooks/ci",
        "ODOO_OPS_WEBHOOK_SECRET": SECRET,
        "REPOSITORY": REPOSITORY,
        "GIT_URL": f"https://github.com/{REPOSITORY}.git",
        "REF": "refs/heads/master",
        "BRANCH_NAME": "master",
        "COMMIT": COMMIT,
        "RUN": "71",
    }
    call = scripts(forge, golden_ci(forge))["call"]
    assert run_script(call, tmp_path, **told) == (0, '202 {"releases":["staging"]}\n')
    assert run_script(call, tmp_path, **told) == (0, '202 {"reason":"this delivery is known already"}\n')


@pytest.mark.parametrize("example", UNITS, ids=lambda path: path.name)
def test_unit_is_one_that_systemd_knows(example: Path, tmp_path: Path, require: Require) -> None:
    program = Path("/usr/bin/systemd-analyze")
    require("systemd-analyze", program if program.exists() else None, "apt-get install systemd")
    unit, here = example.read_text(), str(Path(sys.executable).parent)
    assert "/opt/odoo-ops/.venv/bin" in unit
    file = tmp_path / example.name
    file.write_text(unit.replace("/opt/odoo-ops/.venv/bin", here))
    done = subprocess.run([program, "verify", "--man=no", file], check=True, capture_output=True, text=True)
    assert done.stderr == ""
