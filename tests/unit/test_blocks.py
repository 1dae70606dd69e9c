"""The standards that every block keeps."""

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect_aws import AwsCredentials
from pydantic import SecretStr

import blocks
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.repository import Repository, S3Keys, S3Location

SLUGS = {
    "OdooHost": "odoo-host",
    "BackupRepository": "odoo-backup-repository",
    "OdooEnvironment": "odoo-environment",
    "WebhookSource": "odoo-webhook-source",
}
# of prefect-aws and prefect-docker: how it describes and hides its fields is its own
THEIRS = ("AwsCredentials.", "AwsClientParameters.", "AssumeRole", "DockerRegistryCredentials.")
SECRET_WORDS = ("password", "private_key", "token", "secret")

ALL = [getattr(blocks, name) for name in blocks.__all__]


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of a block's form; one that only refers to a model is described by that model."""
    for owner in (schema, *schema["definitions"].values()):
        for name, field in owner.get("properties", {}).items():
            model = schema["definitions"].get(field.get("$ref", "").rpartition("/")[2], {})
            if not f"{owner['title']}.".startswith(THEIRS):
                yield f"{owner['title']}.{name}", {**model, **field}


def test_package_exports_every_block_when_it_is_registered_as_a_whole() -> None:
    assert {block.__name__: block.get_block_type_slug() for block in ALL} == SLUGS
    assert all(issubclass(block, Block) for block in ALL)


@pytest.mark.parametrize("block", ALL)
def test_block_is_explained_when_an_operator_looks_at_it(block: type[Block]) -> None:
    assert block.get_block_type_name().startswith("Odoo ")
    description = block.get_description() or ""
    assert 20 < len(description) < 200
    assert description.endswith(".")
    assert block.__name__ in (block.get_code_example() or "")


@pytest.mark.parametrize("block", ALL)
def test_block_describes_every_field_when_its_form_is_shown(block: type[Block]) -> None:
    undescribed = [
        name
        for name, field in properties(block.model_json_schema())
        if not field.get("description") and not name.endswith(".kind")
    ]
    assert not undescribed


@pytest.mark.parametrize("block", ALL)
def test_block_hides_every_field_that_is_a_secret_by_its_name(block: type[Block]) -> None:
    schema = block.model_json_schema()
    for name, field in properties(schema):
        if name.rpartition(".")[2].endswith(SECRET_WORDS):
            assert '"password"' in str(field).replace("'", '"'), f"{name} is not a SecretStr"
            assert any(path.endswith(name.rpartition(".")[2]) for path in schema["secret_fields"])


@pytest.mark.parametrize("block", ALL)
def test_block_holds_one_value_of_the_model_when_it_has_fields(block: type[Block]) -> None:
    values = set(block.model_fields) - set(block.model_json_schema()["block_schema_references"])
    assert values == {"settings"}, "fields are written once, in odoo_ops.model"


def _repository(**credentials: str | SecretStr) -> blocks.BackupRepository:
    settings = Repository(name="main", location=S3Location(bucket="odoo"), password=SecretStr("a-password"))
    return blocks.BackupRepository(settings=settings, credentials=AwsCredentials.model_validate(credentials))


def test_repository_refuses_at_once_every_way_to_log_in_that_restic_is_not_given() -> None:
    block = _repository(
        aws_access_key_id="AKIA",
        aws_session_token="canary-token",
        profile_name="backup",
        assume_role_arn="arn:aws:iam::1:role/backup",
    )
    fields = "set aws_session_token, set profile_name, set assume_role_arn, have an access key's id or its secret alone"
    with pytest.raises(PreconditionFailed, match=f"main {fields}: .*Next step: empty these fields") as refused:
        block.open()
    assert "canary" not in str(refused.value)


def test_repository_opens_with_a_pair_of_keys_or_the_role_of_the_host() -> None:
    pair = {"aws_access_key_id": "AKIA", "aws_secret_access_key": SecretStr("canary-secret")}
    assert _repository(**pair).open().keys == S3Keys(access_key_id="AKIA", secret_access_key=SecretStr("canary-secret"))
    assert _repository(region_name="eu-central-1").open().keys is None
