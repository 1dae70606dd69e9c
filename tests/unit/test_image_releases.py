"""Images of Odoo: which one is meant, how it is named, what is refused."""

import logging
from contextlib import nullcontext
from datetime import UTC, datetime
from unittest.mock import Mock, create_autospec

import pytest
from described_containers import container
from provisioned import described
from pydantic import SecretStr

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import compose, image_releases, provision
from odoo_ops.errors import Refused, VerificationFailed
from odoo_ops.model.addons import AddonsRepository, ReleasePolicy
from odoo_ops.model.command import Command
from odoo_ops.model.environment import Environment
from odoo_ops.model.plan import FileChange, ProvisionPlan, ReleasedImage, ServiceChange
from odoo_ops.model.provision import ProjectFile
from odoo_ops.model.release import ImageChange, ModuleUpdate, ReleasePlan, ReleaseRecord
from odoo_ops.model.release_reports import ReleaseReport
from odoo_ops.model.runtimes import ComposeProject, TrialProject
from odoo_ops.policy import images, promotions, releases, ways_back
from odoo_ops.render import render
from odoo_ops.runtimes import site_switch
from odoo_ops.runtimes.brought_up import replace_containers
from odoo_ops.runtimes.image_releases import fetch, looked_at, tried
from odoo_ops.runtimes.project import Project
from odoo_ops.runtimes.runtime import Runtime
from tasks import releases as release_tasks
from tasks.projects import bring_up_services

DIGEST = "sha256:" + "ab" * 32
NUMBER = "sha256:" + "cd" * 32
PROJECT = ComposeProject(project="erp", folder="/srv/erp")
TRIAL = TrialProject(project="erp", folder="/srv/erp", odoo_services=("odoo-release",), file="/srv/erp/other.yaml")


def test_released_image_is_meant_while_the_file_names_the_one_that_it_named_then() -> None:
    released = ReleasedImage(image="erp@" + DIGEST, instead_of="erp:1")
    assert images.released_image(released, "erp:1") == "erp@" + DIGEST
    assert images.released_image(released, "erp:2") == ""
    assert images.released_image(None, "erp:1") == ""
    assert images.superseded_image(released, "erp:2") == "erp@" + DIGEST
    assert images.superseded_image(released, "erp:1") == ""


@pytest.mark.parametrize(
    ("name", "digests", "pinned"),
    [
        ("erp:2", [], NUMBER),
        (NUMBER, [], NUMBER),
        (f"erp:2@{DIGEST}", [f"other@{DIGEST}"], f"erp:2@{DIGEST}"),
        ("registry.example.com:5000/erp:2", [f"registry.example.com:5000/erp@{DIGEST}"], None),
        ("registry.example.com:5000/erp", [f"erp@{NUMBER}", f"registry.example.com:5000/erp@{DIGEST}"], None),
        ("registry.example.com/erp:2", [f"elsewhere.example.com/erp@{DIGEST}"], NUMBER),
    ],
)
def test_name_says_the_content_of_an_image(name: str, digests: list[str], pinned: str | None) -> None:
    assert images.pinned_name(name, NUMBER, digests) == (pinned or digests[-1])


@pytest.mark.parametrize(
    ("former", "images_there", "production", "name"),
    [
        ("postgres:17", {"postgres:17": NUMBER, "mirror/postgres:17": NUMBER}, False, "postgres:17"),
        ("postgres:17", {"postgres:17": NUMBER, "mirror/postgres:17": DIGEST}, False, "mirror/postgres:17"),
        ("postgres:17", {"postgres:17": NUMBER, "mirror/postgres:17": None}, False, "mirror/postgres:17"),
        ("postgres:17", {"postgres:17": DIGEST, "mirror/postgres:17": NUMBER}, False, "mirror/postgres:17"),
        ("postgres:17", {"postgres:17": DIGEST, "mirror/postgres:17": DIGEST}, False, "mirror/postgres:17"),
        ("postgres:17", {"postgres:17": None, "mirror/postgres:17": None}, False, "mirror/postgres:17"),
        ("postgres:17", {"postgres:17": NUMBER, "mirror/postgres:17": NUMBER}, True, "mirror/postgres:17"),
        (
            f"postgres@{DIGEST}",
            {f"postgres@{DIGEST}": NUMBER, "mirror/postgres:17": NUMBER},
            True,
            f"postgres@{DIGEST}",
        ),
    ],
)
def test_name_of_an_image_stays_while_another_one_means_the_same(
    former: str, images_there: dict[str, str | None], name: str, *, production: bool
) -> None:
    running = container(image=NUMBER, image_name=former)
    assert images.lasting_name("mirror/postgres:17", running, images_there, production=production) == name


@pytest.mark.parametrize(
    "name", ["", "--privileged", "Erp:1", "erp:1 --rm", "erp@sha256:12", "https://example.com/erp"]
)
def test_what_is_no_image_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=r"no name of an image.*Nothing was changed.*Next step"):
        images.refuse_bad_name(name)


@pytest.mark.parametrize("name", ["erp", "registry.example.com:5000/acme/erp:2.1", f"erp@{DIGEST}", NUMBER])
def test_names_of_images_are_taken(name: str) -> None:
    images.refuse_bad_name(name)


def test_project_that_drifted_is_provisioned_first() -> None:
    images.refuse_drift("erp", ProvisionPlan(environment="erp", certificate="it ends soon", superseded="erp:1"))
    drift = ProvisionPlan(environment="erp", files=(FileChange(path="compose.yaml", change="changed", diff=""),))
    with pytest.raises(Refused, match="1 files to write.*Next step: run `provision`"):
        images.refuse_drift("erp", drift)
    ill = ServiceChange(service="odoo", action="recreate", why="it is not healthy")
    images.refuse_drift("erp", ProvisionPlan(environment="erp", services=(ill,)))
    other = ServiceChange(service="db", action="recreate", why="its description differs")
    with pytest.raises(Refused, match="recreate db"):
        images.refuse_drift("erp", ProvisionPlan(environment="erp", services=(ill, other)))


def environment(**changes: object) -> Environment:
    return Environment.model_validate(described("staging") | changes)


def test_projects_of_other_hands_and_repositories_are_refused_by_name() -> None:
    assert releases.policy_of(environment()) == ReleasePolicy()
    assert releases.policy_of(environment(release={"smoke_paths": ["/shop"]})).smoke_paths == ("/shop",)
    with pytest.raises(Refused, match=r"`provision` did not make.*Next step: let `provision` make one"):
        releases.policy_of(environment(provision=None))
    repository = AddonsRepository(url="https://git.example.com/ours.git", ref="main", folder="/opt/ours")
    with pytest.raises(Refused, match=r"addons of a repository are not released there.*Next step: put them into an"):
        releases.policy_of(environment(release=ReleasePolicy(addons=(repository,))))
    native = environment(provision=None, runtime="native")
    with pytest.raises(Refused, match="names no addons to release"):
        releases.policy_of(native)
    with pytest.raises(Refused, match="does not run in containers"):
        releases.refuse_image(native, "erp:2", {})
    with pytest.raises(Refused, match="are in its image"):
        releases.refuse_image(environment(), "", {"ours": "main"})
    at = datetime(2026, 11, 1, tzinfo=UTC)
    promotions.refuse_partial("erp", ReleasePolicy(), ReleaseRecord(at=at, addons={}, former={}, image="erp:2"))
    with pytest.raises(Refused, match="takes an image, and what is promoted is commits"):
        promotions.refuse_partial("erp", ReleasePolicy(), ReleaseRecord(at=at, addons={"/l": "/new"}, former={}))


def plan(image_id: str, *updates: str) -> ReleasePlan:
    change = ImageChange(asked="erp:2", image=image_id, image_id=image_id, present=NUMBER, present_id=NUMBER)
    made = tuple(ModuleUpdate(name=name, why="its files changed") for name in updates)
    return ReleasePlan(environment="erp", addons=(), image=change, updates=made)


def test_plan_of_an_image() -> None:
    assert plan(NUMBER).empty
    assert (plan(DIGEST).empty, plan(DIGEST).beside) == (False, True)
    assert plan(DIGEST).summary == f"Run {DIGEST}; update no module."
    assert (plan(NUMBER, "sale").empty, plan(NUMBER, "sale").beside) == (False, False)
    assert plan(DIGEST).digest != plan(NUMBER).digest


def test_way_back_of_an_image_is_the_former_image_and_its_database() -> None:
    record = ReleaseRecord(
        at="2026-11-26T12:00:00Z", addons={}, former={}, image="erp:2", former_image="erp:1", kept_database="kept"
    )
    record = record.model_copy(update={"image_commit": "b" * 40, "former_image_commit": "a" * 40})
    back = record.reversed(record.at)
    assert (back.image, back.former_image, back.scratch) == ("erp:1", "erp:2", "kept")
    assert (back.image_commit, back.former_image_commit) == ("a" * 40, "b" * 40)
    assert not record.beside
    assert record.model_copy(update={"kept_database": None}).beside
    ways_back.refuse_way_to_failed("erp", record)


def test_image_is_looked_at_in_another_service_than_it_is_tried_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its approval in one that can do nothing, and after it in one that sees Odoo's data."""
    machine, settings, change = create_autospec(HostAdapter, instance=True), environment(), plan(DIGEST).image
    file = ProjectFile(path="compose.yaml", content=SecretStr("services: {}"), mode=0o644)
    monkeypatch.setattr(Project, "of", lambda *_: Project(machine, settings, PROJECT))
    monkeypatch.setattr(Project, "compose_file", file)
    runtime = Runtime(settings, machine, machine, machine, Mock())
    for opened, service in ((looked_at(runtime, DIGEST), "odoo-gate"), (tried(runtime, change), "odoo-release")):
        with opened as beside:
            assert beside.trial
            assert beside.trial.odoo_services == (service,)
            assert beside.trial.file == "/srv/erp/compose.release.yaml"


@pytest.mark.parametrize(
    ("present", "told"), [(["base", "fan"], (("lamp",), ("fan",))), (VerificationFailed("it does not start"), ((), ()))]
)
def test_modules_that_came_with_an_image_are_told_and_a_present_one_that_tells_none_bars_no_other(
    monkeypatch: pytest.MonkeyPatch, present: object, told: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    asked = create_autospec(release_tasks.releases.list_modules, side_effect=[present, ["base", "lamp"]])
    monkeypatch.setattr(release_tasks.releases, "list_modules", asked)
    monkeypatch.setattr(release_tasks.image_releases, "looked_at", lambda runtime, _image: nullcontext(runtime))
    monkeypatch.setattr(release_tasks, "get_run_logger", lambda: logging.getLogger(__name__))
    change = plan(DIGEST).image
    assert change
    before, after = release_tasks._modules_of(create_autospec(Runtime, instance=True), change)
    found = (releases.modules_only_in(after, before, ["base"]), releases.modules_only_in(before, after, ["base"]))
    assert found == told


def test_image_does_not_see_the_filestore_when_it_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether its Odoo could write there, the present image tells, whose owners are given."""
    answers = {"sh": "100:101", "volume": "erp_data", "image": "[]"}
    ran = list[tuple[str, ...]]()

    def run(_project: Project, command: Command, *_: object) -> str:
        ran.append(command.argv)
        return answers[command.argv[1] if command.argv[1] in answers else "sh"]

    monkeypatch.setattr(Project, "run", run)
    monkeypatch.setattr(Project, "image_id", lambda _, image: image)
    monkeypatch.setattr(Project, "read_containers", lambda _: [])
    machine = create_autospec(HostAdapter, instance=True)
    machine.run.return_value.stdout = "Odoo Server 19.0-20260101"
    project = Project(machine, environment(), PROJECT)
    assert fetch(project, DIGEST, NUMBER, Mock()).image_id == DIGEST
    seeing = [argv for argv in ran if any(word.startswith("--volume") for word in argv)]
    assert [(NUMBER in argv, DIGEST in argv) for argv in seeing] == [(True, False)]


def test_image_of_another_series_of_odoo_is_refused_when_it_was_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = create_autospec(HostAdapter, instance=True)
    machine.run.return_value.stdout = "Odoo Server 18.0-20260101"
    monkeypatch.setattr(Project, "run", lambda *_: "[]")
    monkeypatch.setattr(Project, "image_id", lambda _, image: image)
    monkeypatch.setattr(Project, "read_containers", lambda _: [])
    monkeypatch.setattr(Project, "check_owner", Mock())
    project = Project(machine, environment(), PROJECT)
    with pytest.raises(Refused, match=rf"{DIGEST} is Odoo 18\.0.*Nothing was changed. Next step"):
        fetch(project, DIGEST, NUMBER, Mock())


def test_trial_is_another_compose_file() -> None:
    assert "--file=/srv/erp/other.yaml" in compose.run_kept(TRIAL, "odoo-release", "one")
    assert not any(word.startswith("--file") for word in compose.run_kept(PROJECT, "odoo", "one"))
    assert image_releases.bring_up_beside(TRIAL, "odoo").argv == (
        "docker",
        "compose",
        "--project-name=erp",
        "--project-directory=/srv/erp",
        "--file=/srv/erp/other.yaml",
        "up",
        "--detach",
        "--no-build",
        "--no-recreate",
        "--scale=odoo=2",
        "odoo",
    )
    assert "--file=/srv/erp/compose.yaml" in image_releases.start_anew(PROJECT, ["odoo-cron"], renewed=False).argv


def test_containers_of_another_image_have_none_of_the_former_ones_addons() -> None:
    """The official image declares their folder as a volume, which Compose would hand on with what is in it."""
    started = image_releases.start_anew(PROJECT, ["odoo-cron"], renewed=True)
    for command in (image_releases.make_anew(PROJECT, ["odoo"]), started):
        assert "--renew-anon-volumes" in command.argv


def test_former_odoo_takes_its_own_volumes_with_it_and_a_service_that_somebody_added_leaves_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert provision.remove_containers(["1"], volumes=True).argv == ("docker", "rm", "--force", "--volumes", "1")
    added = container(id="7", service="redis", nameless_volumes=["ab" * 32])
    ran = list[tuple[str, ...]]()
    monkeypatch.setattr(Project, "run", lambda _project, command, _tried: ran.append(command.argv))
    monkeypatch.setattr(Project, "read_containers", lambda _: [container(), added])
    project = Project(create_autospec(HostAdapter, instance=True), environment(), PROJECT)
    monkeypatch.setattr("tasks.projects._open", lambda _: project)
    gone = ServiceChange(service="redis", action="remove", why="the project has it no more")
    bring_up_services.fn("erp", ProvisionPlan(environment="erp", services=(gone,)))
    assert ran == [("docker", "rm", "--force", "7")]


@pytest.mark.parametrize(("present", "renewed"), [("a", False), ("b", True)])
def test_scheduled_actions_are_not_interrupted_where_nothing_was_released(
    monkeypatch: pytest.MonkeyPatch, present: str, *, renewed: bool
) -> None:
    """With volumes renewed, Compose would make a container anew that is as it should be."""
    ran = list[tuple[str, ...]]()
    monkeypatch.setattr(Project, "run", lambda _project, command, _tried: ran.append(command.argv) or "odoo-cron a")
    monkeypatch.setattr(Project, "read_containers", lambda _: [container(service="odoo-cron", config_hash=present)])
    machine = create_autospec(HostAdapter, instance=True)
    machine.call.return_value = "services: {}"
    site_switch.start_scheduled(Project(machine, environment(), PROJECT))
    assert ran[-1][-1] == "odoo-cron"
    assert ("--renew-anon-volumes" in ran[-1]) is renewed


def test_volumes_that_nobody_uses_any_more_are_removed_and_postgresqls_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, old, new, of_database = ("ab" * 32, "cd" * 32, "ef" * 32, "01" * 32)
    database = container(service="db", nameless_volumes=[of_database])
    listed = iter(([container(nameless_volumes=[kept, old]), database], [container(nameless_volumes=[kept, new])]))
    ran = list[tuple[str, ...]]()
    monkeypatch.setattr(Project, "run", lambda _project, command, _tried: ran.append(command.argv))
    monkeypatch.setattr(Project, "read_containers", lambda _: next(listed))
    replace_containers(Project(create_autospec(HostAdapter, instance=True), environment(), PROJECT), ["odoo"])
    assert "--renew-anon-volumes" in ran[0]
    assert ran[1:] == [("docker", "volume", "rm", "--force", old)]


def test_digests_of_an_image_that_no_registry_knows() -> None:
    assert image_releases.parse_digests("null\n") == ()
    assert image_releases.parse_digests(f'["erp@{DIGEST}"]\n') == (f"erp@{DIGEST}",)


@pytest.mark.parametrize(
    ("printed", "commit"),
    [("b" * 40 + "\n", "b" * 40), ("v2.1\n", "v2.1"), ("\n", ""), ("two words\n", ""), ("| a\n| b\n", "")],
)
def test_commit_of_an_image_is_what_its_label_says_and_nothing_that_is_none(printed: str, commit: str) -> None:
    assert image_releases.parse_commit(printed) == commit
    told = ReleaseReport(environment="erp", seconds=1, applied=False, plan=of_commit(commit))
    page = render("reports/release.md", report=told)
    assert ("not told by the image" in page, f"`{commit}`" in page) == (not commit, bool(commit))


def of_commit(commit: str) -> ReleasePlan:
    """The plan of an image that says of which commit it was made."""
    made = plan(f"erp@{DIGEST}")
    assert made.image
    return made.model_copy(update={"image": made.image.model_copy(update={"commit": commit})})


@pytest.mark.parametrize(
    ("commit", "recorded", "image", "outcome"),
    [
        ("b" * 40, "b" * 40, f"erp@{DIGEST}", "passed"),
        ("b" * 40, "", f"erp@{DIGEST}", "passed"),
        ("", "", f"erp@{DIGEST}", "passed"),
        ("a" * 40, "b" * 40, f"erp@{DIGEST}", "failed"),
        ("b" * 40, "b" * 40, NUMBER, "failed"),
    ],
)
def test_promoted_image_is_the_one_that_was_tried_and_of_its_commit(
    commit: str, recorded: str, image: str, outcome: str
) -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    record = ReleaseRecord(at=at, addons={}, former={}, image=image, image_commit=recorded)
    assert promotions.judge_promoted(record, of_commit(commit)).outcome == outcome
