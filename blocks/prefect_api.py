"""What Prefect's client raises where its API is away, or answers with an error."""

import httpx
from prefect.exceptions import PrefectHTTPStatusError

PREFECT_AWAY = (httpx.TransportError, PrefectHTTPStatusError)
