"""Of pushes the newest is released: commits on a real git server, and what their branches and tags lead to."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from addons_repository import SHELF, AddonsServer, put_on_record
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import run_flow
from real_sshd import RealSshd
from shop import Shop

from flows.release import release
from odoo_ops.errors import Refused
from odoo_ops.model.addons import ReleasePolicy
from odoo_ops.model.environment import ProcessService
from odoo_ops.model.release import SUPERSEDED
from odoo_ops.policy.webhooks import WEBHOOK_TAG
from tasks.pushes import read_later_push

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.sshd]

MAIN, TAG = "refs/heads/main", "refs/tags/v1"


@pytest.fixture
def sshd(sshd_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSshd]:
    with RealSshd.run(sshd_program, tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def server(site: Site, sshd: RealSshd, tmp_path: Path) -> AddonsServer:
    """With the addons of an environment."""
    server, pid_file = AddonsServer.make(sshd, tmp_path), f"{tmp_path}/odoo.pid"
    service = ProcessService(start=("true",), pid_file=pid_file, log_file=f"{tmp_path}/odoo.log")
    policy = ReleasePolicy(addons=(server.repository(site.folder / "ours"),))
    site.register(service=service, release=policy)
    return server


def pushed(site: Site, commit: str, ref: str = MAIN) -> State:
    """How the release of a push ends."""
    return release(site.name, refs={"ours": commit}, pushed_to={"ours": ref}, return_state=True)


@flow
def _later(name: str, commit: str, ref: str) -> str:
    return read_later_push(name, {"ours": commit}, "", {"ours": ref})


@flow
def _later_image(environment: str, image: str, pushed_to: dict[str, str]) -> str:
    return read_later_push(environment, {}, image, pushed_to)


def test_image_of_a_push_is_released_no_more_once_a_later_push_asked_for_another(
    prefect_server: None,  # noqa: ARG001 - the server must run
) -> None:
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(flow_id=client.create_flow(_later_image), name="images")

        def asked(image: str, ref: str = MAIN, environment: str = "erp") -> FlowRun:
            parameters = {"environment": environment, "image": image, "pushed_to": {"acme/erp": ref}}
            return client.create_flow_run_from_deployment(
                deployment, parameters=parameters, tags=[WEBHOOK_TAG, environment]
            )

        first, again = asked("erp:one"), asked("erp:one")
        asked("erp:two", TAG)
        asked("erp:two", environment="other")
        assert _outcome(client, first) == ""
        second = asked("erp:two")
        assert "erp:one was asked for by a push; a later one" in _outcome(client, again)
        assert _outcome(client, second) == ""
        client.delete_deployment(deployment)
    assert _later_image("erp", "erp:one", {"acme/erp": MAIN}) == ""  # by hand


def _outcome(client: SyncPrefectClient, made: FlowRun) -> str:
    """What a run of a deployment returns, that is executed here."""
    run = client.read_flow_run(made.id)
    return str(run_flow(_later_image, flow_run=run, parameters=run.parameters))


def tag(server: AddonsServer, *options: str) -> None:
    person = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    server.git(*person, "tag", "--force", *options, "v1")
    server.git("push", "--quiet", "--force", str(server.bare), TAG)


def test_push_is_the_newest_as_long_as_its_branch_or_tag_leads_to_it(site: Site, server: AddonsServer) -> None:
    first = server.push(SHELF)
    server.push(SHELF, "feature/main")  # whose name ends as the other one's does
    assert _later(site.name, first, MAIN) == ""
    tagged = server.git("rev-parse", "HEAD").strip()
    tag(server, "--annotate", "--message=one")
    assert _later(site.name, tagged, TAG) == ""
    server.push({**SHELF, "README": "more\n"}, "feature/main")
    tag(server)
    assert "which leads to" in _later(site.name, tagged, TAG)


def test_release_of_a_push_changes_nothing_when_its_branch_leads_elsewhere(site: Site, server: AddonsServer) -> None:
    first = server.push(SHELF)
    second = server.push({**SHELF, "README": "more\n"})
    state = pushed(site, first)
    assert (state.name, state.is_completed()) == (SUPERSEDED, True)
    assert f"{first[:12]} was pushed to {MAIN} of ours, which leads to {second[:12]} by now" in str(state.message)
    server.git("push", "--quiet", "--force", str(server.bare), f"{first}:{MAIN}")  # the second is taken out again
    assert pushed(site, second).name == SUPERSEDED
    server.git("--git-dir", str(server.bare), "update-ref", "-d", MAIN)
    state = pushed(site, second)
    assert (state.name, "which is there no more" in str(state.message)) == (SUPERSEDED, True)
    assert not list(site.folder.glob("*ours*"))


def test_push_that_says_only_where_it_went_is_refused(site: Site, server: AddonsServer) -> None:
    commit = server.push(SHELF)
    with pytest.raises(Refused, match="where others was pushed to, and not which commit"):
        release(site.name, refs={"ours": commit}, pushed_to={"others": MAIN})
    with pytest.raises(Refused, match="'main': no whole name of a branch or a tag"):
        release(site.name, refs={"ours": commit}, pushed_to={"ours": "main"})


@pytest.mark.odoo
def test_release_of_a_push_changes_nothing_when_a_later_one_comes_before_its_turn(
    odoo_site: Site, sshd: RealSshd, tmp_path: Path
) -> None:
    """The later push is made by the repository's own check, which is run once the plan is made."""
    put_on_record(odoo_site.name)
    with Shop.run(odoo_site, sshd, tmp_path) as shop:
        later = shop.addons.push({**SHELF, "README": "more\n"})
        first = shop.addons.push(SHELF)
        push = ("git", "-C", str(shop.addons.work), "push", "--quiet", "--force", str(shop.addons.bare))
        (repository,) = shop.site.settings.release.addons
        checked = repository.model_copy(update={"checks": ((*push, f"{later}:{MAIN}"),)})
        odoo_site.register(release=ReleasePolicy(addons=(checked,)))
        state = pushed(odoo_site, first)
        assert (state.name, f"leads to {later[:12]}" in str(state.message)) == (SUPERSEDED, True)
        assert not shop.link.is_symlink()
        assert shop.leftovers() == []
        assert release(odoo_site.name, refs={"ours": later}, pushed_to={"ours": MAIN}).applied
