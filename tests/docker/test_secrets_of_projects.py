"""No secret of a project that `provision` makes is seen anywhere but where it is needed: each holds a canary."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from exec_records import Started
from provisioned_site import ADMIN, MASTER, REPOSITORY, SECRETS, Provisioned, registered
from real_registry import real_registry
from recorded_run import Planned, RecordedRun, planted_fields, see_prefect_keeps_none
from secret_traces import ArgvWatch, Canary, Watch, seen, seen_in_files
from used_site import SMALL

from deployments.engines.docker import DockerEngine

REGISTRY, WRONG = "TEST_REGISTRY_PASSWORD", "TEST_WRONG_PASSWORD"
NAMES = (*SECRETS.values(), ADMIN, MASTER, REPOSITORY, REGISTRY, WRONG)
# of a project's volumes those in which flows write; a database keeps digests of its roles' passwords
VOLUMES = ("data", "operations", "backups")
FIELDS = {
    "DatabaseSettings.password",
    "DatabaseSettings.admin_password",
    "Provisioning.admin_password",
    "Provisioning.master_password",
    "Repository.password",
    "DockerRegistryCredentials.password",
}


@dataclass(frozen=True)
class Planted:
    """Canaries in files, and folders of environment files that name them."""

    folder: Path
    site: Provisioned
    registry: str
    canaries: dict[str, Canary]

    def described(self, folder: str, instead: Mapping[str, str] | None = None, **images: str) -> str:
        """The site in a folder of its own, with other canaries and images than the right ones for some."""

        def from_files(value: Any) -> Any:  # noqa: ANN401 - YAML
            match value:
                case {"from_env": str(name)}:
                    return {"from_file": str(self.folder / (instead or {}).get(name, name))}
                case dict():
                    return {key: from_files(inner) for key, inner in value.items()}
            return value

        file = yaml.safe_load(self.site.described.read_text())
        registry = {"address": self.registry, "user": "erp", "password": {"from_env": REGISTRY}}
        file["hosts"][f"{self.site.name}-host"]["registry"] = registry
        file["environments"][self.site.name]["provision"]["images"] |= images
        place = self.folder / folder
        place.mkdir()
        (place / "erp.yaml").write_text(yaml.safe_dump(from_files(file)))
        return str(place)

    def plan(self, private: str) -> list[Planned]:
        """Flows that pass, then flows that fail and what they say; the private image is one that is not here."""
        name = self.site.name
        of_it = {"environment": name}
        return [
            _registered(self.described("right")),
            (("planted", name, None), dict),
            (("flow", "provision", {**of_it, "dry_run": True}), 0),
            (("flow", "provision", of_it), 0),
            (("flow", "backup", of_it), 0),
            _registered(self.described("wrong-registry", {REGISTRY: WRONG}, toolbox=private)),
            (("flow", "provision", of_it), "docker pull .*unauthorized.*Next step: "),
            _registered(self.described("wrong-role", {SECRETS["password"]: WRONG})),
            (("flow", "backup", of_it), "password authentication failed.*Next step: "),
            _registered(self.described("wrong-repository", {REPOSITORY: WRONG})),
            (("flow", "backup", of_it), "cannot be opened: .*wrong password"),
        ]


def _registered(folder: str) -> Planned:
    return ("odoo-ops", "", ["environments", "register", folder]), 0


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[tuple[Path, Path, Path]]:
    """Home, folder of temporary files (sockets, whose paths must be short) and Prefect's home."""
    home, prefect_home = tmp_path / "home", tmp_path / "prefect"
    for path in (home, prefect_home):
        path.mkdir(mode=0o700)
    with tempfile.TemporaryDirectory() as temporary:
        yield home, Path(temporary), prefect_home


@pytest.fixture
def canaries() -> dict[str, Canary]:
    return {name: Canary.password(name) for name in NAMES}


@pytest.fixture
def planted_and_private(
    docker: DockerEngine,
    image: Callable[[str], str],
    prefect_server: None,  # noqa: ARG001 - the server must run
    canaries: dict[str, Canary],
    tmp_path: Path,
) -> Iterator[tuple[Planted, str]]:
    """Nothing is made yet. With it a private image that is only in the registry."""
    folder, files, place = tmp_path / "planted", tmp_path / "site", tmp_path / "registry"
    for each in (folder, files, place):
        each.mkdir(mode=0o700)
    for name, canary in canaries.items():
        (folder / name).write_text(f"{canary.text}\n")
    wanted = {**SMALL, "master_password": {"from_env": MASTER}}
    with (
        real_registry(docker, image("registry"), place, canaries[REGISTRY].text) as registry,
        registered(docker, image, files, domain="erp.example.com", wanted=wanted) as site,
    ):
        nginx = registry.push(image("nginx"), "erp/nginx")
        planted = Planted(folder, site, registry.address, canaries)
        site.register(images={**site.images, "nginx": nginx})
        try:
            yield planted, registry.push(image("toolbox"), "erp/toolbox")
        finally:
            if site.project.folder.exists():
                site.project.remove()
            docker.run("rmi", "--force", nginx)


@pytest.mark.docker
@pytest.mark.odoo
@pytest.mark.restic
def test_secrets_of_a_project_are_seen_nowhere_when_flows_pass_and_fail(
    planted_and_private: tuple[Planted, str], homes: tuple[Path, Path, Path], strace: Path, tmp_path: Path
) -> None:
    """The environment's name is no secret and is searched for as one: where it must stand, the search finds it."""
    planted, private = planted_and_private
    site, control = planted.site, planted.site.name
    searched = [*planted.canaries.values(), Canary("control", control, (control,))]
    run = RecordedRun(strace, planted.folder, tmp_path / "output", homes)
    settings = os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker"))  # with Compose in it
    files, argvs = Watch([*homes, site.project.folder], searched), ArgvWatch()
    with files.running(), argvs.running():
        outcomes = run.run(planted.plan(private), {"DOCKER_CONFIG": settings})
    assert planted_fields(outcomes, searched) == FIELDS

    _check_started(run.started(), argvs, searched)
    _check_files(site, files, [site.project.folder, *homes], searched)
    assert seen(run.output.read_bytes(), searched) == {"control"}
    assert seen(_volumes(site, tmp_path).read_bytes(), searched) == {"control"}
    containers = [site.project.engine.run("inspect", container) for container in site.containers().values()]
    told = "\0".join([*containers, site.project.compose("logs"), site.project.compose("config")])
    assert seen(told.encode(), searched) == {"control"}
    see_prefect_keeps_none(searched, "control")


def _check_started(programs: list[Started], argvs: ArgvWatch, searched: list[Canary]) -> None:
    """What the flows start on the machine is told no secret at all; what was started in containers, by no argv."""
    assert {each for each in programs if seen(each.argv + each.variables, searched) - {"control"}} == set()
    assert "docker" in {each.program for each in programs}
    assert seen(b"\0".join(argvs.argvs), searched) == {"control"}
    assert {"odoo", "postgres", "restic"} <= argvs.names


def _check_files(site: Provisioned, files: Watch, roots: list[Path], searched: list[Canary]) -> None:
    """Meanwhile also the settings by which an image is fetched hold one; its owner alone may use them."""
    secrets = site.project.folder / "secrets"
    kept = {str(secrets / f"{name}_password") for name in ("odoo", "postgres")}
    held = {path for path, names in files.in_files.items() if names - {"control"}}
    assert {path.removesuffix(".partial") for path in held if Path(path).name != "config.json"} == kept
    assert held & files.reachable == set()
    assert files.reachable, "files with the name alone are"
    left = seen_in_files(roots, searched)
    assert {path for path, names in left.items() if names - {"control"}} == kept
    assert secrets.stat().st_mode & 0o777 == 0o700


def _volumes(site: Provisioned, folder: Path) -> Path:
    """All that flows left in volumes, as one archive."""
    mounts = [f"--volume={site.project.name}_{volume}:/volumes/{volume}:ro" for volume in VOLUMES]
    archive = ("--entrypoint=tar", site.images["toolbox"], "--create", "--file=/out/volumes.tar", "/volumes")
    site.project.engine.run("run", "--rm", "--user=0:0", *mounts, f"--volume={folder}:/out", *archive)
    return folder / "volumes.tar"
