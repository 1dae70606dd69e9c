"""Tell a forge what became of a commit."""

import time
from http import HTTPStatus

import httpx

from odoo_ops.errors import PermanentError, PreconditionFailed, RateLimited, TransientError
from odoo_ops.model.webhooks import Source
from odoo_ops.policy.commit_status import CommitStatus, rest_seconds

_TIMEOUT_SECONDS = 10
# What a token says that is not valid any more, may not do this, or may not even see the repository.
_LACKS_RIGHTS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}


def tell(source: Source, status: CommitStatus) -> None:
    """Post a commit status with the source's token.

    Raises TransientError when the forge does not answer or is busy, RateLimited when it was asked too often;
    PreconditionFailed when the token may not do it; PermanentError when the forge refuses the status itself.
    """
    try:
        answer = httpx.post(status.url, json=status.body, headers=_login(source), timeout=_TIMEOUT_SECONDS)
    except httpx.HTTPError as error:
        raise TransientError(
            f"The forge of {source.name} does not answer at {status.url} ({type(error).__name__}). It is tried again. "
            "Next step: correct `api` of this webhook source, unless the forge is down."
        ) from error
    if answer.is_success:
        return
    where = f"The forge of {source.name} answers {answer.status_code} at {status.url}."
    rest = rest_seconds(answer.status_code, answer.headers, answer.text, time.time())
    if rest is not None:
        raise RateLimited(f"{where} It was asked too often, and is asked again in {rest:.0f} seconds.", rest)
    if answer.is_server_error:
        raise TransientError(f"{where} It is tried again.")
    if answer.status_code in _LACKS_RIGHTS:
        raise PreconditionFailed(f"{where} Next step: a token that may write commit statuses there.")
    raise PermanentError(f"{where} Next step: see there whether it still has the commit.")


def _login(source: Source) -> dict[str, str]:
    token = source.token.get_secret_value() if source.token else ""
    match source.told_forge:
        case "gitlab":
            return {"PRIVATE-TOKEN": token}
        case "gitea" | "forgejo":
            return {"Authorization": f"token {token}"}
        case _:
            return {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
