"""What a forge is told when a run is tried again, or a token does not please it. Prefect is a stand-in here."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import AwaitingRetry, Completed, Failed
from webhooks import COMMIT, SECRET, TOKEN, StandInForge

from deployments.webhook import statuses
from deployments.webhook.metrics import Metrics
from deployments.webhook.prefect_api import PrefectApi
from deployments.webhook.queue import Queue
from deployments.webhook.sources import Sources
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.webhooks import Accepted, Delivery, Push, Source
from odoo_ops.policy.commit_status import CommitStatus

WEEK_SECONDS = 7 * 86400
RUN = str(uuid4())


class OneRun(PrefectApi):
    """A Prefect with one run, in the state that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.state: Any = Failed()

    @contextmanager
    def client(self) -> Iterator[Any]:
        yield self

    def read_flow_runs(self, **_: object) -> list[FlowRun]:
        state = {"state_type": self.state.type, "state_name": self.state.name}
        return [FlowRun.model_validate({"id": RUN, "flow_id": uuid4(), "name": "run", **state})]


class OneSource(Sources):
    """Knows one source, whose token can be another one."""

    def __init__(self, file: Path, api: str) -> None:
        super().__init__(file)
        rule = {"repository": "acme/addons", "branch": "main", "environments": ["staging"]}
        self.fields = {"name": "hub", "forge": "github", "secret": SECRET, "api": api, "rules": [rule]}
        self.token, self.seen = TOKEN, True

    @property
    def known(self) -> bool:
        return self.seen

    def get(self, name: str) -> Source | None:  # noqa: ARG002 - there is only one
        if not self.seen:
            return None
        return Source.model_validate({**self.fields, "token": self.token})


@pytest.fixture
def forge() -> Iterator[StandInForge]:
    with StandInForge.run() as forge:
        yield forge


class Receiver:
    """The part of a receiver that tells, with one release that has a run."""

    def __init__(self, folder: Path, forge: StandInForge, *, received_at: float) -> None:
        self.queue, self.prefect, self.sources = (
            Queue(folder / "queue.db"),
            OneRun(),
            OneSource(folder / "s", forge.api),
        )
        self.push("acme/addons", received_at)
        self.statuses = statuses.Statuses(self.queue, self.sources, self.prefect, Metrics())

    def push(self, repository: str, received_at: float) -> None:
        """Queue another release, and note its run."""
        push = Push(repository=repository, ref="refs/heads/main", commit=COMMIT)
        accepted = Accepted(push=push, environments=("staging",))
        delivery = Delivery(source="hub", id=str(uuid4()), body_digest=None, accepted=accepted, received_at=received_at)
        self.queue.add([delivery])
        self.queue.mark_made(self.queue.in_state("queued")[0], RUN)

    def work(self, state: Any = None) -> None:  # noqa: ANN401 - Prefect's states are generic
        """See this state of the run, and tell of it."""
        self.prefect.state = state or self.prefect.state
        self.statuses.work()
        self.statuses.work()


@pytest.mark.parametrize(
    ("age_seconds", "told"),
    [(0, ["pending", "failure", "pending", "success"]), (WEEK_SECONDS + 60, ["pending", "failure"])],
)
def test_run_that_is_tried_again_is_told_anew_for_some_days(
    age_seconds: float, told: list[str], forge: StandInForge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statuses, "_FAILED_SECONDS", 0)
    receiver = Receiver(tmp_path, forge, received_at=time.time() - age_seconds)
    for state in (Failed(), AwaitingRetry(), Completed()):
        receiver.work(state)
    assert forge.states(COMMIT) == told


def test_status_is_told_by_the_next_token_when_one_was_lost(forge: StandInForge, tmp_path: Path) -> None:
    receiver = Receiver(tmp_path, forge, received_at=time.time())
    receiver.sources.token = "a-token-that-has-ended"
    receiver.work(Completed())
    assert (forge.states(COMMIT), len(forge.asked_at)) == ([], 1), "it is not asked again and again"
    assert len(receiver.queue.untold()) == 1
    receiver.sources.token = TOKEN
    receiver.work()
    assert (forge.states(COMMIT), receiver.queue.untold()) == (["success"], [])


@pytest.mark.parametrize("status", [401, 403, 404])
def test_status_is_told_again_after_a_long_rest_when_the_same_token_got_its_rights(
    status: int, forge: StandInForge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver(tmp_path, forge, received_at=time.time())
    forge.status = status
    receiver.work(Completed())
    forge.status = 201
    receiver.work()
    assert forge.states(COMMIT) == []
    later = time.monotonic() + 3601
    monkeypatch.setattr(time, "monotonic", lambda: later)
    receiver.work()
    assert forge.states(COMMIT) == ["success"]


@pytest.mark.parametrize(("status", "age_seconds"), [(422, 0), (403, WEEK_SECONDS + 60)])
def test_status_is_given_up_when_no_token_would_mend_it_or_none_came_for_a_week(
    status: int, age_seconds: float, forge: StandInForge, tmp_path: Path
) -> None:
    receiver = Receiver(tmp_path, forge, received_at=time.time() - age_seconds)
    forge.status = status
    receiver.work(Completed())
    receiver.work()
    assert (forge.states(COMMIT), receiver.queue.untold()) == ([], [])


def test_statuses_that_a_forge_refuses_hold_up_none_of_another_repository_nor_later_ones(
    forge: StandInForge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, lost, asked = Receiver(tmp_path, forge, received_at=time.time()), {"acme/addons"}, list[str]()

    def tell(_source: Source, status: CommitStatus) -> None:
        repository = status.url.partition("/repos/")[2].partition("/statuses/")[0]
        asked.append(repository)
        if repository in lost:
            raise PreconditionFailed("404")

    monkeypatch.setattr(statuses, "tell", tell)
    for repository in ("acme/addons", "acme/addons", "acme/other"):
        receiver.push(repository, time.time())
    receiver.statuses.work()
    assert asked == ["acme/addons", "acme/other"]
    receiver.push("acme/addons", time.time())
    refused = receiver.queue.untold()[0].id
    lost.clear()
    told = list[int]()
    monkeypatch.setattr(receiver.queue, "mark_told", lambda release: told.append(release.id))
    later = time.monotonic() + 3601
    monkeypatch.setattr(time, "monotonic", lambda: later)
    receiver.statuses.work()
    assert min(told) == told[-1] == refused, "it comes after those that were never refused"


def test_status_waits_until_it_is_known_who_is_told(forge: StandInForge, tmp_path: Path) -> None:
    receiver = Receiver(tmp_path, forge, received_at=time.time())
    receiver.sources.seen = False
    receiver.work(Completed())
    receiver.sources.seen = True
    receiver.work()
    assert forge.states(COMMIT) == ["success"]
