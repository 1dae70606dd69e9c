"""What deliveries mean, and who may send them. Payloads of GitHub are real ones, others are written after its pages."""

import base64
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from odoo_ops.model.release import RELEASED_UNWELL
from odoo_ops.model.webhooks import Accepted, Ignored, Push, QueuedRelease, Source
from odoo_ops.policy.commit_status import commit_status, outcome, rest_seconds
from odoo_ops.policy.rates import Bucket
from odoo_ops.policy.webhooks import asked, body_digest, delivery_id, idempotency_key, signed_by

GOLDEN = Path(__file__).parent / "golden" / "webhooks"
SECRET = "sixteen-characters-or-more"
KEY = base64.b64encode(bytes(range(32))).decode()
COMMIT = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
RULES = [
    {"repository": "Codertocat/Hello-World", "branch": "master", "environments": ["staging"]},
    {"repository": "Codertocat/Hello-World", "branch": "*", "environments": ["testing", "staging"]},
    {"repository": "Codertocat/Hello-World", "tag": "simple-*", "environments": ["production"]},
]


def source(forge: str, **fields: Any) -> Source:  # noqa: ANN401 - any field of it
    return Source.model_validate({"name": "it", "forge": forge, "secret": SECRET, "rules": RULES, **fields})


def mac(body: bytes) -> str:
    return hmac.digest(SECRET.encode(), body, "sha256").hex()


def standard(key: bytes, body: bytes, at: int = 1000) -> dict[str, str]:
    signature = base64.b64encode(hmac.digest(key, f"id-1.{at}.".encode() + body, "sha256")).decode()
    return {"webhook-id": "id-1", "webhook-timestamp": str(at), "webhook-signature": f"v1a,other v1,{signature}"}


# The first is GitHub's own example of its documentation: https://docs.github.com/webhooks (validating deliveries).
GOOD = [
    (
        source("github", secret="It's a Secret to Everybody"),
        b"Hello, World!",
        {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
    ),
    (source("github"), b"{}", {"x-hub-signature-256": f"sha256={mac(b'{}')}"}),
    (source("gitea"), b"{}", {"x-gitea-signature": mac(b"{}")}),
    (source("forgejo"), b"{}", {"x-gitea-signature": mac(b"{}"), "x-forgejo-signature": mac(b"{}")}),
    (source("gitlab"), b"{}", {"x-gitlab-token": SECRET}),
    (source("gitlab", secret=f"whsec_{KEY}"), b"{}", standard(bytes(range(32)), b"{}")),
    (source("generic", secret=f"whsec_{KEY}"), b"{}", standard(bytes(range(32)), b"{}")),
    (source("generic"), b"{}", standard(SECRET.encode(), b"{}")),
]


@pytest.mark.parametrize(("by", "body", "headers"), GOOD, ids=lambda value: getattr(value, "forge", None))
def test_signature_is_good_only_as_it_was_made(by: Source, body: bytes, headers: dict[str, str]) -> None:
    assert signed_by(by, headers, body, now=1000)
    assert not signed_by(by, {}, body, now=1000)
    signed = [name for name in headers if name != "x-forgejo-signature"]
    for name in signed:
        assert not signed_by(by, {**headers, name: headers[name][:-1]}, body, now=1000)
        assert not signed_by(by, {**headers, name: f"{headers[name]}é"}, body, now=1000)
    if "x-gitlab-token" not in headers:  # it is in the delivery itself, and says nothing about the body
        assert not signed_by(by, headers, body + b" ", now=1000)


@pytest.mark.parametrize(("now", "good"), [(1000, True), (1300, True), (700, True), (1301, False), (699, False)])
def test_signed_time_is_believed_only_near_to_now(now: int, *, good: bool) -> None:
    assert signed_by(source("generic"), standard(SECRET.encode(), b"{}"), b"{}", now=now) is good


@given(st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()))
def test_signature_is_never_good_or_an_error_whatever_strangers_send(headers: dict[str, str]) -> None:
    assert not signed_by(source("generic"), headers, b"{}", now=1000)


def push(**fields: Any) -> bytes:  # noqa: ANN401 - any field of it
    return json.dumps(fields).encode()


GITLAB = {"ref": "refs/tags/simple-1", "after": "a" * 40, "project": {"path_with_namespace": "Codertocat/Hello-World"}}
GITEA = {"ref": "refs/heads/master", "after": COMMIT, "repository": {"full_name": "Codertocat/Hello-World"}}
GENERIC = {"event": "push", "repository": "Codertocat/Hello-World", "ref": "refs/heads/x", "commit": COMMIT}

ASKED: list[tuple[str, str, bytes, object]] = [
    ("github", "push", (GOLDEN / "github-push-branch.json").read_bytes(), ("staging", "testing")),
    ("github", "push", (GOLDEN / "github-push-tag.json").read_bytes(), ("production",)),
    ("github", "push", (GOLDEN / "github-push-deleted.json").read_bytes(), "refs/tags/simple-tag was deleted"),
    ("github", "ping", (GOLDEN / "github-ping.json").read_bytes(), "pong"),
    ("github", "issues", b"", "the event 'issues' releases nothing"),
    ("github", "", b"", "the event '' releases nothing"),
    ("github", "push", b"[]", "the body is not the JSON"),
    ("github", "push", b"\xff", "the body is not the JSON"),
    ("gitlab", "Tag Push Hook", (GOLDEN / "gitlab-push-tag.json").read_bytes(), ("production",)),
    ("gitlab", "Push Hook", (GOLDEN / "gitlab-push-branch.json").read_bytes(), ("staging", "testing")),
    ("gitlab", "Push Hook", push(**{**GITLAB, "after": "0" * 40}, checkout_sha=None), "refs/tags/simple-1 was deleted"),
    ("gitlab", "Merge Request Hook", push(**GITLAB), "the event 'Merge Request Hook' releases nothing"),
    ("gitea", "push", (GOLDEN / "gitea-push-branch.json").read_bytes(), ("staging", "testing")),
    ("gitea", "push", (GOLDEN / "gitea-push-tag.json").read_bytes(), ("production",)),
    ("forgejo", "push", (GOLDEN / "gitea-push-branch.json").read_bytes(), ("staging", "testing")),
    (
        "gitea",
        "push",
        push(**{**GITEA, "ref": "refs/notes/x"}),
        "no rule for Codertocat/Hello-World names refs/notes/x",
    ),
    ("gitea", "push", push(**{**GITEA, "after": "6113728"}), "it names no commit by its whole id"),
    ("gitea", "push", push(**{**GITEA, "repository": {"full_name": "a/b"}}), "no rule names the repository a/b"),
    ("generic", "", push(**GENERIC), ("testing", "staging")),
    ("generic", "", push(event="ping"), "pong"),
    ("generic", "", push(event="push"), "it names no commit"),
]
HEADERS = {"github": "x-github-event", "gitlab": "x-gitlab-event"}


@pytest.mark.parametrize(("forge", "event", "body", "expected"), ASKED)
def test_delivery_asks_for_what_the_rules_say(forge: str, event: str, body: bytes, expected: object) -> None:
    found = asked(source(forge), {HEADERS.get(forge, "x-gitea-event"): event}, body)
    if isinstance(expected, tuple):
        assert isinstance(found, Accepted)
        assert (found.environments, found.push.commit) == (expected, COMMIT)
    else:
        assert isinstance(found, Ignored)
        assert found.reason.startswith(str(expected))


def test_image_of_the_commit_goes_to_the_environments_of_its_rule() -> None:
    rules = [
        {
            "repository": "a/b",
            "branch": "main",
            "environments": ["staging", "shop"],
            "image": "example.com/erp:{commit}",
        },
        {"repository": "a/b", "branch": "*", "environments": ["plain", "staging"]},
    ]
    body = push(event="push", repository="a/b", ref="refs/heads/main", commit=COMMIT)
    found = asked(source("generic", rules=rules), {}, body)
    assert isinstance(found, Accepted)
    assert found.environments == ("staging", "shop", "plain")
    assert found.images == {"staging": f"example.com/erp:{COMMIT}", "shop": f"example.com/erp:{COMMIT}"}


def test_commit_of_an_annotated_tag_is_what_it_points_to() -> None:
    body = push(**{**GITEA, "after": "a" * 40}, head_commit={"id": COMMIT})
    found = asked(source("gitea"), {"x-gitea-event": "push"}, body)
    assert isinstance(found, Accepted)
    assert found.push.commit == COMMIT


@pytest.mark.parametrize(
    ("forge", "headers", "expected"),
    [
        ("github", {"x-github-delivery": "d-1"}, "d-1"),
        ("gitea", {"x-gitea-delivery": "d-1"}, "d-1"),
        ("forgejo", {"x-gitea-delivery": "d-1", "x-forgejo-delivery": "d-1"}, "d-1"),
        ("gitlab", {"idempotency-key": "d-1", "x-gitlab-event-uuid": "e-1"}, "d-1"),
        ("gitlab", {"x-gitlab-event-uuid": "e-1"}, "e-1"),
        ("generic", {"webhook-id": "d-1"}, "d-1"),
        ("github", {}, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
        ("github", {"x-github-delivery": "d" * 200}, "d" * 200),
    ],
)
def test_delivery_is_called_what_stays_when_it_is_sent_again(
    forge: str, headers: dict[str, str], expected: str
) -> None:
    assert delivery_id(source(forge), headers, b"{}") == expected


def test_long_ids_are_told_apart_by_their_ends_and_take_little_room() -> None:
    """What CI calls a delivery begins with the path of a repository, and ends with commit and run."""
    ids = [f"{'group/' * 60}addons-{COMMIT}-{run}" for run in ("1", "2", "1")]
    first, second, again = (delivery_id(source("generic"), {"webhook-id": each}, b"{}") for each in ids)
    assert first == again != second
    assert len(first) == 64


@pytest.mark.parametrize("forge", ["gitlab", "generic"])
def test_signed_delivery_is_known_when_it_is_played_again_under_other_names(forge: str) -> None:
    """Only what is signed names it: the other headers are whoever's who sends it."""
    by, headers = source(forge, secret=f"whsec_{KEY}"), standard(bytes(range(32)), b"{}")
    played = {**headers, "idempotency-key": "another", "x-gitlab-event-uuid": "another"}
    assert signed_by(by, played, b"{}", now=1000)
    assert delivery_id(by, played, b"{}") == delivery_id(by, headers, b"{}") == "id-1"


def test_body_tells_a_delivery_only_where_it_is_all_that_is_signed() -> None:
    told = {forge: body_digest(source(forge), b"{}") for forge in ("github", "gitea", "forgejo", "gitlab", "generic")}
    assert {forge for forge, digest in told.items() if digest} == {"github", "gitea", "forgejo"}
    assert told["github"] != body_digest(source("github"), b"{ }")


def test_key_differs_for_every_source_delivery_and_environment() -> None:
    keys = {idempotency_key(*names) for names in [("a", "b", "c"), ("a", "b", "d"), ("a", "x", "c"), ("x", "b", "c")]}
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"secret": "fifteen-letters"}, "at least 16"),
        ({"secret": "whsec_not base64 at all"}, "base64"),
        ({"forge": "generic", "token": "t"}, "no status_forge"),
        ({"forge": "generic", "status_forge": "github"}, "no token"),
        ({"forge": "generic", "status_forge": "gitea", "token": "t"}, "no api"),
        ({"status_forge": "gitlab", "token": "t"}, "delete it"),
        ({"forge": "gitea", "token": "t"}, "no api"),
        ({"rules": []}, "at least 1"),
        ({"rules": [{"repository": "a/b", "environments": ["x"]}]}, "takes one of them"),
        ({"rules": [{"repository": "a/b", "branch": "x", "tag": "x", "environments": ["x"]}]}, "takes one of them"),
        ({"rules": [{"repository": "a/b", "tag": "x", "environments": ["x"], "image": "erp:1"}]}, "has no {commit}"),
    ],
)
def test_source_is_refused_when_it_cannot_work(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        source(**{"forge": "github", **fields})
    assert "fifteen" not in str(refused.value)


RELEASE = QueuedRelease(
    id=1,
    source="it",
    delivery="d",
    environment="production",
    push=Push(repository="acme/group/add ons", ref="refs/heads/main", commit=COMMIT),
    state="pending",
    received_at=1,
)


@pytest.mark.parametrize(
    ("forge", "api", "url", "states"),
    [
        ("github", None, "https://api.github.com/repos/acme/group/add%20ons", ("failure", "error")),
        ("gitlab", None, "https://gitlab.com/api/v4/projects/acme%2Fgroup%2Fadd%20ons", ("failed", "canceled")),
        ("gitea", "http://g/api/v1", "http://g/api/v1/repos/acme/group/add%20ons", ("failure", "warning")),
    ],
)
def test_status_is_written_as_each_forge_reads_it(
    forge: str, api: str | None, url: str, states: tuple[str, str]
) -> None:
    by = source(forge, api=api, token="t")
    pending = commit_status(by, RELEASE, "pending", "http://prefect/run")
    of_ci = source("generic", status_forge=forge, api=api, token="t")
    assert commit_status(of_ci, RELEASE, "pending", "http://prefect/run") == pending
    assert pending.url == f"{url}/statuses/{COMMIT}"
    assert pending.body == {
        "state": "pending",
        "description": "Release to production was asked for",
        "context": "odoo-ops/production",
        "target_url": "http://prefect/run",
    }
    refused = RELEASE.model_copy(update={"refusal": "Prefect refused"})
    failure = commit_status(by, refused, "failure", "")
    assert failure.body == {"state": states[0], "description": "Prefect refused", "context": "odoo-ops/production"}
    superseded = commit_status(by, RELEASE, "superseded", "").body
    assert (superseded["state"], superseded["description"][:27]) == (states[1], "Not released to production:")


def test_only_an_end_is_an_outcome() -> None:
    ends = {"COMPLETED": "success", "FAILED": "failure", "CRASHED": "failure", "CANCELLED": "failure"}
    going = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING", "")
    assert {state: outcome(state, state.title()) for state in (*ends, *going)} == {**ends, **dict.fromkeys(going)}


def test_push_that_is_not_the_newest_is_no_success() -> None:
    assert outcome("COMPLETED", "Superseded") == "superseded"


@pytest.mark.parametrize("forge", ["github", "gitlab", "gitea", "forgejo"])
def test_release_that_is_in_place_with_a_failed_check_is_a_success_that_says_so(forge: str) -> None:
    assert outcome("COMPLETED", RELEASED_UNWELL) == "unwell"
    by = source(forge, api="https://forge.example.com/api", token="t")
    said = commit_status(by, RELEASE, "unwell", "").body
    assert (said["state"], said["description"]) == ("success", "Released to production; a check failed")


def test_bucket_lets_through_what_a_minute_allows_and_fills_again() -> None:
    bucket: Bucket | None = Bucket(60, 0.0)
    for _ in range(60):
        assert bucket
        bucket = bucket.taken(60, now=0.0)
    assert bucket
    assert bucket.taken(60, now=0.9) is None
    assert bucket.taken(60, now=1.0) == (0, 1.0)
    assert bucket.taken(60, now=1000.0) == (59, 1000.0)


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (403, {"retry-after": "30"}, "", 30),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1090"}, "", 90),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "900"}, "", 0),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999"}, "", 3600),
        (403, {"x-ratelimit-remaining": "0"}, "", 60),
        (403, {}, '{"message": "You have exceeded a secondary rate limit."}', 60),
        (403, {"x-ratelimit-remaining": "4999"}, '{"message": "Resource not accessible"}', None),
        (429, {}, "", 60),
        (429, {"retry-after": "Fri, 27 Nov 2026 10:00:00 GMT"}, "", 60),
        (401, {"retry-after": "30"}, "", None),
        (503, {"retry-after": "30"}, "", None),
    ],
)
def test_forge_that_was_asked_too_often_is_left_alone_as_it_says(
    status: int, headers: dict[str, str], body: str, expected: float | None
) -> None:
    assert rest_seconds(status, headers, body, now=1000) == expected
