"""A release to many environments."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from addons_repository import SHELF, AddonsServer, put_on_record
from prefect.artifacts import Artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from real_sshd import RealSshd
from shop import Shop

from blocks import OdooEnvironment
from flows.roll_out import _check, _release_all, roll_out
from odoo_ops.errors import PreconditionFailed, Refused, VerificationFailed
from odoo_ops.model.addons import AddonsRepository, MergedRef, ReleasePolicy
from odoo_ops.model.environment import ProcessService
from odoo_ops.model.release import RELEASED_UNWELL
from odoo_ops.runtimes.release_records import read_records

if TYPE_CHECKING:
    from conftest import Site, SiteMaker
else:
    Site = SiteMaker = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


@pytest.fixture
def sshd(sshd_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSshd]:
    with RealSshd.run(sshd_program, tmp_path_factory.mktemp("sshd")) as running:
        yield running


def _described(site: Site, stage: str = "testing") -> Site:
    """With addons on a server that is not there."""
    folder = str(site.folder / "ours")
    return _registered(site, AddonsRepository(url="ssh://git@127.0.0.1:1/ours.git", ref="main", folder=folder), stage)


def _registered(site: Site, repository: AddonsRepository, stage: str = "testing") -> Site:
    service = ProcessService(start=("true",), pid_file=f"{repository.folder}.pid", log_file=f"{repository.folder}.log")
    site.register(stage=stage, service=service, release=ReleasePolicy(addons=(repository,)))
    return site


def _released_from(server: AddonsServer, site: Site, merges: Sequence[str] = ()) -> Site:
    """With the addons of a server, and branches of it that are merged into them."""
    repository = server.repository(site.folder / "ours")
    merged = tuple(MergedRef(ref=ref) for ref in merges)
    return _registered(site, repository.model_copy(update={"merges": merged}))


def _page() -> list[tuple[str, str]]:
    """What the last one published: environments, and how they ended."""
    page = Artifact.get("roll-out")
    assert page
    return [(row["name"], row["outcome"]) for row in json.loads(str(page.data))]


def test_roll_out_stops_at_the_first_that_fails(site: Site, make_site: SiteMaker) -> None:
    first, second, third = _described(site), _described(make_site()), _described(make_site())
    with pytest.raises(VerificationFailed, match=rf"(?s)1 of 3 checks failed:.*{first.name}: .*fetch") as raised:
        roll_out([first.name, second.name, third.name], refs={"ours": "a" * 40})
    assert second.name not in str(raised.value)
    assert _page() == [(first.name, "failed"), (second.name, "not measured"), (third.name, "not measured")]


def test_roll_out_releases_to_as_many_at_the_same_time_as_it_may_and_never_to_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted, lock, both = [0], threading.Lock(), threading.Barrier(2)

    def count(change: int) -> None:
        with lock:
            counted.append(counted[-1] + change)

    def released(*_: object, **__: object) -> State:
        count(1)
        both.wait(60)  # for ever, if there were never two of them
        time.sleep(0.1)  # long enough for a third one to be begun
        count(-1)
        return Completed()

    monkeypatch.setattr("flows.roll_out.release", released)
    refs = {name: {"ours": "main"} for name in ("one", "two", "three", "four")}
    outcomes = _release_all(list(refs), refs, "", at_once=2)
    assert sorted(outcomes) == ["four", "one", "three", "two"]
    assert max(counted) == 2


def test_roll_out_begins_no_other_after_a_release_with_a_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = list[str]()

    def released(environment: str, **_: object) -> State:
        begun.append(environment)
        return Completed(name=RELEASED_UNWELL if environment == "two" else None, message=f"of {environment}")

    monkeypatch.setattr("flows.roll_out.release", released)
    refs = {name: {"ours": "main"} for name in ("one", "two", "three")}
    outcomes = _release_all(list(refs), refs, "", at_once=1)
    assert begun == ["one", "two"]
    judged = [_check(name, outcomes.get(name)) for name in refs]
    assert [(check.outcome, check.detail) for check in judged] == [
        ("passed", "of one"),
        ("failed", "of two"),
        ("not measured", "not begun, as another one failed or is not well"),
    ]


@pytest.mark.odoo
@pytest.mark.sshd
def test_roll_out_releases_the_same_commit_to_all_at_the_same_time(
    odoo_site: Site, other_odoo_site: Site, sshd_program: Path, tmp_path: Path
) -> None:
    (tmp_path / "sshd").mkdir()
    names = [odoo_site.name, other_odoo_site.name]
    with RealSshd.run(sshd_program, tmp_path / "sshd") as sshd, Shop.run(odoo_site, sshd, tmp_path) as first:
        commit = first.addons.git("rev-parse", "HEAD").strip()
        first.addons.push({**SHELF, "README": "not asked for\n"})
        with Shop.served(other_odoo_site, first.addons, other_odoo_site.folder / "host" / "ours") as second:
            for name in names:
                put_on_record(name)
            roll_out(names, refs={"ours": commit}, at_once=2)
            for shop in (first, second):
                assert shop.link.readlink().name == commit
                (record,) = read_records(OdooEnvironment.open(shop.site.name))
                assert record.addons == {str(shop.link): str(shop.link.readlink())}
                assert shop.page("/shelf/static/read.txt") == SHELF["shelf/static/read.txt"]
    assert _page() == [(name, "passed") for name in names]


@pytest.mark.long
@pytest.mark.odoo
@pytest.mark.sshd
def test_roll_out_lets_those_under_way_go_on_when_one_fails(
    odoo_site: Site, make_site: SiteMaker, site: Site, sshd_program: Path, tmp_path: Path
) -> None:
    """The first fails at once, while the second is being released; the third waits for its turn."""
    fails, third = _described(site), _described(make_site())
    put_on_record(odoo_site.name)
    (tmp_path / "sshd").mkdir()
    with RealSshd.run(sshd_program, tmp_path / "sshd") as sshd, Shop.run(odoo_site, sshd, tmp_path) as shop:
        commit = shop.addons.git("rev-parse", "HEAD").strip()
        with pytest.raises(VerificationFailed, match=rf"(?s)1 of 3 checks failed:.*{fails.name}: "):
            roll_out([fails.name, odoo_site.name, third.name], refs={"ours": commit}, at_once=2)
        assert shop.link.is_symlink()
    assert _page() == [(fails.name, "failed"), (odoo_site.name, "passed"), (third.name, "not measured")]


@pytest.mark.sshd
@pytest.mark.parametrize("refs", [{"ours": "main"}, {}])
def test_roll_out_releases_what_the_branch_led_to_before_anything_began(
    site: Site, make_site: SiteMaker, sshd: RealSshd, monkeypatch: pytest.MonkeyPatch, *, refs: dict[str, str]
) -> None:
    """After each release the branches get a commit more, whether they were asked for or are the file's."""
    server, released = AddonsServer.make(sshd, site.folder), []
    commit, merged = server.push(SHELF), server.push({**SHELF, "README": "to be merged\n"}, "more")
    names = [_released_from(server, each, merges=("more",)).name for each in (site, make_site())]

    def push_meanwhile(environment: str, *, refs: dict[str, str], **_: object) -> State:
        released.append((environment, refs))
        for branch in ("main", "more"):
            server.push({**SHELF, "README": f"pushed after {environment}\n"}, branch)
        return Completed()

    monkeypatch.setattr("flows.roll_out.release", push_meanwhile)
    roll_out(names, refs=refs)
    assert released == [(name, {"ours": f"{commit}+{merged}"}) for name in names]


@pytest.mark.sshd
def test_roll_out_begins_nothing_when_one_repository_has_no_such_branch(
    site: Site, make_site: SiteMaker, sshd: RealSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, begun = [], list[str]()
    for each, branch in ((site, "stable"), (make_site(), "main")):
        server = AddonsServer.make(sshd, each.folder / branch)
        server.push(SHELF, branch)
        names.append(_released_from(server, each).name)
    monkeypatch.setattr("flows.roll_out.release", lambda environment, **_: begun.append(environment))
    with pytest.raises(PreconditionFailed, match=r"main/addons\.git has no branch and no tag stable"):
        roll_out(names, refs={"ours": "stable"})
    assert begun == []


def test_roll_out_asks_for_production_by_name_before_anything_begins(site: Site, make_site: SiteMaker) -> None:
    first, second = _described(site), _described(make_site(), stage="production")
    with pytest.raises(Refused, match=f"A release to {second.name} must be approved"):
        roll_out([first.name, second.name])
