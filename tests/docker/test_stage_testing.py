"""Testing, as `provision` makes it: nobody takes it for production, and nothing leaves it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from outside_world import outside_world
from provisioned_site import IMAGES, RUNNING, Provisioned, provisioned
from used_site import SMALL, see_it_used_and_converge

from deployments.engines.docker import DockerEngine
from deployments.engines.ports import free_port
from flows.backup import backup
from flows.export_zip import export_zip
from odoo_ops.errors import CommandFailed

pytestmark = [pytest.mark.docker, pytest.mark.odoo, pytest.mark.restic, pytest.mark.in_turn]

_SEND_MAIL = """
servers = env["ir.mail_server"]
servers.send_email(servers._build_email__("odoo@example.com", ["customer@example.com"], "An invoice", "Hello"))
"""
_FETCH = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)"


@pytest.fixture(scope="module")
def mail_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def testing(
    docker: DockerEngine,
    image: Callable[[str], str],
    prefect_server: None,  # noqa: ARG001 - the server must run
    tmp_path_factory: pytest.TempPathFactory,
    mail_port: int,
) -> Iterator[Provisioned]:
    wanted = {**SMALL, "tls": {"kind": "local_ca"}, "mail_port": mail_port}
    folder, images, domain = tmp_path_factory.mktemp("testing"), (*IMAGES, "mail"), "erp-testing.localhost"
    with provisioned(docker, image, folder, images=images, stage="testing", domain=domain, wanted=wanted) as site:
        yield site


def test_banner_tells_testing_from_production(testing: Provisioned) -> None:
    assert testing.running() == sorted([*RUNNING, "mail"])
    assert f">testing: {testing.name}</div></body>" in testing.login_page().text


@pytest.fixture
def world(as_root: None, tmp_path: Path) -> Iterator[str]:  # noqa: ARG001 - only root can make a network
    """Address of a server beyond a network of its own."""
    (tmp_path / "word").write_text("the world")
    with outside_world(tmp_path) as address:
        yield address


def test_odoo_has_no_way_out_of_testing(testing: Provisioned, world: str) -> None:
    """nginx, which people reach, has one: so the address is right."""
    assert testing.project.exec("nginx", "curl", "--silent", "--fail", f"{world}/word") == "the world"
    for service in ("odoo", "odoo-cron"):
        with pytest.raises(CommandFailed, match="timed out|unreachable"):
            testing.project.exec(service, "python3", "-c", _FETCH, f"{world}/word")


def test_mail_of_testing_goes_to_the_catcher(testing: Provisioned, mail_port: int) -> None:
    testing.project.run("odoo", "sh", "-c", f"odoo shell --no-http <<'END'\n{_SEND_MAIL}\nEND")
    with httpx.Client(trust_env=False) as client:
        found = client.get(f"http://127.0.0.1:{mail_port}/api/v1/messages").json()["messages"]
    assert [(mail["Subject"], mail["To"][0]["Address"]) for mail in found] == [("An invoice", "customer@example.com")]


def test_testing_is_used_and_converges_again(testing: Provisioned) -> None:
    see_it_used_and_converge(testing)


def test_backup_of_a_provisioned_project_is_exported(testing: Provisioned) -> None:
    """To a folder that lasts: the toolbox's own is gone with its container."""
    backup(testing.name)
    destination = "/var/backups/odoo/erp.zip"
    report = export_zip(testing.name, destination)
    assert report.damaged == ()
    assert report.files
    listed = testing.project.run("toolbox", "python3", "-m", "zipfile", "--list", destination)
    assert {"manifest.json", "dump.sql"} <= set(listed.split())
