"""Prefect's API as the workers reach it: what is away is tried again, by them and in nobody else's time."""

from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from pydantic import ValidationError

from odoo_ops.errors import TransientError


class PrefectApi:
    """Gives clients, and remembers whether Prefect did what was asked of the last one.

    Attributes:
        trouble: what was wrong, as Prefect did not answer or took nothing; empty when it did what was asked.
    """

    def __init__(self) -> None:
        self.trouble = "not asked yet"

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """A client. Whatever Prefect does not answer, or refuses, is a TransientError: an operator can mend it.

        One that the block raises is a trouble of Prefect's, too. Nothing else in it may read JSON or check values.
        """
        try:
            # A worker backs off by itself: so it can be stopped while it waits.
            with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), get_client(sync_client=True) as client:
                yield client
        except httpx.HTTPStatusError as error:  # Prefect's own is one of these
            self.trouble = f"answers {error.response.status_code}"
            raise TransientError(f"Prefect {self.trouble}.") from error
        except httpx.HTTPError as error:
            self.trouble = f"does not answer ({type(error).__name__})"
            raise TransientError(f"Prefect {self.trouble}. Next step: start its server, or look at it.") from error
        except (JSONDecodeError, UnicodeDecodeError, ValidationError) as error:  # such as its own pages, or a login's
            self.trouble = (
                f"What answers at {httpx.URL(PREFECT_API_URL.value() or '').host} is no Prefect API. Next step: "
                "correct PREFECT_API_URL, which ends in /api, or let the receiver past what asks for a login there."
            )
            raise TransientError(self.trouble) from error
        except TransientError as error:
            self.trouble = str(error)
            raise
        self.trouble = ""
