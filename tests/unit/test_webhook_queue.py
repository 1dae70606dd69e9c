"""The receiver's queue on disk: nothing that was added is lost or doubled, whoever looks at it meanwhile."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from deployments.webhook.queue import Queue
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.webhooks import Accepted, Delivery, Push

COUNT = (
    "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM releases').fetchone()[0])"
)


def delivery(number: int, digest: str | None = None, *environments: str) -> Delivery:
    push = Push(repository="acme/addons", ref="refs/heads/main", commit=f"{number:040x}")
    accepted = Accepted(push=push, environments=environments or ("staging",))
    return Delivery(source="hub", id=str(number), body_digest=digest, accepted=accepted, received_at=number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


def seen_by_another_process(path: Path) -> int:
    return int(subprocess.run([sys.executable, "-c", COUNT, path], check=True, capture_output=True).stdout)


def test_nothing_is_lost_when_another_connection_is_opened_and_closed_meanwhile(path: Path) -> None:
    """A file that is opened and closed past SQLite loses the locks, and the log is deleted under the writer's hands."""
    queue = Queue(path)
    for number in range(20):
        assert queue.add([delivery(number)]) == [True]
        other = Queue(path)
        other.check_writable()
        other.close()
        assert seen_by_another_process(path) == number + 1


def test_delivery_is_known_by_its_id_and_by_its_body(path: Path) -> None:
    queue = Queue(path)
    assert queue.add([delivery(1, "a", "x", "y"), delivery(1, "b"), delivery(2, "a"), delivery(3), delivery(4)]) == [
        *(True, False, False),
        *(True, True),
    ]
    assert [(each.delivery, each.environment) for each in queue.in_state("queued")] == [
        *(("1", "x"), ("1", "y")),
        *(("3", "staging"), ("4", "staging")),
    ]
    assert queue.waiting() == (4, 1.0)


def test_release_goes_its_way_and_the_forge_is_told_each_state(path: Path) -> None:
    queue = Queue(path)
    queue.add([delivery(1), delivery(2)])
    first, second = queue.in_state("queued")
    queue.mark_made(first, "run-1")
    queue.mark_refused(second, "it does not fit")
    assert queue.waiting() == (0, None)
    (pending,) = queue.in_state("pending")
    assert (pending.id, pending.run) == (first.id, "run-1")
    assert [(each.state, each.refusal) for each in queue.untold()] == [
        ("pending", None),
        ("failure", "it does not fit"),
    ]
    queue.mark_state(pending, "success")
    queue.mark_told(pending)  # what was told meanwhile is the state that was read, not the one that is there now
    assert [each.state for each in queue.untold()] == ["success", "failure"]
    for each in queue.untold():
        queue.mark_told(each)
    assert queue.untold() == []


def test_only_runs_that_failed_of_late_are_looked_at_again(path: Path) -> None:
    queue = Queue(path)
    queue.add([delivery(number) for number in range(1, 5)])
    for release in queue.in_state("queued")[:3]:
        queue.mark_made(release, f"run-{release.id}")
    old, failed, good = queue.in_state("pending")
    for release in (old, failed):
        queue.mark_state(release, "failure")
    queue.mark_state(good, "success")
    queue.mark_refused(queue.in_state("queued")[0], "it does not fit")  # it has no run
    assert [each.run for each in queue.failed_since(failed.received_at)] == [failed.run]
    queue.mark_state(failed, "pending")
    assert [each.run for each in queue.in_state("pending")] == [failed.run]


def test_queue_of_before_images_were_released_goes_on(path: Path) -> None:
    queue = Queue(path)
    queue.add([delivery(1)])
    queue.close()
    with closing(sqlite3.connect(path)) as former:
        former.execute("ALTER TABLE releases DROP COLUMN image")
    queue = Queue(path)
    assert queue.add([delivery(2)]) == [True]
    assert [(each.delivery, each.image) for each in queue.in_state("queued")] == [("1", ""), ("2", "")]


def test_nothing_of_a_batch_is_queued_when_one_cannot_be(path: Path) -> None:
    queue = Queue(path)
    broken = delivery(2).model_copy(update={"body_digest": object()})
    with pytest.raises(sqlite3.Error):
        queue.add([delivery(1), broken])
    assert queue.waiting() == (0, None)
    assert queue.add([delivery(1)]) == [True]


def test_queue_says_so_when_it_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "queue.db").write_bytes(b"this is no database at all" * 100)
    for path in (tmp_path / "queue.db", tmp_path / "nowhere" / "queue.db"):
        with pytest.raises(PreconditionFailed, match="Next step: name a file"):
            Queue(path)
