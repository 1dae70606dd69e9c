"""What was tried in one environment is released to another one: each has a real Odoo that serves people."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from addons_repository import SHELF, put_on_record
from deployed_flow import DeployedFlow
from prefect.states import Completed
from real_sshd import RealSshd
from shop import Shop

from blocks import OdooEnvironment
from flows.promote import promote
from flows.release import release
from flows.rollback import rollback
from odoo_ops.errors import CommandFailed, Refused, VerificationFailed
from odoo_ops.model.checks import Check
from odoo_ops.model.release import RELEASED_UNWELL, UNRELEASED
from odoo_ops.runtimes.release_records import read_records

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo, pytest.mark.sshd]

_TEXT = "shelf/static/read.txt"
_TRIED = {**SHELF, _TEXT: "tried\n"}


@pytest.fixture
def staging(odoo_site: Site, sshd_program: Path, tmp_path: Path) -> Iterator[Shop]:
    (tmp_path / "sshd").mkdir()
    with RealSshd.run(sshd_program, tmp_path / "sshd") as sshd, Shop.run(odoo_site, sshd, tmp_path) as shop:
        put_on_record(shop.site.name)
        assert shop.release().applied
        yield shop


@pytest.fixture
def target(staging: Shop, other_odoo_site: Site) -> Iterator[Shop]:
    """It has addons of the same server, and a link of its own."""
    link = other_odoo_site.folder / "host" / "ours"
    with Shop.served(other_odoo_site, staging.addons, link) as shop:
        put_on_record(shop.site.name)
        assert shop.release().applied
        yield shop


def test_what_was_tried_is_promoted_and_not_what_its_branch_leads_to_by_now(
    staging: Shop, target: Shop, tmp_path: Path
) -> None:
    source, name = staging.site.name, target.site.name
    tried = staging.addons.push(_TRIED)
    refs = {"ours": "main"}
    shown = promote(source, name, refs=refs, dry_run=True, return_state=True)
    assert (shown.name, f"to {tried[:12]}; update no" in str(shown.message)) == (UNRELEASED, True)
    assert staging.link.readlink().name != tried
    with DeployedFlow.of(promote, tmp_path) as deployed:
        first = deployed.run(source=source, target=name, soak_minutes=0, refs=refs)
        assert first.state
        assert (first.state.name, staging.link.readlink().name) == ("Soaking", tried), first.state.message
        (goes_on,) = deployed.planned()

        newer = staging.addons.push({**_TRIED, _TEXT: "pushed meanwhile\n"})
        done = deployed.begin_now(goes_on.id).state
        assert done
        assert done.is_completed(), done.message
        _see_that_it_has(target, tried)
        assert not target.link.readlink().with_name(newer).exists()

        second = deployed.run(source=source, target=name, soak_minutes=0, refs=refs)
        assert second.state
        assert (second.state.name, staging.link.readlink().name) == ("Soaking", newer), second.state.message
        (goes_on,) = deployed.planned()
        newest = staging.addons.push({**_TRIED, _TEXT: "tried by nobody\n"})
        assert staging.release().applied
        refused = deployed.begin_now(goes_on.id).state
        assert refused
        assert f"{source} had the release of {goes_on.parameters['tried']} tried" in str(refused.message)
        _see_that_it_has(target, tried)

    shown = promote(source, name, soak_minutes=0, dry_run=True, return_state=True)
    assert (shown.name, f"to {newest[:12]}; update no" in str(shown.message)) == (UNRELEASED, True)
    staging.link.unlink()
    staging.link.symlink_to(target.link.readlink())
    with pytest.raises(Refused, match=f"last release to {source} was replaced by something else: .* leads to"):
        promote(source, name, soak_minutes=0)
    staging.link.unlink()
    staging.link.symlink_to(_checkout(staging, newest))
    OdooEnvironment.open(source).odoo.stop()
    with pytest.raises(VerificationFailed, match=f"{source} is not well, so nothing of it is released to {name}"):
        promote(source, name, soak_minutes=0)
    _see_that_it_has(target, tried)


def test_nothing_goes_on_after_a_release_with_a_failed_check(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Completed(name=RELEASED_UNWELL, message="It serves people, but a check failed.", data="its report")
    monkeypatch.setattr("flows.promote.release", lambda *_, **__: told)
    monkeypatch.setattr("flows.promote.refuse_unfit_request", lambda *_: None)
    planned = list[object]()
    monkeypatch.setattr("flows.promote.run_again_after", lambda *asked: planned.append(asked))
    state = promote(site.name, "production", refs={"ours": "main"}, return_state=True)
    assert (state.name, state.message, planned) == (RELEASED_UNWELL, told.message, [])


def test_release_with_a_failed_check_is_promoted_when_the_same_is_released_once_more_and_all_is_well(
    staging: Shop, target: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, name = staging.site.name, target.site.name
    tried = staging.addons.push(_TRIED)

    def fail(_environment: str) -> None:
        raise CommandFailed("rm", 1, "no", where="here")

    with monkeypatch.context() as patched:
        patched.setattr("flows.release.remove_old_checkouts", fail)
        assert release(source, return_state=True).name == RELEASED_UNWELL
    marked = "A check failed when .* got what it has in place: .*Old commits are deleted"
    with pytest.raises(Refused, match=marked):
        promote(source, name, soak_minutes=0)
    staging.addons.push({**_TRIED, _TEXT: "not wanted\n"})
    assert staging.release().applied
    rollback(source, confirm=source)
    with pytest.raises(Refused, match=marked):
        promote(source, name, soak_minutes=0)
    refs = {"ours": tried}
    with monkeypatch.context() as patched:
        late = Check(name="Scheduled actions run", outcome="failed", detail="the mail queue is late")
        patched.setattr("flows.release.check_health", lambda _: [late])
        again = release(source, refs=refs, return_state=True)
    assert (again.name, f"{source} has it in place already, but" in str(again.message)) == (RELEASED_UNWELL, True)
    with pytest.raises(Refused, match="the mail queue is late"):
        promote(source, name, soak_minutes=0)
    assert release(source, refs=refs, return_state=True).name == "Completed"
    assert promote(source, name, soak_minutes=0, return_state=True).is_completed()
    _see_that_it_has(target, tried)


def _checkout(shop: Shop, commit: str) -> Path:
    return shop.link.with_name(f".{shop.link.name}.releases") / commit


def _see_that_it_has(shop: Shop, commit: str) -> None:
    """By its record, by where its link leads, by git's word and by what it shows people."""
    checkout = _checkout(shop, commit)
    assert read_records(OdooEnvironment.open(shop.site.name))[-1].addons == {str(shop.link): str(checkout)}
    assert shop.link.readlink() == checkout
    assert (checkout / ".git/HEAD").read_text().strip() == commit
    assert shop.page(f"/{_TEXT}") == shop.addons.git("show", f"{commit}:{_TEXT}")
