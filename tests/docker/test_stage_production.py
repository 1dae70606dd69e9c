"""Production, as `provision` makes it on a machine by SSH as a user of its own, with an image of a private registry."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from exec_records import Started, recorder, started
from own_user import PYTHON, OwnUser, group_of_docker, own_user
from prefect.settings import get_current_settings
from provisioned_site import IMAGES, RUNNING, Provisioned, provisioned
from real_nginx import Authority
from real_registry import RealRegistry, real_registry
from real_sshd import RealSshd
from secret_traces import Canary, seen, seen_in_database
from used_site import SMALL, see_it_used_and_converge

from deployments.engines.docker import DockerEngine
from odoo_ops.errors import CommandFailed

pytestmark = [pytest.mark.docker, pytest.mark.odoo, pytest.mark.restic, pytest.mark.sshd, pytest.mark.in_turn]

DOMAIN = "erp.example.com"


@dataclass(frozen=True)
class Production:
    """
    Attributes:
        record: every program that was started on the machine.
        settings: those of Docker there, before anything was fetched.
    """

    site: Provisioned
    record: Path
    settings: dict[Path, str]


def _settings_of_docker(user: OwnUser) -> dict[Path, str]:
    folders = [user.home / ".docker", Path(user.variables.get("DOCKER_CONFIG", Path.home() / ".docker"))]
    files = [folder / "config.json" for folder in folders]
    return {file: file.read_text() if file.exists() else "" for file in files}


@pytest.fixture(scope="module")
def user(docker: DockerEngine, require: Callable[[str, Path | None, str], Path]) -> Iterator[OwnUser]:
    group = group_of_docker(docker)
    require("a group that may use Docker", Path(docker.address) if group else None, "install docker.io, which has one")
    with own_user(docker, str(group)) as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("production")


@pytest.fixture(scope="module")
def password() -> Canary:
    return Canary.password("registry")


@pytest.fixture(scope="module")
def registry(
    docker: DockerEngine, image: Callable[[str], str], folder: Path, password: Canary
) -> Iterator[RealRegistry]:
    with real_registry(docker, image("registry"), folder, password.text) as running:
        yield running


@pytest.fixture(scope="module")
def far(sshd_program: Path, strace: Path, folder: Path, user: OwnUser) -> Iterator[RealSshd]:
    place = user.home / "sshd"
    place.mkdir()
    with RealSshd.run(sshd_program, place, user.variables, recorder(strace, folder / "record")) as running:
        yield running


@pytest.fixture(scope="module")
def production(
    image: Callable[[str], str],
    prefect_server: None,  # noqa: ARG001 - the server must run
    far: RealSshd,
    registry: RealRegistry,
    *,
    folder: Path,
    user: OwnUser,
) -> Iterator[Production]:
    docker, authority = registry.engine, Authority()
    before, srv = _settings_of_docker(user), user.home / "srv"
    srv.mkdir()
    authority.write(srv, DOMAIN, timedelta(days=90))
    user.give(srv, srv / "chain.pem", srv / "key.pem")
    (folder / "authority.pem").write_text(authority.pem)
    tls = {"kind": "files", "certificate": f"{srv}/chain.pem", "private_key_file": f"{srv}/key.pem"}
    pinned = {name: docker.run("image", "inspect", "--format={{.Id}}", image(name)).strip() for name in IMAGES}
    pinned["nginx"] = registry.push(image("nginx"), "erp/nginx")
    with provisioned(
        docker,
        image,
        srv,
        stage="production",
        domain=DOMAIN,
        images=pinned,
        wanted={**SMALL, "tls": tls, "addons": [], "cors_origins": []},
        host={"connection": far.connection(user=user.name), "python": PYTHON},
        registry=registry.credentials,
        authority=folder / "authority.pem",
    ) as site:
        yield Production(site, folder / "record", before)
    docker.run("rmi", pinned["nginx"])


def _pulls(production: Production) -> set[Started]:
    """Each once: it was looked for in every folder of PATH."""
    return {each for each in started(production.record) if each.program == "docker" and b"\0pull\0" in each.argv}


def test_image_of_a_private_registry_is_fetched_without_a_login_that_stays(
    production: Production, password: Canary, user: OwnUser
) -> None:
    site = production.site
    assert (site.project.folder / "compose.yaml").owner() == user.name
    assert site.running() == RUNNING
    assert site.login_page().headers["Strict-Transport-Security"]
    (pull,) = _pulls(production)
    assert site.images["nginx"].encode() in pull.argv
    variables = dict(word.split("=", 1) for word in os.fsdecode(pull.variables).split("\0") if "=" in word)
    assert not Path(variables["DOCKER_CONFIG"]).exists()
    assert _settings_of_docker(user) == production.settings
    programs = list(started(production.record))
    assert [each for each in programs if seen(each.argv + each.variables, [password])] == []
    assert {"docker", "docker-compose"} & {each.program for each in programs}
    database = Path(get_current_settings().server.database.connection_url.get_secret_value().partition(":///")[2])
    assert {names for found in seen_in_database(database, [password]).values() for names in found} == set()


def test_production_by_ssh_is_used_and_converges_again(production: Production) -> None:
    see_it_used_and_converge(production.site)


@pytest.mark.long
def test_wrong_password_of_a_registry_is_told_before_anything_changes(
    production: Production, registry: RealRegistry
) -> None:
    site, before = production.site, production.site.containers()
    other = registry.push(site.images["toolbox"], "erp/toolbox")
    site.register(
        images={**site.images, "toolbox": other},
        registry={**registry.credentials, "password": "another"},
    )
    try:
        said = (
            r"(?s)docker pull .*erp/toolbox@sha256.*unauthorized.*user and password of `registry` of the host.*Nothing"
        )
        with pytest.raises(CommandFailed, match=said):
            site.provision(confirm_production=site.name)
    finally:
        site.register()
    assert site.containers() == before
    assert site.provision(dry_run=True).plan.empty
