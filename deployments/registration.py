"""Bring Prefect to what the environment files say: blocks, two concurrency limits per environment, and one for all.

Everything is read and checked before the first block is saved. Running it again changes nothing; a run that
was cut off is completed by the next one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import BlockDocument
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import get_current_settings
from prefect_aws import AwsCredentials
from prefect_docker import DockerRegistryCredentials
from pydantic import ValidationError

from blocks import BackupRepository, OdooEnvironment, OdooHost, WebhookSource
from deployments.environment_files import PlacedEnvironment, load
from odoo_ops.errors import PermanentError, PreconditionFailed, TransientError
from odoo_ops.model.base import Value
from odoo_ops.model.environment import Environment
from odoo_ops.model.host import OpenHost
from odoo_ops.model.repository import OpenRepository
from odoo_ops.policy import limits

Kind = Literal["registry", "host", "S3 keys", "repository", "environment", "concurrency limit", "webhook source"]
Outcome = Literal["created", "updated", "unchanged"]


class Change(Value):
    """What was done about one thing in Prefect."""

    kind: Kind
    name: str
    outcome: Outcome


class Registration(Value):
    """What a registration did, in its order."""

    changes: tuple[Change, ...]


class RegisteredEnvironment(Value):
    """An environment as Prefect has it, without its secrets."""

    name: str
    stage: str
    version: str
    host: str
    database: str
    service: str
    repository: str


class RegisteredEnvironments(Value):
    """The environments that Prefect has, by name; of those that this version cannot read, the names alone."""

    readable: tuple[RegisteredEnvironment, ...]
    unreadable: tuple[str, ...]


def register(directory: Path) -> Registration:
    """Save what the environment files of a folder describe, where it differs from what Prefect has.

    What no file describes any more is left alone: only a person can know whether it is still needed.

    Raises InvalidConfiguration for mistakes in the files; PreconditionFailed, TransientError or PermanentError
    when Prefect's API is not named, does not answer, or refuses.
    """
    configuration = load(directory)
    changes = []
    with prefect_api() as client:
        for name, host in configuration.hosts.items():
            changes += _save_host(client, name, host)
        for name, repository in configuration.repositories.items():
            changes += _save_repository(client, name, repository)
        if configuration.environments:
            changes.append(_ensure_limit(client, limits.NEW_REPOSITORY))
        for name, environment in configuration.environments.items():
            # The limits first: an environment without them cannot be locked.
            changes += [
                _ensure_limit(client, limits.releases_limit(name)),
                _ensure_limit(client, limits.environment_limit(name)),
            ]
            changes.append(_save(client, _environment_block(environment), "environment", name))
        for name, source in configuration.webhooks.items():
            changes.append(_save(client, WebhookSource(settings=source), "webhook source", name))
    return Registration(changes=tuple(changes))


def registered_environments() -> RegisteredEnvironments:
    """The environments that Prefect has. Raises as `register` does where the API is at fault."""
    slug = OdooEnvironment.get_block_type_slug()
    with prefect_api() as client:
        try:
            client.read_block_type_by_slug(slug)
        except ObjectNotFound:
            return RegisteredEnvironments(readable=(), unreadable=())
        documents = client.read_block_documents_by_type(slug, include_secrets=False)
    found = {document.name or "": _without_secrets(document) for document in documents}
    return RegisteredEnvironments(
        readable=tuple(found[name] for name in sorted(found) if found[name]),
        unreadable=tuple(name for name in sorted(found) if not found[name]),
    )


def _without_secrets(document: BlockDocument) -> RegisteredEnvironment | None:
    try:
        settings = Environment.model_validate(document.data["settings"])
        host, repository = (
            document.block_document_references[field]["block_document"]["name"] for field in ("host", "repository")
        )
    except (ValidationError, KeyError):  # a block of another version, or one whose host or repository was deleted
        return None
    return RegisteredEnvironment(
        name=document.name or "",
        stage=settings.stage,
        version=settings.odoo.version,
        host=host,
        database=settings.database.name,
        service=settings.service.kind if settings.runtime.kind == "native" else settings.runtime.kind,
        repository=repository,
    )


@contextmanager
def prefect_api() -> Iterator[SyncPrefectClient]:
    """A client of a Prefect API that is named and answers. Raises what `register` says it does."""
    url = get_current_settings().api.url
    if not url:
        raise PreconditionFailed(
            "No Prefect API is named, and one that lives only while this command runs would keep nothing for the "
            "workers. Next step: `prefect config set PREFECT_API_URL=http://127.0.0.1:4200/api`, with your server's "
            "address."
        )
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    with get_client(sync_client=True) as client:
        if (failure := client.api_healthcheck()) is not None:
            raise TransientError(
                f"Prefect's API at {shown} does not answer ({type(failure).__name__}). Nothing was changed. "
                "Next step: start it (`prefect server start`), or correct PREFECT_API_URL."
            )
        try:
            yield client
        except PrefectHTTPStatusError as error:
            # Its text repeats what was sent, secrets too: only the status goes on.
            raise PermanentError(_refusal(shown, error.response.status_code)) from None


def _refusal(url: str, status: int) -> str:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        step = "set PREFECT_API_AUTH_STRING to `user:password` of this server"
    else:
        step = "look into the server's log, then run this again: it completes what was begun"
    return f"Prefect's API at {url} refused a request (status {status}). Next step: {step}."


def _environment_block(environment: PlacedEnvironment) -> OdooEnvironment:
    return OdooEnvironment(
        settings=environment.settings,
        host=cast("OdooHost", OdooHost.load(environment.host)),
        repository=cast("BackupRepository", BackupRepository.load(environment.repository)),
        offsite=cast("BackupRepository", BackupRepository.load(environment.offsite)) if environment.offsite else None,
    )


def _save_host(client: SyncPrefectClient, name: str, host: OpenHost) -> list[Change]:
    """The host's block; the registry of its images is one of prefect-docker's."""
    if host.registry is None:
        return [_save(client, OdooHost(settings=host.settings), "host", name)]
    registry = DockerRegistryCredentials(
        registry_url=host.registry.address, username=host.registry.user, password=host.registry.password
    )
    saved = _save(client, registry, "registry", name)
    loaded = cast("DockerRegistryCredentials", DockerRegistryCredentials.load(name))
    return [saved, _save(client, OdooHost(settings=host.settings, registry=loaded), "host", name)]


def _save_repository(client: SyncPrefectClient, name: str, repository: OpenRepository) -> list[Change]:
    """The repository's block; its keys for S3 are a block of their own, as Prefect's other S3 blocks have them."""
    if repository.keys is None:
        return [_save(client, BackupRepository(settings=repository.settings), "repository", name)]
    keys = AwsCredentials(
        aws_access_key_id=repository.keys.access_key_id,
        aws_secret_access_key=repository.keys.secret_access_key,
    )
    saved = _save(client, keys, "S3 keys", name)
    block = BackupRepository(
        settings=repository.settings, credentials=cast("AwsCredentials", AwsCredentials.load(name))
    )
    return [saved, _save(client, block, "repository", name)]


def _save(client: SyncPrefectClient, block: Block, kind: Kind, name: str) -> Change:
    outcome = _outcome(client, block, name)
    if outcome != "unchanged":
        block.save(name, overwrite=True)
    return Change(kind=kind, name=name, outcome=outcome)


def _outcome(client: SyncPrefectClient, block: Block, name: str) -> Outcome:
    """What saving a block will be: its values, its references and the form that operators see are compared."""
    block_type = type(block)
    try:
        document = client.read_block_document_by_name(name, block_type.get_block_type_slug())
        stored = block_type.load(name)
    except ObjectNotFound:
        return "created"
    except RuntimeError:
        # An earlier version saved it, with values that this version no longer accepts.
        return "updated"
    same_form = document.block_schema is not None and document.block_schema.fields == block_type.model_json_schema()
    same_values = all(getattr(stored, field) == getattr(block, field) for field in block_type.model_fields)
    return "unchanged" if same_form and same_values else "updated"


def _ensure_limit(client: SyncPrefectClient, name: str) -> Change:
    """One flow at a time. A limit that somebody switched off or raised is put back."""
    outcome: Outcome = "unchanged"
    try:
        limit = client.read_global_concurrency_limit_by_name(name)
        if (limit.limit, limit.active, limit.slot_decay_per_second) != (1, True, 0):
            wanted = GlobalConcurrencyLimitUpdate(limit=1, active=True, slot_decay_per_second=0)
            client.update_global_concurrency_limit(name, wanted)
            outcome = "updated"
    except ObjectNotFound:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=1))
        outcome = "created"
    return Change(kind="concurrency limit", name=name, outcome=outcome)
