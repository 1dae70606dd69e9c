"""Who may send: the webhook sources as Prefect has them.

They are kept in a file (0600) beside the queue, too: a receiver that starts while Prefect is down, as after a restart
of the machine, knows whom to believe.
"""

import json
import os
from http import HTTPStatus
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas import BlockDocument
from prefect.exceptions import PrefectHTTPStatusError
from pydantic import TypeAdapter, ValidationError

from blocks import WebhookSource
from deployments.webhook.logs import LOGGER
from odoo_ops.errors import TransientError
from odoo_ops.model.webhooks import Source

_KEPT = TypeAdapter(dict[str, Source])


class Sources:
    """The sources by name, as they were last seen."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, Source] | None = _kept_in(file) if file.exists() else None

    @property
    def known(self) -> bool:
        """Whether they were ever seen."""
        return self._known is not None

    def get(self, name: str) -> Source | None:
        """The source of a name."""
        return (self._known or {}).get(name)

    def names(self) -> list[str]:
        """All their names."""
        return sorted(self._known or {})

    def refresh(self, client: SyncPrefectClient) -> None:
        """See what Prefect has now. One that cannot be read stays as it was.

        Raises TransientError where none was ever registered.
        """
        found = {}
        for document in _documents(client):
            name = document.name or ""
            try:
                found[name] = Source.model_validate({**document.data["settings"], "name": name})
            except (ValidationError, KeyError):
                LOGGER.error("source cannot be read", extra={"source": name, "next_step": "register it again"})
                if (former := self.get(name)) is not None:
                    found[name] = former
        if found != self._known:
            self._keep(found)
            self._known = found
            LOGGER.info("sources are known", extra={"sources": sorted(found)})

    def _keep(self, found: dict[str, Source]) -> None:
        partial = self._file.with_name(f"{self._file.name}.partial")
        descriptor = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({name: _in_clear(source) for name, source in found.items()}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._file)


def _kept_in(file: Path) -> dict[str, Source] | None:
    """What a file keeps; None where it cannot be read: cut off, or by a version that knows other fields."""
    try:
        return _KEPT.validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:  # the latter's words would repeat parts of what is secret
        said = {"file": str(file), "reason": type(error).__name__}
        next_step = "none where Prefect answers: it is asked, and the file is written anew; else see that Prefect does"
        LOGGER.error("file of sources cannot be read", extra={**said, "next_step": next_step})
        return None


def _documents(client: SyncPrefectClient) -> list[BlockDocument]:
    try:
        return client.read_block_documents_by_type(WebhookSource.get_block_type_slug(), include_secrets=True)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.NOT_FOUND:
            raise
        raise TransientError(
            "Prefect knows no webhook sources (404). Next step: `odoo-ops environments register`; where that was done, "
            "correct PREFECT_API_URL, which ends in /api."
        ) from error


def _in_clear(source: Source) -> dict[str, Any]:
    secrets = {"secret": source.secret, "token": source.token}
    return {
        **source.model_dump(mode="json"),
        **{name: secret and secret.get_secret_value() for name, secret in secrets.items()},
    }
