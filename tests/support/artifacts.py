"""What flows published, all of it: Prefect's API gives two hundred at once, in no order of time."""

from itertools import count

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import Artifact

_AT_ONCE = 200


def read_all_artifacts(client: SyncPrefectClient) -> list[Artifact]:
    """Every artifact on a server. None may be made meanwhile."""
    found = list[Artifact]()
    for offset in count(step=_AT_ONCE):
        part = client.read_artifacts(limit=_AT_ONCE, offset=offset)
        found += part
        if len(part) < _AT_ONCE:
            break
    return found
