"""Releases of images to an Odoo that `provision` made on a real Docker engine, while people use it."""

import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from addons_repository import BROKEN_PYTHON, BROKEN_VIEW, HANGS, WITHOUT_PACKAGE
from image_shop import FIRST, SAME, SECOND, Shop, image_shop
from prefect.artifacts import Artifact
from provisioned_site import provisioned
from real_processes import MarkedProcess, wait_until
from real_registry import RealRegistry, real_registry
from steady_load import Load, load
from task_times import task_seconds
from used_site import SMALL

from blocks import OdooEnvironment
from deployments.engines.docker import DockerEngine
from deployments.webhook.releases import parameters_of
from flows.backup import backup
from flows.forecast import forecast
from flows.promote import promote
from flows.release import release
from flows.roll_out import roll_out
from odoo_ops.commands.image_releases import REVISION_LABEL
from odoo_ops.errors import PreconditionFailed, Refused, VerificationFailed
from odoo_ops.model.release import RELEASED_UNWELL
from odoo_ops.model.release_reports import ReleaseReport
from odoo_ops.model.webhooks import Push, QueuedRelease, ReleaseRule
from odoo_ops.policy.images import kept_repository
from odoo_ops.policy.space import refuse_without_room
from odoo_ops.runtimes.release_records import read_records
from odoo_ops.runtimes.staging import needs_of_staging
from tasks.forecasts import READS
from tasks.smoke import IN_USE

pytestmark = [pytest.mark.docker, pytest.mark.odoo, pytest.mark.restic]

_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_LAMP = {"lamp/__manifest__.py": "{'name': 'Lamp'}\n", "lamp/__init__.py": ""}
# it passes in the copy, and fails in its place
_FAILS_LATER = SECOND | {
    "shelf/shelf.py": SECOND["shelf/shelf.py"].replace(
        "        return request.render",
        """        from odoo.tools import config

        if "scratch" not in str(config["db_name"]):
            raise ValueError
        return request.render""",
    )
}
# it passes beside the present Odoo, and fails from the moment in which people come; no module differs
_FAILS_WHEN_USED = SAME | {
    "shelf/static/used.py": """
from pathlib import Path as _Path

_serve = Application.__call__


def _fail_when_used(self, environ, start_response):
    used = _Path("/tmp/used")
    if "HTTP_X_FORWARDED_HOST" in environ:
        used.touch()
    if used.exists() and environ["PATH_INFO"] == "/shelf":
        start_response("500 Internal Server Error", [])
        return [b""]
    return _serve(self, environ, start_response)


Application.__call__ = _fail_when_used
"""
}
_KILLED = """
import os, signal
from unittest import mock

from flows.release import release

with mock.patch({point!r}, lambda *_: os.kill(os.getpid(), signal.SIGKILL)):
    release({environment!r}, image={image!r})
"""
_KILLED_AT = ("flows._cut_over.try_release", "flows._put_in_place.finish_cut_over")
# what an image could want before anybody has approved it: the password, the filestore, the database
_GRASPS = """

def get_manifest(module, mod_path=None):
    import contextlib, socket
    from pathlib import Path

    got = [str(path) for path in (*Path("/run/secrets").glob("*"), *Path("/var/lib/odoo").glob("filestore"))]
    with contextlib.suppress(OSError):
        socket.create_connection(("db", 5432), timeout=5).close()
        got.append("the database")
    raise ValueError(f"it reached {got}")
"""
# in the copy, which is one process, nobody misses it
_DEAF = "RUN echo 'GeventServer.start = None' >>../service/server.py"
# the gate sees nothing of it, as it opens no database
_NO_REGISTRY = "RUN echo 'Registry.new = None' >>../orm/registry.py"


@pytest.fixture(scope="module")
def shop(
    docker: DockerEngine,
    image: Callable[[str], str],
    prefect_server: None,  # noqa: ARG001 - the server must run
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shop]:
    with image_shop(docker, image, tmp_path_factory) as made:
        yield made


@pytest.fixture(scope="module")
def registry(
    docker: DockerEngine, image: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealRegistry]:
    place = tmp_path_factory.mktemp("registry")
    with real_registry(docker, image("registry"), place, "of-the-registry") as running:
        yield running


def test_no_request_fails_when_an_image_takes_over_and_goes_back(shop: Shop) -> None:
    old, former = shop.site.containers()["odoo"][:12], shop.nameless_volumes()
    assert former
    assert shop.editions() == ["first", "first"]
    with load(shop.site) as asked:
        report = shop.release(shop.images["same"])
        assert shop.editions() == ["same", "same"]
        former |= shop.nameless_volumes()
        assert (report.applied, report.plan.updates, report.down_seconds) == (True, (), None)
        assert shop.static() == "as it is now"
        assert shop.running_image() == shop.images["same"]
        assert _kept(shop) == {shop.images["first"], shop.images["same"]}
        assert shop.site.provision(dry_run=True).plan.empty
        _see_that_it_is_what_is_promoted(shop)
        _see_that_the_file_wins_when_it_names_another_one(shop)
        back = shop.rollback()
        assert back.down_seconds is None
    print(f"\nA release and its rollback: {asked}")  # noqa: T201 - a figure that docs/releases.md gives
    assert asked.failed == []
    assert set(asked.answers) == {200}
    assert len(asked.answers) > 100
    _see_that_nginx_lost_none(shop, asked)
    assert any(host == old and at > asked.last_of(old) for at, host in asked.hosts["/shelf/slow"]), (
        "a slow request was begun on the former Odoo, and answered by it after the switch"
    )
    assert shop.static() == "as it was"
    assert shop.editions() == ["first", "first"]
    assert (former - shop.nameless_volumes()) & shop.volumes() == set()
    assert shop.running_image() == shop.images["first"]
    assert shop.site.provision(dry_run=True).plan.empty


def _see_that_nginx_lost_none(shop: Shop, asked: Load) -> None:
    """It logs what it took at its end, answered or not: what it answered, and nothing more, has come back."""
    taken = re.compile(rf'^\S+ \[\S+\] "[^"]*" (\d+) .*"{asked.agent}"$', re.MULTILINE)

    def log() -> Counter[int]:
        said = shop.site.project.engine.run("logs", shop.site.containers()["nginx"])
        return Counter(int(status) for status in taken.findall(said))

    wait_until(lambda: log() == Counter(asked.answers), lambda: f"nginx logged {log()}; {asked}")


@pytest.mark.in_turn
def test_image_that_the_file_names_brings_its_own_addons(shop: Shop) -> None:
    former = shop.nameless_volumes()
    for name in ("same", "first"):
        shop.names(shop.images[name])
        shop.site.provision()
        assert shop.editions() == [name, name]
        left = former - shop.nameless_volumes()
        assert left
        assert left & shop.volumes() == set()
        former = shop.nameless_volumes()


def _kept(shop: Shop) -> set[str]:
    """Images that have a name by which Docker's clean-up leaves them."""
    names = f"--filter=reference={kept_repository(shop.site.project.name)}"
    return set(shop.site.project.engine.run("image", "ls", "--quiet", "--no-trunc", names).split())


def _see_that_it_is_what_is_promoted(shop: Shop) -> None:
    """To the same environment, which has it already: there is no second project here."""
    report = promote(shop.site.name, shop.site.name, soak_minutes=0).result()
    assert report.plan.image.image_id == shop.images["same"]
    assert (report.plan.empty, report.applied) == (True, False)


def _see_that_the_file_wins_when_it_names_another_one(shop: Shop) -> None:
    shop.names(shop.base)
    plan = shop.site.provision(dry_run=True).plan
    shop.site.register()
    assert plan.superseded == shop.images["same"]
    assert [change.path for change in plan.files] == ["compose.yaml"]
    assert "replace the released image" in plan.summary


def _books(shop: Shop) -> str:
    return shop.site.sql("SELECT to_jsonb(b)->>'title' FROM shelf_book b", "erp")


def _updated(shop: Shop) -> list[str]:
    """Modules that the last release updated, as its page says."""
    return re.findall(r"^\| (\w+) \| its files changed", _page(shop), re.MULTILINE)


def _page(shop: Shop) -> str:
    page = Artifact.get(f"release-{shop.site.name}")
    assert page
    return str(page.data)


def test_nginx_says_so_while_modules_are_updated_and_a_rollback_brings_image_and_database_back(
    shop: Shop, registry: RealRegistry
) -> None:
    """The image comes from a registry: the host has it no more."""
    engine, asked_for = shop.site.project.engine, f"{registry.address}/shop:1"
    number = shop.build("pushed", SECOND | _LAMP, f"LABEL {REVISION_LABEL}={_COMMIT}")
    pinned = registry.push(number, "shop")
    engine.run("rmi", "--force", number)
    assert number not in engine.run("image", "ls", "--quiet", "--no-trunc").split()
    shop.site.sql("INSERT INTO shelf_book (name) VALUES ('Ulysses')", "erp")
    shop.site.register(host={"connection": {"kind": "local"}}, registry=registry.credentials)
    with load(shop.site, slow=False) as asked:
        roll_out([shop.site.name], image=asked_for)
    shop.site.register()
    assert asked.failed == []
    assert set(asked.answers) == {200, 503}
    assert asked.retry_after == {"60"}
    (record,) = read_records(OdooEnvironment.open(shop.site.name))[-1:]
    update_seconds = task_seconds("release")["update_modules"]
    assert record.down_seconds
    away = f"for {record.down_seconds:.1f} s, of which its update took {update_seconds:.1f} s"
    print(f"\nA release of an image that updates a module: people were away {away}")  # noqa: T201 - a figure of a machine
    assert (record.image, shop.running_image()) == (pinned, number)
    assert (record.image_commit, record.former_image_commit) == (_COMMIT, "")
    assert shop.editions() == ["pushed", "pushed"]
    assert record.kept_database
    assert _updated(shop) == ["shelf"]
    assert "New in the addons, and not installed: lamp." in _page(shop)
    assert "the second edition" in shop.page("/shelf")
    assert _books(shop) == "ULYSSES of 19.0.1.0.0"
    assert shop.site.provision(dry_run=True).plan.empty
    back = shop.rollback()
    assert back.record.image == record.image
    assert "the first edition" in shop.page("/shelf")
    assert _books(shop) == ""
    assert shop.running_image() == shop.images["first"]
    assert shop.site.provision(dry_run=True).plan.empty
    engine.run("rmi", asked_for)


def _see_that_the_former_one_is_in_place(shop: Shop) -> None:
    assert "the first edition" in shop.page("/shelf")
    assert shop.static() == "as it was"
    assert shop.running_image() == shop.images["first"]
    assert shop.site.provision(dry_run=True).plan.empty


@contextmanager
def asked_for_the_shelf(shop: Shop) -> Iterator[Load]:
    """Releases look at the page of the module `shelf`, and one within must be taken back for it, while people work."""
    shop.site.register(release={"smoke_paths": ["/shelf"]})
    said = f"(?s){IN_USE}: /shelf: status 500.*was put back. It serves people again"
    try:
        with load(shop.site, slow=False) as asked, pytest.raises(VerificationFailed, match=said):
            yield asked
    finally:
        shop.site.register()
    assert asked.failed == []


@pytest.mark.in_turn
def test_image_whose_modules_were_updated_is_taken_back_when_it_does_not_serve_people(shop: Shop) -> None:
    """Database and image, though the copy was fine."""
    shop.site.sql("INSERT INTO shelf_book (name) VALUES ('Emma')", "erp")
    with asked_for_the_shelf(shop) as asked:
        shop.release(shop.build("later", _FAILS_LATER))
    assert set(asked.answers) == {200, 503}, "its own 500 was seen by nobody"
    assert shop.site.sql("SELECT name FROM shelf_book WHERE name = 'Emma'", "erp") == "Emma"
    _see_that_the_former_one_is_in_place(shop)


@pytest.mark.in_turn
def test_image_whose_modules_were_updated_is_taken_back_before_people_are_let_in(shop: Shop) -> None:
    """Its websockets are missed while nginx sends people away: nobody ever sees the release."""
    said = r"(?s)Websocket through the proxy: .*http://odoo:8072.*was put back\. It serves people again"
    deaf = shop.build("deaf-update", SECOND, _DEAF)
    with load(shop.site, slow=False) as asked, pytest.raises(VerificationFailed, match=said):
        shop.release(deaf)
    assert asked.failed == []
    assert set(asked.answers) == {200, 503}
    assert not any("the second edition" in page for page in asked.pages)
    _see_that_the_former_one_is_in_place(shop)


@pytest.mark.long
def test_image_that_took_over_is_taken_back_when_it_does_not_serve_people(shop: Shop) -> None:
    """The former one takes over in its turn while people work."""
    with asked_for_the_shelf(shop) as asked:
        shop.release(shop.build("used", _FAILS_WHEN_USED, "RUN cat shelf/static/used.py >>../http.py"))
    assert set(asked.answers) == {200, 500}, "500 is this release's own; nobody was sent away"
    _see_that_the_former_one_is_in_place(shop)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "swapped",
    [
        pytest.param(False, id="while modules are updated"),
        pytest.param(True, id="when the database was swapped", marks=pytest.mark.long),
    ],
)
def test_next_run_settles_a_release_that_was_killed_while_people_had_to_wait(
    shop: Shop, tmp_path: Path, swapped: bool
) -> None:
    """Undone before the databases are swapped, finished after it: image and database are of one release."""
    image = shop.build("second", SECOND)
    code = _KILLED.format(point=_KILLED_AT[swapped], environment=shop.site.name, image=image)
    run = MarkedProcess([sys.executable, "-c", code], tmp_path / "release.log")
    assert run.end(300) == -signal.SIGKILL, run.log()
    with shop.site.browser() as browser:
        assert browser.get("/shelf").status_code == 503
    shop.site.free_limit()
    assert backup(shop.site.name).damaged_total == 0
    if not swapped:
        _see_that_the_former_one_is_in_place(shop)
        return
    assert "the second edition" in shop.page("/shelf")
    assert shop.running_image() == image
    assert shop.site.provision(dry_run=True).plan.empty
    shop.rollback()
    _see_that_the_former_one_is_in_place(shop)


@pytest.mark.long
def test_forecast_updates_and_looks_at_a_harmless_copy_while_people_work(shop: Shop) -> None:
    second, before = shop.build("second", SECOND), shop.site.containers()
    backup(shop.site.name)
    shop.site.register(release={"forecast": True, "smoke_models": ["res.partner"]})
    with load(shop.site, slow=False) as asked:
        report = forecast(shop.site.name, image=second)
    shop.site.register()
    assert asked.failed == []
    assert set(asked.answers) == {200}
    assert [update.name for update in report.plan.updates] == ["shelf"]
    assert report.update_seconds
    assert report.locks is not None
    assert (report.locks.not_measured, report.locks.looks > 0) == ("", True)
    outcomes = {check.name: check.outcome for check in report.checks}
    assert outcomes[READS] == "passed"
    assert set(outcomes.values()) == {"passed", "not measured"}
    assert shop.site.containers() == before
    assert "the first edition" in shop.page("/shelf")
    assert "scratch" not in shop.site.sql("SELECT string_agg(datname, ' ') FROM pg_database")


def test_tag_that_a_push_asked_for_is_fetched_and_named_by_its_digest(shop: Shop, registry: RealRegistry) -> None:
    engine, before = shop.site.project.engine, shop.site.containers()
    pinned = registry.push(shop.images["same"], "erp")
    shop.site.register(host={"connection": {"kind": "local"}}, registry=registry.credentials)
    push = Push(repository="acme/erp", ref="refs/heads/main", commit="1")
    rule = ReleaseRule(
        repository="acme/erp",
        branch="main",
        environments=(shop.site.name,),
        image=f"{registry.address}/erp:{{commit}}",
    )
    asked = QueuedRelease(
        id=1,
        source="ci",
        delivery="1",
        environment=shop.site.name,
        push=push,
        image=rule.image_of(push.commit),
        state="queued",
        received_at=1,
    )
    report = release(**parameters_of(asked), dry_run=True)
    shop.site.register()
    assert isinstance(report, ReleaseReport)
    assert report.plan.image
    assert report.plan.image.image == pinned
    assert report.plan.image.image_id == shop.images["same"]
    assert report.plan.image.present == shop.images["first"]
    engine.run("rmi", f"{registry.address}/erp:1")
    assert not report.applied
    assert shop.site.containers() == before
    assert shop.site.provision(dry_run=True).plan.empty


@pytest.mark.long
def test_image_that_was_tried_is_promoted_to_another_project_by_its_digest(
    shop: Shop,
    registry: RealRegistry,
    docker: DockerEngine,
    image: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Which takes the very same from the registry, whatever its tag leads to by now."""
    pinned, reached = registry.push(shop.images["same"], "shop"), {"kind": "local"}
    images = shop.site.images | {"odoo": shop.images["first"]}
    place = tmp_path_factory.mktemp("other")
    shop.site.register(host={"connection": reached}, registry=registry.credentials)
    with provisioned(docker, image, place, images=images, domain="erp-other.example.com", wanted=SMALL) as site:
        other = Shop(site, shop.folder, shop.base)
        site.project.run("odoo", "odoo", "--database=erp", "--init=shelf", "--stop-after-init", "--no-http")
        other.put_on_record()
        site.register(host={"connection": reached}, registry=registry.credentials)
        assert shop.release(f"{registry.address}/shop:1").plan.image.image == pinned  # type: ignore[union-attr]
        registry.push(shop.images["first"], "shop")
        assert promote(shop.site.name, site.name, soak_minutes=0).result().applied
        assert other.static() == shop.static() == "as it is now"
        assert other.running_image() == shop.running_image() == shop.images["same"]
        assert [read_records(OdooEnvironment.open(one.site.name))[-1].image for one in (shop, other)] == [pinned] * 2
    shop.rollback()
    shop.site.register()
    assert shop.static() == "as it was"


def test_room_for_the_copy_is_asked_for_where_postgresql_keeps_its_data(shop: Shop) -> None:
    runtime = OdooEnvironment.open(shop.site.name)
    refuse_without_room(needs_of_staging(runtime, filestore_bytes=0, database_bytes=1), runtime.host.name)
    needs = needs_of_staging(runtime, filestore_bytes=0, database_bytes=2**60)
    with pytest.raises(PreconditionFailed, match=r"the restored database up to .* in /var/lib/postgresql/data\."):
        refuse_without_room(needs, runtime.host.name)


@pytest.mark.in_turn
def test_image_without_websockets_leaves_the_present_one_at_work(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odoo_ops.runtimes.site_switch._WEBSOCKET_SECONDS", 5)
    before = shop.site.containers()
    broken = shop.build("deaf", SAME, _DEAF)
    with (
        load(shop.site, slow=False) as asked,
        pytest.raises(VerificationFailed, match="(?s)http://.*:8072.*former release serves"),
    ):
        shop.release(broken)
    assert asked.failed == []
    assert set(asked.answers) == {200}
    assert shop.site.containers() == before


def test_image_without_an_installed_module_is_refused(shop: Shop) -> None:
    """Its own Odoo tells of its modules, in the place of their manifests, what it got hold of."""
    before = shop.site.containers()
    greedy = shop.build("without", {"grasp.py": _GRASPS}, "RUN cat grasp.py >>../modules/module.py && rm grasp.py")
    with pytest.raises(Refused, match=r"Every installed module is there: shelf.*Nothing was changed") as refused:
        shop.release(greedy)
    assert "ValueError: it reached []" in str(refused.value)
    assert shop.site.containers() == before


def test_image_without_a_package_that_a_module_needs_is_refused(shop: Shop) -> None:
    before = shop.site.containers()
    with pytest.raises(Refused, match="shelf needs Python package no-such-package"):
        shop.release(shop.build("lacking", FIRST | WITHOUT_PACKAGE))
    assert shop.site.containers() == before


@pytest.mark.long
def test_image_that_breaks_the_registry_leaves_the_present_one_at_work(shop: Shop) -> None:
    before = shop.site.containers()
    broken = shop.build("broken", SAME, _NO_REGISTRY)
    with load(shop.site) as asked, pytest.raises(VerificationFailed, match=r"(?s)/web/login does not answer.*NoneType"):
        shop.release(broken)
    assert asked.failed == []
    assert set(asked.answers) == {200}
    assert shop.site.containers() == before
    assert shop.static() == "as it was"
    assert shop.site.provision(dry_run=True).plan.empty


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("files", "budget_seconds", "said"),
    [
        pytest.param(
            BROKEN_PYTHON, 600, "(?s)cannot be updated: .*ZeroDivisionError", id="registry", marks=pytest.mark.long
        ),
        pytest.param(BROKEN_VIEW, 600, "(?s)cannot be updated: .*nowhere", id="view"),
        pytest.param(HANGS, 30, "its time limit", id="hangs"),
    ],
)
def test_image_whose_modules_cannot_be_updated_leaves_everything_as_it_was(
    shop: Shop, request: pytest.FixtureRequest, files: Mapping[str, str], budget_seconds: int, said: str
) -> None:
    before = shop.site.containers()
    bad = shop.build(request.node.callspec.id, FIRST | files)
    shop.site.register(release={"downtime_budget_seconds": budget_seconds})
    with load(shop.site, slow=False) as asked, pytest.raises(VerificationFailed, match=said):
        shop.release(bad)
    shop.site.register()
    assert asked.failed == []
    assert set(asked.answers) == {200, 503}
    assert shop.site.containers() == before
    wait_until(lambda: not shop.one_off_containers(), "what updated modules has ended")
    assert shop.site.sql("SELECT datname FROM pg_database WHERE datname LIKE '%scratch%'") == ""
    _see_that_the_former_one_is_in_place(shop)


@pytest.mark.long
def test_image_that_stops_while_it_takes_over_is_finished_and_so_is_its_way_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_environment: str) -> None:
        raise PreconditionFailed("nginx did not take its configuration.")

    monkeypatch.setattr("flows._put_in_place.take_over", stop)
    finished = "Put in place at once: It stopped, and was finished then: nginx did not"
    with load(shop.site) as asked:
        state = release(shop.site.name, image=shop.images["same"], return_state=True)
        assert state.name == RELEASED_UNWELL
        assert re.search(f"(?s)was released and serves people, but .*{finished}", str(state.message))
        assert shop.static() == "as it is now"
        assert shop.running_image() == shop.images["same"]
        with pytest.raises(VerificationFailed, match=f"(?s)was taken back, but .*{finished}"):
            shop.rollback()
    assert asked.failed == []
    assert set(asked.answers) == {200}
    assert shop.static() == "as it was"
    assert shop.running_image() == shop.images["first"]
    assert shop.site.provision(dry_run=True).plan.empty


@pytest.mark.long
@pytest.mark.parametrize("put_in_place", [False, True], ids=["before", "after"])
def test_next_run_settles_a_release_that_was_killed(shop: Shop, tmp_path: Path, put_in_place: bool) -> None:
    """While the new Odoo starts beside the present one: undone; when the new one is on record: finished."""
    folder = shop.site.project.folder
    record, at_work = folder / ".odoo-ops.json", folder / "config/nginx/release.conf"
    tried = folder / "compose.release.yaml"
    number = shop.images["same"]
    with load(shop.site) as asked:
        code = f"from flows.release import release; release({shop.site.name!r}, image={number!r})"
        run = MarkedProcess([sys.executable, "-c", code], tmp_path / "release.log")
        beside = lambda: len(shop.site.containers()["odoo"].split()) == 2  # noqa: E731
        run.wait_until((lambda: number in record.read_text()) if put_in_place else beside, "it is at work", 300)
        run.kill()
        tried.write_text("services: {}\n")  # as it is when that came a moment earlier
        shop.site.free_limit()
        assert backup(shop.site.name).damaged_total == 0
        assert not tried.exists()
        assert shop.running_image() == (number if put_in_place else shop.images["first"])
        assert not at_work.exists()
        assert shop.site.provision(dry_run=True).plan.empty
        if put_in_place:
            shop.rollback()
    assert asked.failed == []
    assert set(asked.answers) == {200}
