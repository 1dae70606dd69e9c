"""Environment files of compose projects: the example, and what does not fit."""

from pathlib import Path

import pytest
import yaml

from deployments.environment_files import load
from odoo_ops.errors import InvalidConfiguration
from odoo_ops.model.provision import HostFacts
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.project_files import COMPOSE_FILE, project_files

EXAMPLE = Path(__file__).parents[2] / "deployments" / "examples" / "compose" / "environments.yaml"
PROVISIONED = EXAMPLE.parents[1] / "provision" / "environments.yaml"
FACTS = HostFacts(cores=4, memory_bytes=8 * 2**30)
PROJECT = "runtime: {kind: compose, project: erp, folder: /srv/erp}"


def test_example_describes_two_environments_of_one_project(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(EXAMPLE.read_text())
    found = load(tmp_path, look=False).environments
    assert found["production"].settings.runtime == ComposeProject(project="erp", folder="/srv/erp")
    assert found["drill"].settings.runtime == ComposeProject(
        project="erp",
        folder="/srv/erp",
        odoo_services=("odoo-drill",),
        toolbox="toolbox-drill",
        restore_toolbox="toolbox-drill",
    )


def test_project_that_is_provisioned_has_a_place_for_drills(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PROVISIONED.read_text())
    found = load(tmp_path, look=False).environments
    production, place = found["production"].settings, found["drill"].settings.runtime
    made = next(file for file in project_files(production, FACTS) if file.path == COMPOSE_FILE)
    services = yaml.safe_load(made.content.get_secret_value())["services"]
    assert isinstance(place, ComposeProject)
    assert {*place.odoo_services, place.toolbox, place.restore_toolbox} <= services.keys()
    (trial,) = place.odoo_services
    assert services[trial]["profiles"] == services[place.toolbox]["profiles"] == ["operations"]
    assert services[trial]["networks"] == ["inside"]
    of_production = {volume.partition(":")[0] for volume in services["odoo"]["volumes"]}
    shared = of_production & {volume.partition(":")[0] for volume in services[trial]["volumes"]}
    assert shared == {"./config/odoo"}


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (
            "stage: production\n",
            "stage: production\n    service: {kind: systemd}\n",
            "production.service: is not heeded in a compose project",
        ),
        ("http://odoo:8069", "http://localhost:8069", "production.odoo.url: is the toolbox itself"),
        (
            "name: erp\n      server: db",
            "name: erp\n      server: 127.0.0.1",
            "production.database.server: is the tool",
        ),
        ("[odoo-drill]", "[cron, odoo]", "drill.runtime.odoo_services: names odoo, as production"),
        ("user: odoo-drill", "user: odoo", "drill.database.user: is also the role of production"),
        ("name: erp-drill\n", "name: erp\n", "drill.database.name: is the database of production"),
        (
            PROJECT,
            "runtime: {kind: compose, project: erp}",
            "production.runtime.folder: is missing. Folder on the host",
        ),
        (PROJECT, PROJECT.replace("erp,", "ERP,"), "production.runtime.project: may hold only small letters, digits"),
        (PROJECT, "runtime: {kind: composed}", "production.runtime.kind: must be one of native, compose; did you mean"),
    ],
)
def test_load_finds_what_does_not_fit_a_compose_project(tmp_path: Path, old: str, new: str, mistake: str) -> None:
    text = EXAMPLE.read_text()
    assert old in text
    (tmp_path / "a.yaml").write_text(text.replace(old, new))
    with pytest.raises(InvalidConfiguration) as caught:
        load(tmp_path, look=False)
    (found,) = caught.value.mistakes
    assert f" environments.{mistake}" in found


def test_load_finds_one_folder_seen_by_one_toolbox_twice(tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("      toolbox: toolbox-drill\n", "")
    (tmp_path / "a.yaml").write_text(text.replace("/var/lib/odoo-ops/drill", "/var/lib/odoo-ops/production"))
    with pytest.raises(InvalidConfiguration, match="drill.state_dir: is the state_dir of production"):
        load(tmp_path, look=False)


def test_load_lets_two_projects_have_services_and_paths_of_the_same_names(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    (tmp_path / "a.yaml").write_text(text)
    other = text[text.index("environments:") :].replace("project: erp", "project: other")
    other = other.replace("  production:", "  second:").replace("  drill:", "  second-drill:")
    (tmp_path / "b.yaml").write_text(other)
    assert len(load(tmp_path, look=False).environments) == 4


def test_example_of_provision_describes_two_projects(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PROVISIONED.read_text())
    found = load(tmp_path, look=False).environments
    assert sorted(found) == ["drill", "production", "staging"]
    for name in ("production", "staging"):
        assert project_files(found[name].settings, FACTS)
    staging = found["staging"].settings.provision
    assert staging
    assert staging.images.model_dump(exclude_none=True) == {
        "odoo": "odoo:19.0",
        "postgres": "postgres:17",
        "nginx": "nginx:1.28",
        "toolbox": "odoo-ops-toolbox:17",
        "certbot": "certbot/certbot:v4.2.0",
        "pgbouncer": "edoburu/pgbouncer:v1.24.1-p1",
    }


def test_environments_of_an_example_share_their_host_s_memory(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PROVISIONED.read_text())
    machine = HostFacts(cores=8, memory_bytes=15 * 2**30 + 2**29)  # what the kernel of one with 16 GiB says
    found = [each.settings.provision for each in load(tmp_path, look=False).environments.values()]
    shares = [wanted.share_of(machine).memory_bytes for wanted in found if wanted]
    assert len(shares) == 2
    assert sum(shares) <= machine.memory_bytes


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (
            "odoo: odoo:19.0@sha256:" + "0123456789abcdef" * 4,
            "odoo: odoo:19.0",
            "production.provision.images.odoo: names no",
        ),
        (
            "[erp.example.com]",
            "[https://erp.example.com]",
            "production.provision.domains[0]: 'https://erp.example.com' is",
        ),
        (
            "tls: {kind: none}",
            "tls: {kind: nothing}",
            "staging.provision.tls.kind: must be one of none, files, local_ca",
        ),
        ("bind: 127.0.0.1", "bind: 10.0.0.1", "staging.provision.tls: is `none`, and 10.0.0.1 is not loopback"),
        ("expected_users: 40", "expected_user: 40", "production.provision.expected_user: is not a field; did you mean"),
        ("http_port: 8080", "http_port: 80800", "staging.provision.http_port: must be at most 65535"),
    ],
)
def test_load_tells_where_what_does_not_fit_provision_stands(tmp_path: Path, old: str, new: str, mistake: str) -> None:
    text = PROVISIONED.read_text()
    assert old in text
    (tmp_path / "a.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(InvalidConfiguration) as caught:
        load(tmp_path, look=False)
    assert any(f" environments.{mistake}" in found for found in caught.value.mistakes)
