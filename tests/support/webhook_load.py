"""A load on the real receiver: 10,000 bad deliveries, then 500 good ones a second for ten seconds.

    make bench-webhook

Not a test of speed: what it prints depends on the machine, also how many were answered within 200 ms, which is the aim.
That nothing was lost, doubled or changed is checked, and it ends with status 1 where that is not so. The source has the
limits that every one has by default. A Prefect server of its own works on the same processors, with the
PostgreSQL that Prefect wants for more than a demo: on SQLite its own services hold each other up for minutes.
"""

import asyncio
import itertools
import json
import secrets
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import typer
from own_prefect import PrefectServer
from prefect import flow
from prefect.client.orchestration import get_client
from pydantic import SecretStr
from webhooks import REPOSITORY, SECRET, RunningReceiver, github, push_to, running_receiver

from blocks import WebhookSource
from deployments.engines.cluster import PostgresCluster
from odoo_ops.model.webhooks import ReleaseRule, Source

BAD, GOOD, PER_SECOND, CONNECTIONS = 10_000, 5_000, 500, 20
AIM_SECONDS = 0.2
PAGE = 200


@flow
def release(environment: str, refs: dict[str, str]) -> None:
    """What a release is told; no worker runs it here."""


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A delivery as it goes over the wire."""
    fields = {"Host": "127.0.0.1", "Content-Length": str(len(body)), **headers}
    return "\r\n".join([f"POST {path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items()), "", ""]).encode() + body


def good(number: int) -> list[tuple[str, bytes]]:
    """Deliveries of so many pushes, each with its commit."""
    bodies = [push_to("master") for _ in range(number)]
    return [(json.loads(body)["after"], request("/hooks/hub", body, github(body))) for body in bodies]


def bad(number: int) -> list[bytes]:
    """Deliveries that nobody signed: another secret, another body, no signature, a source that is not there."""
    body = push_to("master")
    unsigned = {name: value for name, value in github(body).items() if name != "X-Hub-Signature-256"}
    kinds = [
        lambda: request("/hooks/hub", body, github(body, secret=secrets.token_hex(16))),
        lambda: request("/hooks/hub", body.replace(b"master", b"mister"), github(body)),
        lambda: request("/hooks/hub", body, unsigned),
        lambda: request("/hooks/nobody", body, github(body)),
    ]
    return [make() for make in itertools.islice(itertools.cycle(kinds), number)]


async def send(url: str, requests: list[bytes], per_second: float | None) -> tuple[Counter[int], list[float]]:
    """The answers' statuses, and the seconds from when each was due, at a steady rate, to its answer.

    Without a rate each connection sends the next one as soon as it has its answer.
    """
    statuses: Counter[int] = Counter()
    seconds: list[float] = []
    begun = time.perf_counter()
    every = 1 / per_second if per_second else 0
    due = iter([(begun + number * every, each) for number, each in enumerate(requests)])

    async def connection() -> None:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for at, each in due:
            await asyncio.sleep(at - time.perf_counter())
            since = at if per_second else time.perf_counter()
            writer.write(each)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await reader.readexactly(int(head.partition("content-length:")[2].partition("\r\n")[0]))
            statuses[int(head.split()[1])] += 1
            seconds.append(time.perf_counter() - since)
            if "connection: close" in head:
                writer.close()
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return statuses, seconds


def commits(receiver: RunningReceiver) -> list[str]:
    """The commits of all releases in the queue's file."""
    with closing(sqlite3.connect(receiver.queue)) as queue:
        return [commit for (commit,) in queue.execute("SELECT commit_id FROM releases")]


def compared(where: str, sent: Iterable[str], found: Iterable[str]) -> bool:
    """Whether each commit is there once; what is not is shown."""
    counted = Counter(found)
    lost, doubled = len(set(sent) - set(counted)), sum(counted.values()) - len(counted)
    typer.echo(f"      {where}: {len(counted)}, lost: {lost}, doubled: {doubled}")
    return not lost and not doubled


def runs() -> Iterator[str]:
    """The commits of all runs that Prefect has."""
    with get_client(sync_client=True) as client:
        for offset in itertools.count(step=PAGE):
            page = client.read_flow_runs(limit=PAGE, offset=offset)
            yield from (commit for run in page for commit in run.parameters["refs"].values())
            if len(page) < PAGE:
                return


def shown(statuses: Counter[int], seconds: list[float], took: float) -> str:
    """What was answered, and how fast."""
    ordered = sorted(seconds)
    points = {name: ordered[int((len(ordered) - 1) * part)] for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1))}
    times = ", ".join(f"{name} {value * 1000:.0f} ms" for name, value in points.items())
    within = sum(value < AIM_SECONDS for value in seconds) / len(seconds)
    aim = f"{within:.2%} within {AIM_SECONDS * 1000:.0f} ms, aim {'reached' if within == 1 else 'missed'}"
    return f"{sum(statuses.values())} answered in {took:.1f} s {dict(statuses)}; {times}; {aim}"


def measure(receiver: RunningReceiver) -> bool:
    """Both loads; whether all is as it must be."""
    begun = time.perf_counter()
    statuses, seconds = asyncio.run(send(receiver.url, bad(BAD), per_second=None))
    typer.echo("bad:  " + shown(statuses, seconds, time.perf_counter() - begun))
    unchanged = commits(receiver) == [] and list(runs()) == [] and set(statuses) == {401}
    typer.echo(f"      changed nothing: {unchanged}")

    deliveries = good(GOOD)
    begun = time.perf_counter()
    statuses, seconds = asyncio.run(send(receiver.url, [each for _, each in deliveries], PER_SECOND))
    typer.echo("good: " + shown(statuses, seconds, time.perf_counter() - begun))
    sent = [commit for commit, _ in deliveries]
    kept = compared("in the queue's file", sent, commits(receiver))
    while receiver.health()["waiting"]:
        time.sleep(1)
    made = compared(f"in Prefect, after {time.perf_counter() - begun:.0f} s", sent, runs())
    return unchanged and kept and made and set(statuses) == {202}


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """A PostgreSQL for Prefect; its URL."""
    folder.chmod(0o755)  # the server's account must reach its own
    cluster = PostgresCluster(folder / "postgres")
    cluster.start()
    try:
        yield f"postgresql+asyncpg://postgres:{cluster.superuser_password}@127.0.0.1:{cluster.port}/postgres"
    finally:
        cluster.stop()


def main() -> int:
    """Everything that is needed is started, and ended."""
    with tempfile.TemporaryDirectory() as folder, database(Path(folder)) as url, PrefectServer.run(Path(folder), url):
        with get_client(sync_client=True) as client:
            client.create_deployment(flow_id=client.create_flow(release), name="release")
        rule = ReleaseRule(repository=REPOSITORY, branch="master", environments=("staging",))
        source = Source(name="hub", forge="github", secret=SecretStr(SECRET), rules=(rule,))
        WebhookSource(settings=source).save("hub")
        with running_receiver(Path(folder)) as receiver:
            receiver.wait_for_sources("hub")
            return 0 if measure(receiver) else 1


if __name__ == "__main__":
    sys.exit(main())
