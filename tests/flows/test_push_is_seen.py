"""A push is seen on a page: git, a forge's delivery, the receiver, Prefect's own worker, the release, Odoo."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from addons_repository import SECOND, SHELF, put_on_record, write_files
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from real_processes import MarkedProcess, run_worker, wait_until
from real_sshd import RealSshd
from shop import Shop
from webhooks import SECRET, TOKEN, RunningReceiver, StandInForge, github, push_to, running_receiver

from blocks import WebhookSource
from flows.release import release
from odoo_ops.model.webhooks import Source

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo, pytest.mark.sshd]


@pytest.fixture
def shop(odoo_site: Site, sshd_program: Path, tmp_path: Path) -> Iterator[Shop]:
    """The module's first edition is installed from a folder, to which the link leads."""
    put_on_record(odoo_site.name)
    write_files(tmp_path / "by-hand", SHELF)
    link = tmp_path / "host" / "ours"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "by-hand")
    (tmp_path / "sshd").mkdir()
    with RealSshd.run(sshd_program, tmp_path / "sshd") as sshd, Shop.run(odoo_site, sshd, tmp_path) as shop:
        shop.installs("shelf")
        yield shop


@pytest.fixture
def worker(shop: Shop) -> Iterator[MarkedProcess]:
    """Prefect's own process worker, and the deployment `release` in its pool."""
    pool = shop.site.name
    process = run_worker(pool, shop.site.folder / "worker.log")
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        deployment = client.create_deployment(
            flow_id=client.create_flow(release),
            name="release",
            entrypoint="flows.release.release",
            work_pool_name=pool,
            pull_steps=[],
        )
        yield process
        client.delete_deployment(deployment)
    process.close()


@pytest.fixture
def forge() -> Iterator[StandInForge]:
    with StandInForge.run() as forge:
        yield forge


@pytest.fixture
def receiver(shop: Shop, forge: StandInForge) -> Iterator[RunningReceiver]:
    """It knows the forge by the site's name, and makes a push to its main branch the site's release."""
    name, folder = shop.site.name, shop.site.folder / "receiver"
    folder.mkdir()
    rule = {"repository": shop.repository, "branch": "main", "environments": [name]}
    told = {"name": name, "forge": "github", "secret": SECRET, "token": TOKEN, "api": forge.api, "rules": [rule]}
    WebhookSource(settings=Source.model_validate(told)).save(name)
    with running_receiver(folder) as receiver:
        receiver.wait_for_sources(name)
        yield receiver
    WebhookSource.delete(name)


def test_push_is_seen_on_a_page_and_an_older_one_changes_nothing_when_it_comes_later(
    shop: Shop, worker: MarkedProcess, receiver: RunningReceiver, forge: StandInForge
) -> None:
    def told_at_last(commit: str) -> str:
        wait_until(
            lambda: forge.states(commit)[-1:] not in ([], ["pending"]), lambda: f"{receiver.log()}{worker.log()}", 300
        )
        return forge.states(commit)[-1]

    older = shop.addons.git("rev-parse", "HEAD").strip()
    shop.addons.tell(f"{receiver.url}/hooks/{shop.site.name}", shop.repository, SECRET)
    newer = shop.addons.push({**SHELF, **SECOND})
    assert told_at_last(newer) == "success", worker.log()
    assert "a shelf with the second edition" in shop.page()

    body = push_to("main", older, shop.repository)  # as where somebody has an old job of the CI run again
    assert receiver.deliver(shop.site.name, body, github(body)).json() == {"releases": [shop.site.name]}
    assert told_at_last(older) == "error", worker.log()
    assert "its branch or tag leads elsewhere by now" in forge.told[-1][1]["description"]
    assert shop.link.readlink().name == newer
    assert "a shelf with the second edition" in shop.page()
