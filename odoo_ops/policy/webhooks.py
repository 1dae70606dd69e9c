"""What a forge's delivery means: whether its sender knows the secret, and what it asks for."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from pydantic import BaseModel, ValidationError

from odoo_ops.model.environment import Environment
from odoo_ops.model.runtimes import OnHost
from odoo_ops.model.webhooks import COMMIT_OF_IMAGE, STANDARD_PREFIX, Accepted, Ignored, Push, ReleaseRule, Source

WEBHOOK_TAG = "webhook"  # of runs that were asked for by one, in Prefect
REPLAY_SECONDS = 300
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ID_LENGTH = 200
# Where the header that names a delivery's event is, and the events that move a branch or a tag. A tag is told by
# the forges of Gitea's kind as a push, too: their `create` would only double it.
_EVENTS = {
    "github": ("x-github-event", {"push"}),
    "gitlab": ("x-gitlab-event", {"Push Hook", "Tag Push Hook"}),
    "gitea": ("x-gitea-event", {"push"}),
    "forgejo": ("x-gitea-event", {"push"}),
}
# Where no id is signed. GitLab names a delivery by Idempotency-Key, which stays when it is sent again; before 17.4 only
# by its event.
_IDS = {
    "github": ("x-github-delivery",),
    "gitlab": ("idempotency-key", "x-gitlab-event-uuid"),
    "gitea": ("x-gitea-delivery",),
    "forgejo": ("x-gitea-delivery",),
}
_SIGNED_ID = "webhook-id"  # of Standard Webhooks; GitLab writes its Idempotency-Key there, too


class _Named(BaseModel):
    full_name: str


class _Commit(BaseModel):
    id: str


class _Project(BaseModel):
    path_with_namespace: str


class _HubPush(BaseModel):
    """GitHub's push, and that of the forges of Gitea's kind. `after` of an annotated tag is no commit."""

    ref: str
    after: str
    head_commit: _Commit | None = None
    repository: _Named

    def push(self) -> Push:
        commit = self.head_commit.id if self.head_commit else self.after
        return Push(repository=self.repository.full_name, ref=self.ref, commit=commit)


class _LabPush(BaseModel):
    """GitLab's push. It has no `checkout_sha` where something was deleted."""

    ref: str
    after: str
    checkout_sha: str | None = None
    project: _Project

    def push(self) -> Push:
        return Push(repository=self.project.path_with_namespace, ref=self.ref, commit=self.checkout_sha or self.after)


class _GenericPush(BaseModel):
    event: str
    repository: str = ""
    ref: str = ""
    commit: str = ""

    def push(self) -> Push:
        return Push(repository=self.repository, ref=self.ref, commit=self.commit)


def signed_by(source: Source, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether a delivery comes from who knows the source's secret; compared in constant time.

    Headers go by their names in small letters; `now` is in seconds since 1970, and a signed time must be near it.
    """
    secret = source.secret.get_secret_value()
    match source.forge:
        case "github":
            return _same(headers.get("x-hub-signature-256", ""), f"sha256={_hex(secret, body)}")
        case "gitea" | "forgejo":
            return _same(headers.get("x-gitea-signature", ""), _hex(secret, body))
        case "gitlab" if not _signs_id(source):
            return _same(headers.get("x-gitlab-token", ""), secret)
        case _:
            return _signed_by_standard(secret, headers, body, now)


def _signs_id(source: Source) -> bool:
    """Whether deliveries are signed as Standard Webhooks says, by which their id is, too."""
    signing_token = source.secret.get_secret_value().startswith(STANDARD_PREFIX)
    return source.forge == "generic" or (source.forge == "gitlab" and signing_token)


def _signed_by_standard(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """As Standard Webhooks says: id, time and body are signed; of several signatures one must fit."""
    identity, time = headers.get(_SIGNED_ID, ""), headers.get("webhook-timestamp", "")
    if not identity or not re.fullmatch(r"[0-9]{1,12}", time) or abs(now - int(time)) > REPLAY_SECONDS:
        return False
    expected = standard_signature(secret, identity, time, body)
    return any(_same(given, expected) for given in headers.get("webhook-signature", "").split())


def standard_signature(secret: str, identity: str, time: str, body: bytes) -> str:
    """The signature of Standard Webhooks. A secret without `whsec_` is the key itself."""
    key = secret.encode()
    if secret.startswith(STANDARD_PREFIX):
        key = base64.b64decode(secret.removeprefix(STANDARD_PREFIX))
    signed = hmac.digest(key, f"{identity}.{time}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(signed).decode()}"


def _hex(secret: str, body: bytes) -> str:
    return hmac.digest(secret.encode(), body, "sha256").hex()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def delivery_id(source: Source, headers: Mapping[str, str], body: bytes) -> str:
    """What a delivery is called, the same when it is sent again; where nothing names it, its body does.

    Where an id is signed, only that one counts: whoever plays a delivery again may write any other beside it.
    """
    named = (headers.get(header) for header in ((_SIGNED_ID,) if _signs_id(source) else _IDS[source.forge]))
    return _bounded(next(filter(None, named), "")) or hashlib.sha256(body).hexdigest()


def _bounded(identity: str) -> str:
    """An id as it is, or the digest of a long one: cut off, it would be another delivery's whose end alone differs."""
    return identity if len(identity) <= _ID_LENGTH else hashlib.sha256(identity.encode()).hexdigest()


def body_digest(source: Source, body: bytes) -> str | None:
    """What tells a body that is played again under another id, where only the body is signed.

    None where the id is signed, and where nothing is: GitLab's secret token is in the delivery itself.
    """
    return hashlib.sha256(body).hexdigest() if source.forge in {"github", "gitea", "forgejo"} else None


def asked(source: Source, headers: Mapping[str, str], body: bytes) -> Accepted | Ignored:
    """What a signed delivery asks for. The reason of one that asks for nothing is for its sender."""
    try:
        push = _push(source, headers, body)
    except ValidationError:
        return Ignored(
            reason="the body is not the JSON of such an event. Next step: choose the content type application/json"
        )
    if isinstance(push, Ignored):
        return push
    if not _COMMIT.fullmatch(push.commit):
        return Ignored(reason="it names no commit by its whole id")
    if not push.commit.strip("0"):
        return Ignored(reason=f"{push.ref} was deleted")
    return _accepted(source.rules, push)


def _push(source: Source, headers: Mapping[str, str], body: bytes) -> Push | Ignored:
    if source.forge == "generic":
        told = _GenericPush.model_validate_json(body)
        return told.push() if told.event == "push" else _other_event(told.event)
    header, moving = _EVENTS[source.forge]
    event = headers.get(header, "")
    if event not in moving:
        return _other_event(event)
    return (_LabPush if source.forge == "gitlab" else _HubPush).model_validate_json(body).push()


def _other_event(event: str) -> Ignored:
    return Ignored(reason="pong" if event == "ping" else f"the event {event[:_ID_LENGTH]!r} releases nothing")


def _accepted(rules: Sequence[ReleaseRule], push: Push) -> Accepted | Ignored:
    of_repository = [rule for rule in rules if rule.repository == push.repository]
    if not of_repository:
        return Ignored(reason=f"no rule names the repository {push.repository}")
    matching = [rule for rule in of_repository if fnmatchcase(push.ref, rule.ref)]
    if not matching:
        return Ignored(reason=f"no rule for {push.repository} names {push.ref}")
    images: dict[str, str] = {}
    for rule in matching:
        for name in rule.environments:
            images.setdefault(name, rule.image_of(push.commit))
    return Accepted(
        push=push, environments=tuple(images), images={name: image for name, image in images.items() if image}
    )


def why_nothing_is_released(environment: Environment, image: str | None) -> str:
    """Why a rule with this image, or without one, releases nothing to an environment; empty: it does."""
    in_containers = not isinstance(environment.runtime, OnHost)
    if in_containers and not image:
        return (
            f"{environment.name!r} runs in containers, so an image of the commit is released to it. Next step: give "
            f"the rule `image`, such as registry.example.com/acme/erp:{COMMIT_OF_IMAGE}"
        )
    if image and not in_containers:
        return f"{environment.name!r} does not run in containers. Next step: give it a rule of its own without `image`"
    if not in_containers and environment.release is None:
        return f"{environment.name!r} has no `release`. Next step: describe its addons there (docs/releases.md)"
    return ""


def idempotency_key(source: str, delivery: str, environment: str) -> str:
    """By what Prefect knows a release that it was asked for already."""
    return hashlib.sha256(f"{source}\0{delivery}\0{environment}".encode()).hexdigest()
