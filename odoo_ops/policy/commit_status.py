"""What a forge is told about a commit that is released."""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from odoo_ops.model.base import Value
from odoo_ops.model.release import RELEASED_UNWELL, SUPERSEDED
from odoo_ops.model.webhooks import QueuedRelease, Source, Told

_APIS = {"github": "https://api.github.com", "gitlab": "https://gitlab.com/api/v4"}
_TEXTS: dict[Told, str] = {
    "pending": "Release to {} was asked for",
    "success": "Released to {}",
    "unwell": "Released to {}; a check failed",
    "failure": "Release to {} failed",
    "superseded": "Not released to {}: its branch or tag leads elsewhere by now",
}
# What forges call a state otherwise. No commit is called a success that was not released.
_WORDS: dict[str, dict[Told, str]] = {
    "github": {"unwell": "success", "superseded": "error"},
    "gitlab": {"unwell": "success", "failure": "failed", "superseded": "canceled"},
    "gitea": {"unwell": "success", "superseded": "warning"},
    "forgejo": {"unwell": "success", "superseded": "warning"},
}
_NAMED: dict[str, Told] = {SUPERSEDED: "superseded", RELEASED_UNWELL: "unwell"}
# What else Prefect calls a run's state goes on.
_ENDED: dict[str, Told] = {"COMPLETED": "success", "FAILED": "failure", "CRASHED": "failure", "CANCELLED": "failure"}

_REST_SECONDS, _LONGEST_REST_SECONDS = 60.0, 3600.0  # where a forge does not say; GitHub counts by the hour


class CommitStatus(Value):
    """A request by which a forge is told. The token is no part of it."""

    url: str
    body: dict[str, str]


def outcome(state_type: str, state_name: str) -> Told | None:
    """What the end of a flow run means for the commit; None while it goes on."""
    return _NAMED.get(state_name) or _ENDED.get(state_type)


def commit_status(source: Source, release: QueuedRelease, told: Told, run_url: str) -> CommitStatus:
    """How a source's forge is told about one environment's release. Each environment has a line of its own there."""
    forge, push = source.told_forge, release.push
    api = source.api or _APIS[forge]
    said = {
        "state": _WORDS[forge].get(told, told),
        "description": release.refusal or _TEXTS[told].format(release.environment),
        "context": f"odoo-ops/{release.environment}",
        **({"target_url": run_url} if run_url else {}),
    }
    if forge == "gitlab":
        return CommitStatus(url=f"{api}/projects/{quote(push.repository, safe='')}/statuses/{push.commit}", body=said)
    return CommitStatus(url=f"{api}/repos/{quote(push.repository)}/statuses/{push.commit}", body=said)


def rest_seconds(status: int, headers: Mapping[str, str], body: str, now: float) -> float | None:
    """How long a forge wants to be left alone, as it was asked too often; None: its answer is about something else.

    GitHub says so by 403, too: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api

    Args:
        status: of its answer.
        headers: by their names in small letters.
        body: what it says.
        now: seconds since 1970.
    """
    after, used_up = headers.get("retry-after"), headers.get("x-ratelimit-remaining") == "0"
    by_name = status == HTTPStatus.FORBIDDEN and (after or used_up or "rate limit" in body.lower())
    if not (by_name or status == HTTPStatus.TOO_MANY_REQUESTS):
        return None
    reset = headers.get("x-ratelimit-reset", "")
    if after and after.isdecimal():
        return min(float(after), _LONGEST_REST_SECONDS)
    if used_up and reset.isdecimal():
        return min(max(float(reset) - now, 0), _LONGEST_REST_SECONDS)
    return _REST_SECONDS
