import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate, WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings
from typer.testing import CliRunner

from blocks import BackupRepository, OdooEnvironment, OdooHost, WebhookSource
from deployments.cli import app
from deployments.registration import Registration, register
from odoo_ops.errors import InvalidConfiguration, PreconditionFailed, TransientError
from odoo_ops.model.host import SshConnection

pytestmark = pytest.mark.usefixtures("prefect_server")

ROOT = Path(__file__).parents[2]
SECRETS = {"key": "canary-key\nsecond line", "restic": "canary-restic", "role": "canary-role"}

FILE = """\
hosts:
  {id}-host:
    connection:
      kind: ssh
      address: erp.example.com
      user: ops
      private_key: {{from_file: {folder}/key}}
      known_hosts: erp.example.com ssh-ed25519 AAAA
repositories:
  {id}-repository: {{location: {{kind: folder, path: /srv/backups}}, password: {{from_file: {folder}/restic}}}}
environments:
  {id}:
    stage: testing
    host: {id}-host
    repository: {id}-repository
    odoo: {{version: 19.0, command: [/usr/bin/python3, /opt/odoo/odoo-bin], addons: [/opt/addons]}}
    database: {{name: {id}, user: odoo, password: {{from_file: {folder}/role}}}}
    data_dir: /var/lib/odoo
    state_dir: /var/lib/odoo-ops
    service: {{kind: systemd, unit: odoo.service}}
    release: {{addons: [{{url: "https://git.example.com/addons.git", ref: main, folder: /opt/addons}}]}}
"""


class Files:
    """A folder with one environment of a name of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = f"erp-{uuid4().hex[:8]}"
        for name, secret in SECRETS.items():
            (folder / name).write_text(f"{secret}\n")
        self.write()

    def write(self, old: str = "", new: str = "") -> None:
        text = FILE.format(id=self.id, folder=self.folder)
        assert old in text
        (self.folder / "a.yaml").write_text(text.replace(old, new))

    def register(self) -> dict[str, str]:
        return outcomes(register(self.folder))


def outcomes(registration: Registration) -> dict[str, str]:
    """By kind; a concurrency limit's name tells what it is for, too, as an environment has two.

    The one of all environments is there from the first registration on.
    """
    return {
        change.name.rpartition("-erp-")[0] if change.kind == "concurrency limit" else change.kind: change.outcome
        for change in registration.changes
        if change.name != NEW_REPOSITORY
    }


LIMITS = ("odoo-releases", "odoo-environment")
NEW_REPOSITORY = "odoo-new-repository"


ALL_CREATED = dict.fromkeys(["host", "repository", *LIMITS, "environment"], "created")
ALL_UNCHANGED = dict.fromkeys(ALL_CREATED, "unchanged")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def test_register_creates_everything_when_prefect_has_nothing(files: Files, client: SyncPrefectClient) -> None:
    assert files.register() == ALL_CREATED
    environment = OdooEnvironment.load(files.id)
    assert environment.settings.name == files.id
    assert environment.settings.odoo.command == ("/usr/bin/python3", "/opt/odoo/odoo-bin")
    assert environment.settings.service.kind == "systemd"
    assert environment.settings.database.password.get_secret_value() == SECRETS["role"]
    assert environment.repository.settings.password.get_secret_value() == SECRETS["restic"]
    connection = environment.host.settings.connection
    assert isinstance(connection, SshConnection)
    assert connection.private_key.get_secret_value() == SECRETS["key"]
    for limit in (*(f"{limit}-{files.id}" for limit in LIMITS), NEW_REPOSITORY):
        assert client.read_global_concurrency_limit_by_name(limit).limit == 1


def test_register_saves_keys_and_copies_repository_when_they_are_described(files: Files) -> None:
    files.write(
        "environments:",
        f"  {files.id}-bucket:\n    location: {{kind: s3, bucket: odoo-backups}}\n"
        f"    keys: {{access_key_id: AKIA, secret_access_key: {{from_file: {files.folder}/role}}}}\n"
        f"    password: {{from_file: {files.folder}/restic}}\nenvironments:",
    )
    path = files.folder / "a.yaml"
    path.write_text(path.read_text().replace("    odoo:", f"    offsite: {files.id}-bucket\n    odoo:"))
    assert files.register() == ALL_CREATED | {"S3 keys": "created"}
    copies = OdooEnvironment.load(files.id).offsite
    assert copies is not None
    opened = copies.open()
    assert opened.keys is not None
    assert opened.keys.secret_access_key.get_secret_value() == SECRETS["role"]
    assert files.register() == ALL_UNCHANGED | {"S3 keys": "unchanged"}


def test_what_is_done_on_a_host_keeps_to_the_processors_of_the_environments_repository(files: Files) -> None:
    files.register()
    free = OdooEnvironment.open(files.id)
    assert (free.host.processors, free.jobs) == (None, 2)
    files.write("path: /srv/backups}", "path: /srv/backups}, limits: {processors: 1}")
    files.register()
    bound = OdooEnvironment.open(files.id)
    assert (bound.machine.processors, bound.host.processors, bound.writable.processors, bound.jobs) == (1, 1, 1, 1)


def test_register_saves_the_registry_of_a_host_when_it_is_described(files: Files) -> None:
    registry = f"{{address: ghcr.io, user: erp, password: {{from_file: {files.folder}/role}}}}"
    files.write("    connection:", f"    registry: {registry}\n    connection:")
    assert files.register() == ALL_CREATED | {"registry": "created"}
    opened = OdooEnvironment.load(files.id).host.open()
    assert opened.registry is not None
    assert (opened.registry.address, opened.registry.user) == ("ghcr.io", "erp")
    assert opened.registry.password.get_secret_value() == SECRETS["role"]
    assert files.register() == ALL_UNCHANGED | {"registry": "unchanged"}
    files.write()
    assert files.register() == ALL_UNCHANGED | {"host": "updated"}
    assert OdooEnvironment.load(files.id).host.open().registry is None


def test_register_saves_a_source_of_webhooks_when_it_is_described(files: Files) -> None:
    (files.folder / "token").write_text("canary-secret-of-a-forge\n")
    secret = f"{{from_file: {files.folder}/token}}"
    rule = f"{{repository: acme/addons, branch: main, environments: [{files.id}]}}"
    text = f"webhooks:\n  {files.id}: {{forge: github, secret: {secret}, token: {secret}, rules: [{rule}]}}\n"
    (files.folder / "b.yaml").write_text(text)
    assert files.register() == ALL_CREATED | {"webhook source": "created"}
    found = WebhookSource.load(files.id).settings
    assert found.secret.get_secret_value() == "canary-secret-of-a-forge"
    assert found.rules[0].environments == (files.id,)
    assert files.register() == ALL_UNCHANGED | {"webhook source": "unchanged"}
    (files.folder / "b.yaml").write_text(text.replace("main", "release/*"))
    assert files.register() == ALL_UNCHANGED | {"webhook source": "updated"}


def test_register_changes_nothing_when_it_runs_again(files: Files, client: SyncPrefectClient) -> None:
    files.register()
    before = client.read_block_document_by_name(files.id, "odoo-environment").updated
    assert files.register() == ALL_UNCHANGED
    assert client.read_block_document_by_name(files.id, "odoo-environment").updated == before


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("user: ops", "user: other", "host"),
        ("/srv/backups", "/srv/other", "repository"),
        ("stage: testing", "stage: staging", "environment"),
        ("{kind: systemd, unit: odoo.service}", "{kind: none}", "environment"),
    ],
)
def test_register_updates_one_block_when_one_entry_changed(files: Files, old: str, new: str, changed: str) -> None:
    files.register()
    files.write(old, new)
    assert files.register() == {**ALL_UNCHANGED, changed: "updated"}
    assert files.register() == ALL_UNCHANGED


def test_register_leaves_no_old_field_behind_when_the_kind_of_a_connection_changed(files: Files) -> None:
    files.register()
    files.write("kind: ssh", "kind: local")
    text = (files.folder / "a.yaml").read_text().splitlines()
    ssh_only = ("address:", "user: ops", "private_key:", "known_hosts:")
    (files.folder / "a.yaml").write_text("\n".join(line for line in text if not line.strip().startswith(ssh_only)))
    assert files.register()["host"] == "updated"
    assert OdooEnvironment.load(files.id).host.settings.connection.kind == "local"


@pytest.mark.parametrize(("secret", "changed"), [("key", "host"), ("restic", "repository"), ("role", "environment")])
def test_register_updates_a_block_when_only_its_secret_changed(files: Files, secret: str, changed: str) -> None:
    files.register()
    (files.folder / secret).write_text("canary-changed")
    assert files.register() == {**ALL_UNCHANGED, changed: "updated"}


def test_register_updates_an_environment_when_it_refers_to_another_host(files: Files) -> None:
    files.register()
    other = f"hosts:\n  {files.id}-other:\n"
    (files.folder / "b.yaml").write_text(other)
    files.write(f"host: {files.id}-host", f"host: {files.id}-other")
    assert register(files.folder).changes[-1].outcome == "updated"
    assert OdooEnvironment.load(files.id).host.settings.name == f"{files.id}-other"


def test_register_repairs_a_block_when_somebody_saved_other_values(files: Files) -> None:
    files.register()
    host = OdooHost.load(f"{files.id}-host")
    OdooHost(settings=host.settings.model_copy(update={"python": "python2"})).save(f"{files.id}-host", overwrite=True)
    assert files.register() == {**ALL_UNCHANGED, "host": "updated"}


@pytest.mark.parametrize("kind", LIMITS)
def test_register_repairs_a_limit_when_it_was_raised_switched_off_or_is_missing(
    files: Files, client: SyncPrefectClient, kind: str
) -> None:
    files.register()
    name = f"{kind}-{files.id}"
    for wrong in (GlobalConcurrencyLimitUpdate(limit=5), GlobalConcurrencyLimitUpdate(active=False)):
        client.update_global_concurrency_limit(name, wrong)
        assert files.register() == {**ALL_UNCHANGED, kind: "updated"}
    client.delete_global_concurrency_limit_by_name(name)  # as where an older version registered
    assert files.register() == {**ALL_UNCHANGED, kind: "created"}
    limit = client.read_global_concurrency_limit_by_name(name)
    assert (limit.limit, limit.active) == (1, True)


def test_register_saves_nothing_when_one_secret_is_missing(files: Files) -> None:
    (files.folder / "role").unlink()
    with pytest.raises(InvalidConfiguration):
        register(files.folder)
    with pytest.raises(ValueError, match="Unable to find"):
        OdooHost.load(f"{files.id}-host")


def test_api_shows_no_secret_when_it_is_not_asked_for_them(files: Files, client: SyncPrefectClient) -> None:
    files.register()
    shown = client.read_block_document_by_name(files.id, "odoo-environment", include_secrets=False)
    text = shown.model_dump_json()
    assert "canary" not in text
    assert shown.data["host"]["settings"]["connection"]["private_key"] == "********"
    assert "canary" not in repr(OdooEnvironment.load(files.id))


def test_secrets_survive_when_a_form_sends_them_back_hidden(files: Files, client: SyncPrefectClient) -> None:
    files.register()
    name = f"{files.id}-repository"
    shown = client.read_block_document_by_name(name, "odoo-backup-repository", include_secrets=False)
    data: dict[str, Any] = {
        "settings": {**shown.data["settings"], "location": {"kind": "folder", "path": "/srv/moved"}}
    }
    client.request("PATCH", "/block_documents/{id}", path_params={"id": shown.id}, json={"data": data})
    repository = BackupRepository.load(name).settings
    assert (str(repository.location), repository.password.get_secret_value()) == ("/srv/moved", SECRETS["restic"])


def test_cli_registers_and_lists_when_files_are_valid(files: Files) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["environments", "check", str(files.folder)]).exit_code == 0
    result = runner.invoke(app, ["environments", "register", str(files.folder)])
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == f"created    host               {files.id}-host"
    listed = runner.invoke(app, ["environments", "list"])
    # The tests of this process share a server, where another one may have left what cannot be read.
    (line,) = [line for line in listed.stdout.splitlines() if line.startswith(f"{files.id} ")]
    assert line.split() == [
        files.id,
        "testing",
        "19.0",
        f"{files.id}-host",
        files.id,
        "systemd",
        f"{files.id}-repository",
    ]
    assert "canary" not in result.output + listed.output


def test_cli_lists_the_others_when_one_cannot_be_read(
    files: Files, client: SyncPrefectClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other, without_repository = (Files(tmp_path_factory.mktemp(name)) for name in ("other", "without"))
    for described in (files, other, without_repository):
        described.register()
    lost = client.read_block_document_by_name(f"{without_repository.id}-repository", "odoo-backup-repository")
    client.delete_block_document(lost.id)
    shown = client.read_block_document_by_name(files.id, "odoo-environment", include_secrets=True)
    spoilt = {**shown.data, "settings": {**shown.data["settings"], "stage": "elsewhere"}}
    client.request("PATCH", "/block_documents/{id}", path_params={"id": shown.id}, json={"data": spoilt})
    listed = CliRunner().invoke(app, ["environments", "list"])
    assert listed.exit_code == 2
    assert f"\n{other.id} " in listed.stdout
    assert f"\n{files.id} " not in listed.stdout
    assert files.id in listed.stderr
    assert without_repository.id in listed.stderr
    assert "Next step: `odoo-ops environments register`" in listed.stderr
    assert files.register()["environment"] == "updated"
    assert without_repository.register()["repository"] == "created"
    assert f"\n{files.id} " in CliRunner().invoke(app, ["environments", "list"]).stdout


def test_cli_tells_mistakes_plainly_when_files_are_bad(files: Files) -> None:
    files.write("user: ops", "usr: ops")
    for command in ("check", "register"):
        result = CliRunner().invoke(app, ["environments", command, str(files.folder)])
        assert result.exit_code == 2
        assert "usr: is not a field; did you mean 'user'?" in result.stderr
        assert "Traceback" not in result.output
        assert result.stdout == ""


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        (None, PreconditionFailed, "PREFECT_API_URL"),
        ("http://user:canary@127.0.0.1:9/api", TransientError, "http://127.0.0.1:9/api does not answer"),
    ],
)
def test_register_says_the_next_step_when_prefect_is_not_there(
    files: Files, url: str | None, error: type[Exception], message: str
) -> None:
    with temporary_settings({PREFECT_API_URL: url}):
        with pytest.raises(error, match=message) as caught:
            register(files.folder)
        assert "Next step:" in str(caught.value)
        assert "canary" not in str(caught.value)
        result = CliRunner().invoke(app, ["environments", "list"])
    assert result.exit_code == 2
    assert message in result.stderr


def prefect(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Prefect's own command, against the server of the tests."""
    environment = {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value(), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )


def test_blocks_are_registered_when_their_package_is_named(tmp_path: Path) -> None:
    told = prefect("block", "register", "--module", "blocks", cwd=tmp_path).stdout
    assert "Successfully registered 4 blocks" in told


def test_deployments_are_as_declared_when_all_are_deployed(client: SyncPrefectClient) -> None:
    declared = {item["name"]: item for item in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}
    client.create_work_pool(WorkPoolCreate(name="odoo-ops", type="process"), overwrite=True)
    prefect("deploy", "--all")
    for name, item in declared.items():
        deployment = client.read_deployment_by_name(f"{name}/{name}")
        assert deployment.entrypoint == item["entrypoint"]
        assert deployment.pull_steps == []
        assert deployment.parameters.keys() <= deployment.parameter_openapi_schema["properties"].keys()
        if item.get("schedules"):  # by hand the form asks
            assert set(deployment.parameter_openapi_schema.get("required", [])) <= deployment.parameters.keys()
        assert [(schedule.slug, schedule.parameters) for schedule in deployment.schedules] == [
            (schedule["slug"], schedule.get("parameters", {})) for schedule in item.get("schedules", [])
        ]
        assert all(schedule.active for schedule in deployment.schedules)
        assert deployment.concurrency_options is not None
        assert deployment.concurrency_options.collision_strategy == "ENQUEUE"
        assert deployment.global_concurrency_limit is not None
        assert deployment.global_concurrency_limit.limit == 1
