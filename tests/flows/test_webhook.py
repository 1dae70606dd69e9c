"""The webhook receiver as a process, a real Prefect server beside it, and what forges really send."""

import json
import re
import secrets
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from own_prefect import PrefectServer
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import AwaitingRetry, Completed, Failed
from prefect.utilities.callables import parameter_schema
from prometheus_client.parser import text_string_to_metric_families
from real_processes import wait_until
from secret_traces import ArgvWatch, Canary, seen
from webhooks import (
    COMMIT,
    REPOSITORY,
    SECRET,
    SIGNING_TOKEN,
    TOKEN,
    RunningReceiver,
    StandInForge,
    gitea,
    github,
    gitlab,
    golden,
    push_to,
    running_receiver,
    standard,
)

from blocks import WebhookSource
from flows.release import release
from odoo_ops.model.release import SUPERSEDED
from odoo_ops.model.webhooks import Source

ROOT = Path(__file__).parents[2]
QUEUED = {"source": "hub", "result": "queued"}


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with PrefectServer.run(tmp_path_factory.mktemp("prefect")) as server:
        deploy()
        yield server


def deploy() -> UUID:
    schema = parameter_schema(release).model_dump()
    schema["properties"]["environment"]["maxLength"] = 20  # so that there is one that Prefect refuses
    with get_client(sync_client=True) as client:
        return client.create_deployment(
            flow_id=client.create_flow(release),
            name="release",
            entrypoint="flows.release.release",
            parameter_openapi_schema=schema,
            enforce_parameter_schema=True,
        )


@pytest.fixture(scope="module")
def forges() -> Iterator[dict[str, StandInForge]]:
    with ExitStack() as stack:
        yield {kind: stack.enter_context(StandInForge.run(kind)) for kind in ("github", "gitlab", "gitea", "forgejo")}


@pytest.fixture(scope="module")
def forge(forges: dict[str, StandInForge]) -> StandInForge:
    return forges["github"]


@pytest.fixture(scope="module")
def receiver(
    prefect: PrefectServer,  # noqa: ARG001 - its address is in the settings
    forges: dict[str, StandInForge],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningReceiver]:
    rules = [
        {"repository": REPOSITORY, "branch": "master", "environments": ["staging"]},
        {"repository": REPOSITORY, "branch": "both/*", "environments": ["staging", "production"]},
        {"repository": REPOSITORY, "branch": "unfit", "environments": ["a-name-that-the-flow-does-not-take"]},
        {"repository": REPOSITORY, "tag": "simple-*", "environments": ["production"]},
        {"repository": REPOSITORY, "branch": "image", "environments": ["shop"], "image": "example.com/erp:{commit}"},
    ]
    hub, lab = {"token": TOKEN, "api": forges["github"].api}, {"token": TOKEN, "api": f"{forges['gitlab'].api}/api/v4"}
    told = {"name": "hub", "forge": "github", "secret": SECRET, **hub, "rules": rules}
    statuses = {"status_forge": "github", **hub}
    plain = {"name": "plain", "forge": "generic", "secret": SECRET, "rules": rules, **statuses}
    few = {"name": "few", "forge": "github", "secret": SECRET, "rules": rules, "deliveries_per_minute": 3}
    others = [
        {"name": "lab", "forge": "gitlab", "secret": SECRET, **lab, "rules": rules},
        {"name": "signing-lab", "forge": "gitlab", "secret": SIGNING_TOKEN, **lab, "rules": rules},
        *(
            {"name": kind, "forge": kind, "secret": SECRET, "rules": rules, "token": TOKEN, "api": forges[kind].api}
            for kind in ("gitea", "forgejo")
        ),
    ]
    sources = (told, plain, few, *others)
    for source in sources:
        WebhookSource(settings=Source.model_validate(source)).save(str(source["name"]), overwrite=True)
    with running_receiver(tmp_path_factory.mktemp("receiver")) as receiver:
        receiver.wait_for_sources(*(str(source["name"]) for source in sources))
        yield receiver


def runs(commit: str = "") -> list[FlowRun]:
    """The runs of the deployment, of one commit where it is named."""
    deployed = DeploymentFilter(name=DeploymentFilterName(any_=["release"]))
    found: list[FlowRun] = []
    with get_client(sync_client=True) as client:
        while page := client.read_flow_runs(deployment_filter=deployed, limit=200, offset=len(found)):
            found += page
    return [run for run in found if commit in ("", commit_of(run))]


def commit_of(run: FlowRun) -> str:
    """The commit that a run releases."""
    if image := run.parameters.get("image"):
        return str(image).partition(":")[2]
    (commit,) = run.parameters["refs"].values()
    return str(commit)


def until(condition: Callable[[], object], receiver: RunningReceiver) -> None:
    """Wait for what a receiver must do; its log says why it did not."""
    wait_until(condition, receiver.log, 120)


def end(run: FlowRun, state: Any) -> None:  # noqa: ANN401 - Prefect's states are generic
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, state, force=True)


def test_push_becomes_one_run_and_the_forge_is_told_of_its_end(
    receiver: RunningReceiver, forge: StandInForge, prefect: PrefectServer
) -> None:
    body = golden("github-push-branch")
    headers = github(body)
    answer = receiver.deliver("hub", body, headers)
    assert (answer.status_code, answer.json()) == (202, {"releases": ["staging"]})
    until(lambda: runs(COMMIT), receiver)
    again = receiver.deliver("hub", body, headers)
    assert (again.status_code, again.json()) == (202, {"reason": "this delivery is known already"})
    played = receiver.deliver("hub", body, github(body))
    assert (played.status_code, played.json()) == (202, {"reason": "this delivery is known already"})

    until(lambda: forge.states(COMMIT) == ["pending"], receiver)
    (run,) = runs(COMMIT)
    pushed_to = {REPOSITORY: "refs/heads/master"}
    assert run.parameters == {"environment": "staging", "refs": {REPOSITORY: COMMIT}, "pushed_to": pushed_to}
    assert {"webhook", "hub"} <= set(run.tags)
    end(run, Completed())
    until(lambda: forge.states(COMMIT) == ["pending", "success"], receiver)
    path, status = forge.told[-1]
    assert path == f"/repos/{REPOSITORY}/statuses/{COMMIT}"
    assert status["context"] == "odoo-ops/staging"
    assert str(run.id) in status["target_url"]
    assert status["target_url"].startswith(prefect.url.removesuffix("/api"))
    families = {family.name: family for family in text_string_to_metric_families(receiver.figures())}
    named = re.findall(r"`(?:odoo_ops_webhook|…)(_\w+)`", (ROOT / "docs/webhook.md").read_text())
    assert {f"odoo_ops_webhook{name.removesuffix('_total')}" for name in named} == {
        name for name in families if not name.endswith("_created")
    }
    (queued,) = (one.value for one in families["odoo_ops_webhook_deliveries"].samples if one.labels == QUEUED)
    assert queued >= 1


@pytest.mark.parametrize(
    ("source", "kind", "secret"),
    [
        ("lab", "gitlab", SECRET),
        ("signing-lab", "gitlab", SIGNING_TOKEN),
        ("gitea", "gitea", SECRET),
        ("forgejo", "forgejo", SECRET),
    ],
)
def test_pushes_of_other_forges_become_one_run_each_and_they_are_told_of_their_ends(
    source: str, kind: str, secret: str, receiver: RunningReceiver, forges: dict[str, StandInForge]
) -> None:
    commit, headers_of = secrets.token_hex(20), gitlab if kind == "gitlab" else gitea
    written, failed = ("gitlab", "failed") if kind == "gitlab" else ("gitea", "failure")
    branch, tag = (
        golden(f"{written}-push-{ref}").replace(COMMIT.encode(), commit.encode()) for ref in ("branch", "tag")
    )
    for body, environment in ((branch, "staging"), (tag, "production")):
        headers = headers_of(body, secret=secret)
        assert receiver.deliver(source, body, headers).json() == {"releases": [environment]}
        assert receiver.deliver(source, body, headers).json() == {"reason": "this delivery is known already"}
    until(lambda: len(runs(commit)) == 2, receiver)
    by_environment = {run.parameters["environment"]: run for run in runs(commit)}
    assert by_environment["staging"].parameters["pushed_to"] == {REPOSITORY: "refs/heads/master"}
    assert by_environment["production"].parameters["pushed_to"] == {REPOSITORY: "refs/tags/simple-1"}
    end(by_environment["staging"], Completed())
    end(by_environment["production"], Failed())
    until(lambda: set(forges[kind].states(commit)) >= {"success", failed}, receiver)
    told = {(body["context"], body["state"]) for path, body in forges[kind].told if path.endswith(commit)}
    assert told >= {("odoo-ops/staging", "success"), ("odoo-ops/production", failed)}


@pytest.mark.usefixtures("receiver")  # its sources are known to Prefect
def test_forge_leads_people_to_where_they_reach_prefect(
    forge: StandInForge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_UI_URL", "https://prefect.example.com")
    commit = secrets.token_hex(20)
    body = push_to("master", commit)
    with running_receiver(tmp_path) as receiver:
        receiver.wait_for_sources("hub", "plain", "few")
        assert receiver.deliver("hub", body, github(body)).status_code == 202
        until(lambda: forge.states(commit), receiver)
    (run,) = runs(commit)
    (status,) = (status for path, status in forge.told if path.endswith(commit))
    assert status["target_url"] == f"https://prefect.example.com/runs/flow-run/{run.id}"


def test_call_of_ci_becomes_a_run_for_its_image_and_the_forge_is_told_of_its_end(
    receiver: RunningReceiver, forge: StandInForge
) -> None:
    commit = secrets.token_hex(20)
    body = json.dumps({"event": "push", "repository": REPOSITORY, "ref": "refs/heads/image", "commit": commit}).encode()
    assert receiver.deliver("plain", body, standard(body)).json() == {"releases": ["shop"]}
    until(lambda: runs(commit), receiver)
    (run,) = runs(commit)
    assert run.parameters == {
        "environment": "shop",
        "image": f"example.com/erp:{commit}",
        "pushed_to": {REPOSITORY: "refs/heads/image"},
    }
    assert {"webhook", "plain", "shop"} <= set(run.tags)
    end(run, Completed())
    until(lambda: forge.states(commit)[-1:] == ["success"], receiver)


def test_failure_of_each_environment_is_told_by_itself(receiver: RunningReceiver, forge: StandInForge) -> None:
    body = push_to("both/of-them")
    commit = json.loads(body)["after"]
    assert receiver.deliver("hub", body, github(body)).json() == {"releases": ["staging", "production"]}
    until(lambda: len(runs(commit)) == 2, receiver)
    by_environment = {run.parameters["environment"]: run for run in runs(commit)}
    end(by_environment["staging"], Completed())
    end(by_environment["production"], Failed())
    until(lambda: len(forge.states(commit)) >= 3, receiver)
    until(lambda: set(forge.states(commit)) >= {"success", "failure"}, receiver)
    told = {(body["context"], body["state"]) for path, body in forge.told if path.endswith(commit)}
    assert told >= {("odoo-ops/staging", "success"), ("odoo-ops/production", "failure")}


def test_run_that_failed_and_is_tried_again_is_told_anew(receiver: RunningReceiver, forge: StandInForge) -> None:
    body = push_to("master")
    commit = json.loads(body)["after"]
    assert receiver.deliver("hub", body, github(body)).status_code == 202
    until(lambda: runs(commit), receiver)
    (run,) = runs(commit)
    end(run, Failed())
    until(lambda: forge.states(commit)[-1:] == ["failure"], receiver)
    end(run, AwaitingRetry())
    until(lambda: forge.states(commit)[-1:] == ["pending"], receiver)
    end(run, Completed())
    until(lambda: forge.states(commit)[-1:] == ["success"], receiver)


def test_push_that_was_overtaken_is_told_as_such(receiver: RunningReceiver, forge: StandInForge) -> None:
    body = push_to("master")
    commit = json.loads(body)["after"]
    assert receiver.deliver("hub", body, github(body)).status_code == 202
    until(lambda: runs(commit), receiver)
    end(runs(commit)[0], Completed(name=SUPERSEDED))
    until(lambda: forge.states(commit) == ["pending", "error"], receiver)


def test_run_that_prefect_refuses_is_told_as_failed_and_holds_up_nothing(
    receiver: RunningReceiver, forge: StandInForge
) -> None:
    unfit, fit = push_to("unfit"), push_to("master")
    for body in (unfit, fit):
        assert receiver.deliver("hub", body, github(body)).status_code == 202
    until(lambda: runs(json.loads(fit)["after"]), receiver)
    commit = json.loads(unfit)["after"]
    until(lambda: forge.states(commit) == ["failure"], receiver)
    assert runs(commit) == []


def test_forge_is_told_later_when_it_was_away(receiver: RunningReceiver, forge: StandInForge) -> None:
    forge.status = 503
    body = push_to("master")
    commit = json.loads(body)["after"]
    assert receiver.deliver("hub", body, github(body)).status_code == 202
    # of this commit, or of one before it, which has to be told first
    until(lambda: "answers 503" in receiver.log(), receiver)
    assert forge.states(commit) == []
    forge.status = 201
    until(lambda: forge.states(commit) == ["pending"], receiver)


def test_forge_that_was_asked_too_often_is_left_alone_and_told_later(
    receiver: RunningReceiver, forge: StandInForge
) -> None:
    """GitHub says so by 403, which else is a token that may not write statuses."""
    forge.status, forge.headers = 403, {"Retry-After": "8"}
    body = push_to("master")
    commit = json.loads(body)["after"]
    assert receiver.deliver("hub", body, github(body)).status_code == 202
    until(lambda: "is asked again in 8 seconds" in receiver.log(), receiver)
    forge.status, forge.headers = 201, {}
    before = len(forge.asked_at)
    until(lambda: forge.states(commit) == ["pending"], receiver)
    assert forge.asked_at[before] - forge.asked_at[before - 1] >= 8


def test_what_asks_for_nothing_is_answered_with_a_reason_and_makes_no_run(receiver: RunningReceiver) -> None:
    before = len(runs())
    deleted, ping, tag = golden("github-push-deleted"), golden("github-ping"), golden("github-push-tag")
    cases = [
        ("hub", ping, github(ping, event="ping"), "pong"),
        ("hub", deleted, github(deleted), "refs/tags/simple-tag was deleted"),
        ("hub", push_to("topic"), None, f"no rule for {REPOSITORY} names refs/heads/topic"),
        ("hub", tag, github(tag, event="create"), "the event 'create' releases nothing"),
        ("hub", tag.replace(REPOSITORY.encode(), b"someone/else"), None, "no rule names the repository someone/else"),
        ("hub", b"payload=%7B%7D", None, "the body is not the JSON of such an event"),
        ("hub", b"[" * 50_000, None, "the body is not the JSON of such an event"),
        ("plain", b'{"event": "ping"}', standard(b'{"event": "ping"}'), "pong"),
    ]
    for source, body, headers, reason in cases:
        answer = receiver.deliver(source, body, headers or github(body))
        assert (answer.status_code, answer.json()["reason"][: len(reason)]) == (202, reason)
    assert receiver.health()["waiting"] == 0
    assert len(runs()) == before


def test_what_is_not_signed_or_too_large_is_refused_without_a_word(receiver: RunningReceiver) -> None:
    before, body = len(runs()), push_to("master")
    wrong = github(body, secret="another-secret-of-somebody")
    unsigned = {name: value for name, value in github(body).items() if name != "X-Hub-Signature-256"}
    old = standard(body, at=0)
    for source, headers in [
        ("hub", wrong),
        ("hub", unsigned),
        ("hub", github(body + b" ")),
        ("hub", {**github(body), "X-Hub-Signature-256": "sha256=é".encode().decode("latin-1")}),
        ("hub", standard(body)),
        ("nobody", github(body)),
        ("plain", old),
        ("plain", {**standard(body), "webhook-id": "another"}),
        ("plain", {**standard(body), "webhook-timestamp": "soon"}),
    ]:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = httpx.post(f"{receiver.url}/hooks/{source}", content=body, headers=raw)
        assert (answer.status_code, answer.json()) == (401, {})
    answer = httpx.post(f"{receiver.url}/hooks/hub", content=b"[{", headers=unsigned)
    assert (answer.status_code, answer.json()) == (401, {}), "what is no JSON is not even looked at"
    large = b" " * 100_001
    for source in ("hub", "nobody"):  # who does not know the secret does not learn which names there are
        assert receiver.deliver(source, large, github(large)).status_code == 413
        parts = iter([large[:60_000]] * 2)
        chunked = httpx.post(f"{receiver.url}/hooks/{source}", content=parts, headers=github(large))
        assert chunked.status_code == 413
    assert receiver.health()["waiting"] == 0
    assert len(runs()) == before


def test_generic_source_releases_once_when_its_delivery_is_played_again(receiver: RunningReceiver) -> None:
    commit = uuid4().hex + "0" * 8
    told = {"event": "push", "repository": REPOSITORY, "ref": "refs/tags/simple-2", "commit": commit}
    body = json.dumps(told).encode()
    headers = standard(body)
    assert receiver.deliver("plain", body, headers).json() == {"releases": ["production"]}
    assert receiver.deliver("plain", body, headers).json() == {"reason": "this delivery is known already"}
    until(lambda: runs(commit), receiver)
    assert len(runs(commit)) == 1


def test_source_that_sends_too_much_is_held_back_and_the_others_are_not(receiver: RunningReceiver) -> None:
    ping = golden("github-ping")
    answers = [receiver.deliver("few", ping, github(ping, event="ping")) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429, 429]
    assert answers[-1].headers["Retry-After"] == "10"
    assert receiver.deliver("few", ping, github(ping, secret="another-secret-of-somebody")).status_code == 401
    assert receiver.deliver("hub", ping, github(ping, event="ping")).status_code == 202


def test_nothing_is_lost_or_doubled_when_prefect_is_down_and_the_receiver_is_killed(
    receiver: RunningReceiver, prefect: PrefectServer
) -> None:
    sent = {}
    prefect.kill()
    for branch in ["master"] * 8 + ["both/x"] * 4:
        body = push_to(branch)
        headers = github(body)
        sent[json.loads(body)["after"]] = (body, headers, 1 if branch == "master" else 2)
        assert receiver.deliver("hub", body, headers).status_code == 202
    assert receiver.signal(signal.SIGKILL) == -signal.SIGKILL
    receiver.start()
    for body, headers, _ in list(sent.values())[::3]:  # a forge may send again what a killed receiver answered
        assert receiver.deliver("hub", body, headers).json() == {"reason": "this delivery is known already"}
    last = push_to("master")
    sent[json.loads(last)["after"]] = (last, github(last), 1)
    assert receiver.deliver("hub", last, github(last)).json() == {"releases": ["staging"]}
    health = receiver.health()
    assert (health["ok"], health["waiting"]) == (True, 17)
    assert health["oldest_waiting_seconds"] > 0
    until(lambda: "does not answer" in receiver.health()["prefect"], receiver)

    prefect.start()
    until(lambda: receiver.health()["waiting"] == 0, receiver)
    assert receiver.health()["prefect"] == "answers"
    made = {commit: runs(commit) for commit in sent}
    assert {commit: len(found) for commit, found in made.items()} == {
        commit: expected for commit, (_, _, expected) in sent.items()
    }
    staging = sorted(
        (run for found in made.values() for run in found if run.parameters["environment"] == "staging"),
        key=lambda run: run.created,
    )
    assert [commit_of(run) for run in staging] == list(sent)


def test_nothing_is_lost_or_doubled_when_the_receiver_is_killed_between_answers_and_runs(
    receiver: RunningReceiver,
) -> None:
    commits = []
    for _ in range(4):
        for _ in range(6):
            body = push_to("master")
            commits.append(json.loads(body)["after"])
            assert receiver.deliver("hub", body, github(body)).status_code == 202
        receiver.signal(signal.SIGKILL)
        receiver.start()
    until(lambda: receiver.health()["waiting"] == 0, receiver)
    assert sorted(commit_of(run) for run in runs() if commit_of(run) in commits) == sorted(commits)


def test_health_tells_that_prefect_lacks_the_deployment_until_it_has_it(receiver: RunningReceiver) -> None:
    with get_client(sync_client=True) as client:
        client.delete_deployment(deploy())  # the one that is there already
    body = push_to("master")
    assert receiver.deliver("hub", body, github(body)).status_code == 202
    until(lambda: "no deployment release/release" in receiver.health()["prefect"], receiver)
    assert "odoo_ops_webhook_prefect_up 0.0" in receiver.figures()
    deploy()
    until(lambda: receiver.health()["waiting"] == 0, receiver)
    until(lambda: receiver.health()["prefect"] == "answers", receiver)
    assert "odoo_ops_webhook_prefect_up 1.0" in receiver.figures()
    assert len(runs(json.loads(body)["after"])) == 1


def test_receiver_ends_in_good_order_and_leaves_its_secrets_in_one_file_alone(
    receiver: RunningReceiver, prefect: PrefectServer
) -> None:
    sources = receiver.queue.with_name("queue.db.sources")
    searched = [Canary(name, text, (text,)) for name, text in (("secret", SECRET), ("token", TOKEN))]
    body, watch = push_to("master"), ArgvWatch()
    with watch.running():
        refused = receiver.deliver("hub", body, github(body, secret="another"))
    assert refused.status_code == 401
    assert any(b"\0webhook\0serve\0" in argv for argv in watch.argvs)
    told = [refused.text, receiver.figures(), json.dumps(receiver.health())]
    assert seen(b"\0".join([*watch.argvs, *map(str.encode, told)]), searched) == set()
    assert receiver.signal(signal.SIGTERM) == -signal.SIGTERM
    folders = (receiver.queue.parent, prefect.folder)
    held = {file: file.read_bytes() for folder in folders for file in folder.rglob("*") if file.is_file()}
    assert {"queue.db", "prefect.db", "server.log"} <= {file.name for file in held}
    assert {file: names for file, content in held.items() if (names := seen(content, searched))} == {
        sources: {"secret", "token"}
    }
    assert {oct(file.stat().st_mode & 0o777) for file in held if file.name.startswith("queue.db")} == {"0o600"}
    lines = [line for line in receiver.log().splitlines() if line]
    assert all(json.loads(line)["message"] for line in lines)
    receiver.start()


def test_sender_that_goes_away_in_the_middle_leaves_nothing(receiver: RunningReceiver) -> None:
    body = push_to("master")
    with socket.create_connection(("127.0.0.1", httpx.URL(receiver.url).port or 0)) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in {**github(body), "Content-Length": len(body)}.items())
        connection.sendall(f"POST /hooks/hub HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + body[:-1])
    assert receiver.deliver("hub", body, github(body)).json() == {"releases": ["staging"]}
    assert "ASGI" not in receiver.log()


def test_receiver_ends_when_a_part_of_it_cannot_go_on(
    prefect: PrefectServer,  # noqa: ARG001 - its address is in the settings
    tmp_path: Path,
) -> None:
    with running_receiver(tmp_path) as receiver:
        with closing(sqlite3.connect(receiver.queue)) as queue:
            queue.execute("ALTER TABLE releases RENAME TO something_else")
        assert receiver.end() == -signal.SIGTERM
        (told,) = [json.loads(line) for line in receiver.log().splitlines() if '"critical"' in line]
        assert "no such table: releases" in told["traceback"]


def test_receiver_without_sources_asks_to_try_again_when_prefect_never_answered(tmp_path: Path) -> None:
    body = push_to("master")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}), running_receiver(tmp_path) as receiver:
        answer = receiver.deliver("hub", body, github(body))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert receiver.health()["ok"] is False
