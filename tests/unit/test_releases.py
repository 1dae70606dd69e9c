"""Releases: which modules are updated, what addons must stand, how git is asked."""

import importlib.util
import logging
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn
from unittest.mock import create_autospec

import httpx
import pytest
from prefect.exceptions import TerminationSignal
from pydantic import SecretStr, ValidationError

from flows import _cut_over, _put_in_place, _settle, release, rollback
from odoo_ops.adapters.held_locks import HeldLock, LockLost
from odoo_ops.commands import git, modules
from odoo_ops.errors import PermanentError, PreconditionFailed, Refused, TransientError, VerificationFailed
from odoo_ops.hostside import links
from odoo_ops.hostside.channel import standard_channel
from odoo_ops.hostside.modules import find_modules, hash_modules
from odoo_ops.model.addons import MOST_MERGES, AddonsRepository, MergedRef, ReleasePolicy, place_of
from odoo_ops.model.checks import Check, Outcome, failures
from odoo_ops.model.release import (
    UNSEEN,
    FetchedAddons,
    InstalledModules,
    ModuleFacts,
    ModuleUpdate,
    ReleasePlan,
    ReleaseRecord,
)
from odoo_ops.model.release_reports import ReleaseReport, RollbackReport
from odoo_ops.model.revisions import exactly, is_commit, is_exact, revision_of, shown_revision
from odoo_ops.policy import layers, promotions, releases, wanted_commits, ways_back
from odoo_ops.policy.ways_back import listed, recent_checkouts, recent_images, way_back
from odoo_ops.render import render
from tasks.release_records import planned_record
from tasks.reports import publish_release_report

PATTERNS = ("*.pyc", "*.pyo", "i18n/*.pot", "i18n_extra/*.pot", "static/*", "tests/*")


def installed(**changes: object) -> InstalledModules:
    fields: dict[str, object] = {
        "versions": {"base": "19.0.1.3", "sale": "19.0.1.0", "shop": "19.0.1.0.0"},
        "checksums": {"base": "b", "sale": "s", "shop": "h"},
        "exclude_patterns": PATTERNS,
        "languages": ("en_US",),
        "unsettled": (),
    }
    return InstalledModules.model_validate(fields | changes)


def on_disk(**changes: dict[str, object]) -> dict[str, ModuleFacts]:
    found: dict[str, dict[str, object]] = {
        "base": {"checksum": "b", "version": "19.0.1.3"},
        "sale": {"checksum": "s", "version": "19.0.1.0", "depends": ("base",)},
        "shop": {"checksum": "h", "version": "19.0.1.0.0", "depends": ("sale",)},
    }
    return {
        name: ModuleFacts.model_validate({"path": f"/{name}", **facts, **changes.get(name, {})})
        for name, facts in found.items()
    }


class TestUpdateSet:
    def test_nothing_is_updated_when_nothing_changed(self) -> None:
        assert releases.modules_to_update(installed(), on_disk()) == ()

    def test_changed_module_is_updated_and_its_dependants_are_named(self) -> None:
        found = on_disk(sale={"checksum": "other", "version": "19.0.2.0"})
        (update,) = releases.modules_to_update(installed(), found)
        assert (update.name, update.why) == ("sale", "its files changed, version 19.0.1.0 to 19.0.2.0")
        assert releases.dependants_of(["sale"], found) == ("shop",)

    def test_all_are_updated_when_nothing_is_on_record(self) -> None:
        names = [update.name for update in releases.modules_to_update(installed(checksums=None), on_disk())]
        assert names == ["base", "sale", "shop"]

    def test_module_without_a_record_of_its_own_is_updated(self) -> None:
        (update,) = releases.modules_to_update(installed(checksums={"base": "b", "sale": "s"}), on_disk())
        assert (update.name, update.why) == ("shop", "no checksum of it is on record")

    def test_module_that_click_odoo_update_did_not_find_is_updated(self) -> None:
        """It notes `false` for one that was nowhere."""
        (update,) = releases.modules_to_update(
            installed(checksums={"base": "b", "sale": "s", "shop": False}), on_disk()
        )
        assert update.name == "shop"

    def test_modules_that_come_or_go_and_are_not_installed_are_named(self) -> None:
        before, after = ["lamp", "more/sale"], ["lamps", "sale", "shop", "other/chair"]
        assert releases.modules_only_in(after, before, ["shop"]) == ("chair", "lamps")
        assert releases.modules_only_in(before, after, ["shop"]) == ("lamp",)
        plan = ReleasePlan(environment="it", addons=(), come=("chair", "lamps"), gone=("lamp",))
        assert plan.digest == ReleasePlan(environment="it", addons=()).digest, "it is approved for what it changes"
        page = render("reports/release.md", report=ReleaseReport(environment="it", seconds=1, plan=plan, applied=False))
        assert "New in the addons, and not installed: chair, lamps." in page
        assert "No more in the addons, and not installed: lamp." in page
        assert plan.empty, "nothing is done about them"


class TestGate:
    @pytest.mark.parametrize(
        ("database", "disk", "said"),
        [
            ({"unsettled": ("sale",)}, {}, "No module is in the middle of a change: sale"),
            ({"versions": {"base": "1", "gone": "1"}}, {}, "Every installed module is there: gone"),
            ({}, {"shop": {"installable": False}}, "shop is marked as not installable"),
            ({}, {"shop": {"fault": "SyntaxError: line 3"}}, "shop: SyntaxError: line 3"),
            ({"versions": {"base": "19.0.1.3"}}, {"sale": {"installable": False}}, "sale is marked as not installable"),
            ({"versions": {"base": "19.0.1.3"}}, {"shop": {"fault": "SyntaxError"}}, "shop: SyntaxError"),
            ({}, {"shop": {"missing": ("Python package zeep",)}}, "shop needs Python package zeep"),
            ({}, {"shop": {"depends": ("nowhere",)}}, "shop depends on nowhere, which is nowhere in the addons path"),
            ({}, {"shop": {"version": "19.0.2.0.0"}}, "shop rises from 19.0.1.0.0 to 19.0.2.0.0 and has no folder"),
            (
                {"versions": {"base": "19.0.1.3", "sale": "19.0.1.0", "shop": "19.0.10.0.0"}},
                {"shop": {"version": "19.0.9.0.0"}},
                "shop falls from 19.0.10.0.0 to 19.0.9.0.0, and Odoo migrates nothing back: run `rollback`",
            ),
            (
                {},
                {"shop": {"version": "19.0.2.0.0", "migrations": ("19.0.1.0.0", "tests", "3.0.0", "18.0.2.0.0")}},
                "shop rises from 19.0.1.0.0 to 19.0.2.0.0",
            ),
        ],
    )
    def test_names_what_is_wrong(
        self, database: dict[str, object], disk: dict[str, dict[str, object]], said: str
    ) -> None:
        gate = releases.judge_modules(installed(**database), on_disk(**disk))
        (found,) = failures(gate)
        assert said in found
        with pytest.raises(Refused, match="Nothing was changed"):
            releases.refuse_unfit("production", gate)

    @pytest.mark.parametrize(
        ("version", "folders"),
        [
            ("19.0.1.1.0", ()),
            ("19.0.1", ()),
            ("saas~19.1.1.0.0", ()),
            ("19.0.2.0.0", ("19.0.2.0.0",)),
            ("19.0.2.1.0", ("2.0",)),
            ("19.0.2.0.0", ("0.0.0",)),
            ("19.0.10.0.0", ("19.0.9.0.0",)),
        ],
    )
    def test_wants_migration_scripts_only_where_a_major_number_rises(
        self, version: str, folders: tuple[str, ...]
    ) -> None:
        found = on_disk(shop={"version": version, "migrations": folders})
        assert failures(releases.judge_modules(installed(), found)) == []

    def test_lets_good_addons_pass(self) -> None:
        gate = releases.judge_modules(installed(), on_disk())
        assert {check.outcome for check in gate} == {"passed"}
        releases.refuse_unfit("production", gate)


class TestLinks:
    def test_modules_of_submodules_are_found_when_they_are_asked_for(self, tmp_path: Path) -> None:
        for module in ("ours", "theirs/lamp", ".hidden/no"):
            (tmp_path / module).mkdir(parents=True)
            (tmp_path / module / "__manifest__.py").touch()
        (tmp_path / "theirs/.git").touch()
        assert find_modules(standard_channel(), str(tmp_path)) == ["ours"]
        assert find_modules(standard_channel(), str(tmp_path), submodules=True) == ["ours", "theirs/lamp"]

    def test_addons_path_leads_where_a_link_will_lead(self) -> None:
        addons = ["/opt/addons/ours/more", "/opt/addons/ours", "/opt/addons/ours2", "/opt/odoo/addons"]
        assert releases.replaced_addons(addons, {"/opt/addons/ours": "/store/abc"}) == [
            *("/store/abc/more", "/store/abc", "/opt/addons/ours2", "/opt/odoo/addons"),
        ]

    def test_link_that_no_addons_path_leads_through_is_named(self) -> None:
        links_of = ["/opt/addons/ours", "/opt/addons/theirs"]
        assert releases.links_not_named(["/opt/addons/ours/more", "/opt/addons/theirs2"], links_of) == [
            "/opt/addons/theirs"
        ]

    def test_link_is_led_elsewhere_and_what_is_none_stays(self, tmp_path: Path) -> None:
        link, folder = tmp_path / "ours", tmp_path / "folder"
        folder.mkdir()
        for target in ("one", "two"):
            links.lead_to(standard_channel(), str(link), str(tmp_path / target))
            assert links.read_link(standard_channel(), str(link)) == str(tmp_path / target)
        with pytest.raises(FileExistsError, match="no link"):
            links.lead_to(standard_channel(), str(folder), str(tmp_path / "one"))
        with pytest.raises(FileExistsError, match="no link"):
            links.read_link(standard_channel(), str(folder))

    def test_tree_is_made_again_by_hard_links(self, tmp_path: Path) -> None:
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "b" / "file").write_text("content")
        (tmp_path / "a" / "link").symlink_to("b")
        (tmp_path / "a" / "b").chmod(0o750)
        assert links.link_tree(standard_channel(), str(tmp_path / "a"), str(tmp_path / "c")) == 2
        assert (tmp_path / "c/b/file").samefile(tmp_path / "a/b/file")
        assert (tmp_path / "c/link").readlink() == Path("b")
        assert (tmp_path / "c/b").stat().st_mode & 0o777 == 0o750

    def test_file_that_goes_meanwhile_is_left_out_of_a_tree_in_use(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "stays").write_text("content")
        walked = [(str(tmp_path / "a"), [], ["gone", "stays"])]  # as it was when its names were read
        monkeypatch.setattr(links.os, "walk", lambda _top: iter(walked))
        assert links.link_tree(standard_channel(), str(tmp_path / "a"), str(tmp_path / "b"), in_use=True) == 1
        with pytest.raises(FileNotFoundError):
            links.link_tree(standard_channel(), str(tmp_path / "a"), str(tmp_path / "c"))


def test_rows_written_since_a_release_are_counted() -> None:
    before, now = (
        {"public.a": 5, "public.b": 7, "public.c": 9},
        {"public.a": 5, "public.b": 8, "public.d": 2, "public.c": 4},
    )
    assert releases.rows_written(before, now) == {"public.b": 1, "public.c": 4, "public.d": 2}


def test_reversed_record_takes_a_release_back() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    record = ReleaseRecord(at=at, addons={"/l": "/new"}, former={"/l": "/old"}, scratch="scratch", kept_database="kept")
    back = record.reversed(at)
    assert (back.addons, back.former, back.scratch, back.kept_database) == (
        {"/l": "/old"},
        {"/l": "/new"},
        "kept",
        None,
    )


def test_mark_of_a_failed_check_stays_with_what_it_is_of_when_a_release_is_taken_back() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    record = ReleaseRecord(at=at, addons={}, former={}, unwell="Mails go out: 3 wait", former_unwell="Disks: 2 % free")
    back = record.reversed(at, "no login page")
    assert (back.unwell, back.former_unwell) == ("Disks: 2 % free", "Mails go out: 3 wait")
    assert back.reversed(at).unwell == "Mails go out: 3 wait"


_MARKED = ReleaseRecord(
    at=datetime(2026, 10, 1, tzinfo=UTC), addons={"/ours": "/s/a"}, former={}, unwell="Disks: 2 % free"
)


@pytest.mark.parametrize(
    ("former", "present", "noted"),
    [
        ({"/ours": "/s/a"}, _MARKED, "Disks: 2 % free"),
        ({"/ours": "/s/a", "/more": None}, _MARKED, "Disks: 2 % free"),
        ({"/ours": "/s/a"}, _MARKED.model_copy(update={"unwell": None}), None),
        ({"/ours": "/s/by hand"}, _MARKED, None),
        ({"/ours": "/s/a"}, _MARKED.model_copy(update={"image": "erp:1"}), None),
        ({"/ours": None}, None, None),
    ],
)
def test_release_notes_which_checks_had_failed_of_what_it_replaces(
    former: dict[str, str | None], present: ReleaseRecord | None, noted: str | None
) -> None:
    addons = tuple(
        FetchedAddons(folder=link, ref="main", commit="b", checkout="/s/b", present=folder)
        for link, folder in former.items()
    )
    plan = ReleasePlan(environment="erp", addons=addons)
    record = planned_record(plan, None, "abc123", present)
    assert (record.former_unwell, record.unwell) == (noted, UNSEEN)


def test_page_of_a_rollback_names_a_repository_that_came_with_the_release() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    record = ReleaseRecord(at=at, addons={"/old": "/x/abc", "/new": "/x/def"}, former={"/old": "/x/123", "/new": None})
    report = RollbackReport(environment="it", seconds=1, record=record, written={}, applied=False)
    page = render("reports/rollback.md", report=report)
    assert "| /old | `abc` | `123` |" in page
    assert "| /new | `def` | nothing |" in page
    back = report.model_copy(update={"record": record.reversed(at)})
    assert "| /new | nothing | `def` |" in render("reports/rollback.md", report=back)


class TestRevisions:
    ONE, TWO = "a" * 40, "b" * 64

    def test_word_of_whole_commits_is_exact_where_it_says_what_is_merged(self) -> None:
        assert [is_exact(word) for word in (f"{self.ONE}+", f"{self.ONE}+{self.TWO}", exactly(self.ONE))] == [True] * 3
        others = (self.ONE, "main", "feature+main", f"{self.ONE}+main", f"{self.ONE[1:]}+", f"+{self.ONE}")
        assert [is_exact(word) for word in others] == [False] * len(others)
        assert [is_commit(word) for word in (self.ONE, self.TWO, f"{self.ONE}+", "main")] == [True, True, False, False]

    def test_merged_commits_are_shown_in_their_order(self) -> None:
        assert shown_revision(f"{self.ONE}+{self.TWO}") == f"{self.ONE[:12]} + {self.TWO[:12]}"
        assert shown_revision(f"{self.ONE}+") == self.ONE[:12]

    def test_folder_of_the_most_merges_has_a_name_that_file_systems_take(self) -> None:
        name = revision_of((self.ONE,) * (1 + MOST_MERGES))
        assert len(f"{name}.partial") <= 255

    def test_merged_commits_from_nowhere_are_refused(self) -> None:
        repository = TestGit.BY_HTTPS.model_copy(update={"merges": (MergedRef(ref="refs/pull/1/head"),)})
        for commits in ((self.ONE,), (self.ONE, self.TWO)):
            wanted_commits.refuse_unknown_merges(repository, commits)
        with pytest.raises(Refused, match="has 2 merged commits, and the environment file names 1 `merges`"):
            wanted_commits.refuse_unknown_merges(repository, (self.ONE, self.TWO, self.TWO))


class TestGit:
    BY_SSH = AddonsRepository(
        url="ssh://git@git.example.com/ours.git",
        ref="main",
        folder="/opt/addons/ours",
        private_key=SecretStr("key"),
        known_hosts="git.example.com ssh-ed25519 AAAA",
    )
    BY_HTTPS = AddonsRepository(
        url="https://git.example.com/ours.git", ref="main", folder="/opt/addons/ours", token=SecretStr("secret-token")
    )

    def test_key_is_a_file_in_memory_and_any_other_server_is_refused(self) -> None:
        command = git.list_refs(self.BY_SSH, "main")
        assert command.argv == (
            *("git", "ls-remote", "--", "ssh://git@git.example.com/ours.git"),
            *("refs/tags/main^{}", "refs/tags/main", "refs/heads/main", "main"),
        )
        ssh = command.environment["GIT_SSH_COMMAND"]
        assert "StrictHostKeyChecking=yes" in ssh
        assert "-i %private_key%" in ssh
        assert set(command.files) == {"private_key", "known_hosts"}

    def test_token_goes_to_its_server_alone_and_is_no_argument(self) -> None:
        command = git.fetch_commit("/store/abc", self.BY_HTTPS, "abc")
        assert command.environment["GIT_CONFIG_KEY_0"] == "http.https://git.example.com/.extraHeader"
        assert "secret-token" not in str(command.model_dump())
        assert list(command.secrets) == ["GIT_CONFIG_VALUE_0"]

    @pytest.mark.parametrize(
        ("listed", "commit"),
        [
            (["1\trefs/heads/main"], "1"),
            (["1\trefs/heads/main", "2\trefs/tags/main", "3\trefs/tags/main^{}"], "3"),
            (["1\trefs/heads/main", "2\trefs/tags/main"], "2"),
            (["1\trefs/heads/feature/main", "2\trefs/tags/main2"], None),
            ([], None),
        ],
    )
    def test_commit_is_that_of_the_tag_or_the_branch(self, listed: list[str], commit: str | None) -> None:
        assert git.commit_of("\n".join(listed), "main") == commit

    def test_whole_name_of_a_ref_is_that_ref_alone(self) -> None:
        listed = "1\trefs/heads/main\n2\trefs/tags/main\n3\trefs/tags/main^{}\n4\trefs/heads/refs/heads/main"
        assert git.commit_of(listed, "refs/heads/main") == "1"
        assert git.commit_of(listed, "refs/tags/main") == "3"


class TestPolicy:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"url": "https://me:pw@git.example.com/ours.git"}, "password in the address"),
            ({"url": "ssh://git@git.example.com/x.git", "token": "t"}, "a token is for"),
            ({"private_key": "k", "known_hosts": "h"}, "a private_key is for"),
            ({"url": "ssh://git@git.example.com/x.git", "private_key": "k"}, "known_hosts is missing"),
            ({"ref": "--upload-pack=evil"}, "no name of a branch"),
            ({"ref": "a..b"}, "no name of a branch"),
            ({"url": "--upload-pack=evil"}, "should match pattern"),
            ({"url": "ext::sh -c evil"}, "should match pattern"),
        ],
    )
    def test_refuses_what_does_not_fit(self, changes: dict[str, object], said: str) -> None:
        fields = {"url": "https://git.example.com/ours.git", "ref": "main", "folder": "/opt/addons/ours"}
        with pytest.raises(ValidationError, match=said):
            AddonsRepository.model_validate(fields | changes)

    def test_refuses_two_of_one_name_and_unknown_names(self) -> None:
        ours = {"url": "https://git.example.com/ours.git", "ref": "main", "folder": "/opt/addons/ours"}
        with pytest.raises(ValidationError, match="same last part"):
            ReleasePolicy.model_validate({"addons": [ours, {**ours, "folder": "/srv/ours"}]})
        policy = ReleasePolicy.model_validate({"addons": [ours]})
        with pytest.raises(Refused, match=r"it has ours \(ours\)"):
            wanted_commits.refuse_refs("production", policy, {"theirs": "main"})
        with pytest.raises(Refused, match="no name of a branch"):
            wanted_commits.refuse_refs("production", policy, {"ours": "-x"})


@pytest.mark.parametrize(
    ("url", "full_name"),
    [
        ("ssh://git@git.example.com:22/acme/addons.git", "acme/addons"),
        ("git@git.example.com:acme/addons.git", "acme/addons"),
        ("https://git.example.com/group/sub/addons", "group/sub/addons"),
    ],
)
def test_repository_is_known_by_its_name_here_and_at_its_forge(url: str, full_name: str) -> None:
    repository = AddonsRepository(url=url, ref="main", folder="/opt/addons/ours")
    assert repository.full_name == full_name
    assert place_of(url) == ("git.example.com", full_name)
    assert place_of("https://git.example.com:8443/acme/addons") == ("git.example.com:8443", "acme/addons")
    assert wanted_commits.wanted_ref(repository, {full_name: "abc"}, "/opt/addons/.ours.releases/def") == "abc"
    assert wanted_commits.wanted_ref(repository, {"ours": "v1"}, None) == "v1"


def test_repository_that_is_not_asked_for_keeps_its_commit_where_others_are() -> None:
    repository = AddonsRepository(url="https://git.example.com/a/ours.git", ref="main", folder="/opt/addons/ours")
    present = "/opt/addons/.ours.releases/def"
    assert wanted_commits.wanted_ref(repository, {"theirs": "v2"}, present) == "def+"
    merged = "/opt/addons/.ours.releases/def+abc"
    assert wanted_commits.wanted_ref(repository, {"theirs": "v2"}, merged) == "def+abc"
    assert wanted_commits.wanted_ref(repository, {"theirs": "v2"}, None) == "main"
    assert wanted_commits.wanted_ref(repository, {}, present) == "main"


def test_way_back_to_a_release_that_failed_is_refused() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    record = ReleaseRecord(at=at, addons={"/l": "/new"}, former={"/l": "/old"})
    ways_back.refuse_way_to_failed("production", record)
    with pytest.raises(Refused, match="as it did not serve people: no login page"):
        ways_back.refuse_way_to_failed("production", record.reversed(at, "no login page"))
    with pytest.raises(Refused, match="Nothing was released to production before"):
        ways_back.refuse_way_to_failed("production", record.model_copy(update={"former": {"/l": None}}))


def test_promoted_commits_must_be_those_of_all_repositories() -> None:
    ours = {"url": "https://git.example.com/a/ours.git", "ref": "main", "folder": "/opt/addons/ours"}
    more = {"url": "https://git.example.com/a/more.git", "ref": "main", "folder": "/opt/addons/more"}
    policy = ReleasePolicy.model_validate({"addons": [ours, more]})
    at, of_ours = datetime(2026, 11, 1, tzinfo=UTC), {"/srv/ours": "/srv/.ours.releases/abc"}
    of_both = of_ours | {"/srv/more": "/srv/.more.releases/def"}
    promotions.refuse_partial("production", policy, ReleaseRecord(at=at, addons=of_both, former={}))
    with pytest.raises(Refused, match="holds no more"):
        promotions.refuse_partial("production", policy, ReleaseRecord(at=at, addons=of_ours, former={}))
    with pytest.raises(Refused, match="takes commits, and what is promoted is an image"):
        promotions.refuse_partial("production", policy, ReleaseRecord(at=at, addons={}, former={}, image="erp:2"))


def test_log_of_an_update_tells_progress_and_trouble() -> None:
    beginning = "2026-11-01 10:00:00,000 12"
    line = f"{beginning} INFO erp odoo.modules.loading: Loading module sale (3/86) "
    assert modules.loading_in(line) == (3, 86)
    assert modules.trouble_in(line) is None
    assert modules.trouble_in(f"{beginning} CRITICAL erp odoo.modules: Failed") == "erp odoo.modules: Failed"


@pytest.mark.parametrize("on_record", [True, False])
def test_release_that_cannot_be_settled_says_so_when_it_is_on_record(
    monkeypatch: pytest.MonkeyPatch, on_record: bool
) -> None:
    record = ReleaseRecord(at=datetime(2026, 11, 1, tzinfo=UTC), addons={}, former={})
    lock, settled = create_autospec(HeldLock, instance=True), []

    def fail(environment: str) -> None:
        settled.append(environment)
        raise PreconditionFailed("nginx does not take its configuration.")

    monkeypatch.setattr(_put_in_place, "settle_leftovers", fail)
    former = record.model_copy(update={"at": datetime(2026, 10, 1, tzinfo=UTC)})
    monkeypatch.setattr(_put_in_place, "read_present_release", lambda *_: record if on_record else former)
    first = PreconditionFailed("The disk is full.")
    if on_record:
        placed, (check,) = _put_in_place._settled("erp", record, lock, first)
        assert (placed, check.outcome) == (record, "failed")
        assert "The disk is full. Nor can it be settled: nginx does not take" in check.detail
    else:
        with pytest.raises(PreconditionFailed, match="The disk is full"):
            _put_in_place._settled("erp", record, lock, first)
    assert settled == ["erp"]
    lock.check.assert_called_once_with()


_FORMER = ReleaseRecord(at=datetime(2026, 10, 1, tzinfo=UTC), addons={}, former={})
_NEW = _FORMER.model_copy(update={"at": datetime(2026, 11, 1, tzinfo=UTC)})
_AWAY = TransientError("The host does not answer.")


@pytest.mark.parametrize(
    ("error", "now", "said", "head"),
    [
        (
            PreconditionFailed("The disk is full"),
            _FORMER,
            "The disk is full. The former release serves people.",
            "not released",
        ),
        (
            PreconditionFailed("PostgreSQL is away."),
            _NEW,
            "PostgreSQL is away. The new release, which was finished when it was settled, serves people.",
            "in place, and its run failed",
        ),
        (
            PreconditionFailed("The disk is full."),
            _AWAY,
            "The disk is full. Whether people are served could not be seen: The host does not answer.",
            "nobody knows whether it is in place",
        ),
        (
            LockLost("It was settled by a new connection."),
            _NEW,
            "It was settled by a new connection.",
            "nobody knows whether it is in place",
        ),
    ],
)
def test_release_that_fails_tells_by_error_and_page_which_one_serves_people(
    monkeypatch: pytest.MonkeyPatch, error: PermanentError, now: ReleaseRecord | TransientError, said: str, head: str
) -> None:
    published: list[ReleaseReport] = []

    def read(_environment: str) -> ReleaseRecord:
        if isinstance(now, TransientError):
            raise now
        return now

    monkeypatch.setattr(_cut_over, "read_present_release", read)
    monkeypatch.setattr(_cut_over, "check_odoo_came_back", lambda *_: Check(name="Odoo came back", outcome="passed"))
    monkeypatch.setattr(_cut_over, "check_health", lambda _: [])
    monkeypatch.setattr(_cut_over, "publish_release_report", published.append)
    monkeypatch.setattr(_cut_over, "get_run_logger", lambda: logging.getLogger(__name__))
    plan = ReleasePlan(environment="erp", addons=())
    with pytest.raises(type(error)) as raised, _cut_over._former_proved_when_it_fails(plan, _FORMER, [], 0):
        raise error
    assert str(raised.value) == said
    (report,) = published
    assert (report.failure, report.applied) == (said, False)
    assert render("reports/release.md", report=report).startswith(f"# erp: {head}\n")


@pytest.mark.parametrize("unseen", ["read_present_release", "check_health"])
@pytest.mark.parametrize("put", [_cut_over.cut_over, _cut_over.replace_beside])
def test_release_that_cannot_see_what_is_there_before_says_so_on_its_page(
    monkeypatch: pytest.MonkeyPatch, put: Callable[..., ReleaseReport], unseen: str
) -> None:
    published: list[ReleaseReport] = []
    monkeypatch.setattr(_cut_over, "read_present_release", lambda _: _FORMER)
    monkeypatch.setattr(_cut_over, "check_health", lambda _: [])
    monkeypatch.setattr(_cut_over, unseen, create_autospec(_put_in_place.start_again, side_effect=_AWAY))
    monkeypatch.setattr(_cut_over, "publish_release_report", published.append)
    lock = create_autospec(HeldLock, instance=True)
    with pytest.raises(TransientError, match="does not answer"):
        put("erp", ReleasePlan(environment="erp", addons=()), lock, 0, "abc123")
    assert [(report.failure, report.in_place) for report in published] == [(str(_AWAY), False)]


def test_host_that_is_lost_once_a_release_took_over_is_told_of_on_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[ReleaseReport] = []
    monkeypatch.setattr(_cut_over, "read_present_release", lambda _: _NEW)
    monkeypatch.setattr(_cut_over, "planned_record", lambda *_: _NEW)
    monkeypatch.setattr(_cut_over, "put_beside", lambda *_, **__: (_NEW, []))
    monkeypatch.setattr(_cut_over, "check_health", create_autospec(_put_in_place.start_again, side_effect=[[], _AWAY]))
    monkeypatch.setattr(_cut_over, "publish_release_report", published.append)
    plan, lock = ReleasePlan(environment="erp", addons=()), create_autospec(HeldLock, instance=True)
    with pytest.raises(TransientError, match="does not answer"):
        _cut_over.replace_beside("erp", plan, lock, 0, "abc123")
    assert [(report.failure, report.in_place) for report in published] == [(str(_AWAY), True)]


@pytest.mark.parametrize(
    ("unpublished", "left"),
    [
        (httpx.ConnectError("Prefect is away"), VerificationFailed),
        (_AWAY, VerificationFailed),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (TerminationSignal(signal=15), TerminationSignal),
    ],
)
def test_page_that_cannot_be_published_hides_neither_why_the_release_failed_nor_that_its_run_was_ended(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    unpublished: BaseException,
    left: type[BaseException],
) -> None:
    monkeypatch.setattr(
        _cut_over, "publish_release_report", create_autospec(publish_release_report, side_effect=unpublished)
    )
    monkeypatch.setattr(_cut_over, "get_run_logger", lambda: logging.getLogger(__name__))
    plan, told = ReleasePlan(environment="erp", addons=()), VerificationFailed("No backup.")
    with pytest.raises(left) as raised, _cut_over.told_when_it_fails(plan, 0, []):
        raise told
    assert (raised.value is told) == (left is VerificationFailed) == (f"published: {unpublished}" in caplog.text)


def _followed(monkeypatch: pytest.MonkeyPatch, *, in_project: bool, behind: Outcome = "passed") -> list[str]:
    """The steps that a release takes from the swap on, in which nothing real is done."""
    done = list[str]()

    def look(_environment: str, *, site_closed: bool = False) -> list[Check]:
        if done:
            done.append("behind the page" if site_closed else "in the open")
        return [Check(name=layers.WEBSOCKET, outcome=behind if site_closed else "passed")]

    def step(name: str) -> Callable[..., Check]:
        def take(*_: object) -> Check:
            done.append(name)
            return Check(name=name, outcome="passed")

        return take

    def settle(*_: object) -> None:
        done.append("settle")

    def take_back(*_: object) -> NoReturn:
        done.append("take back")
        raise VerificationFailed("The former one was put back.")

    monkeypatch.setattr(_cut_over, "read_present_release", lambda _: _FORMER)
    monkeypatch.setattr(_cut_over, "check_health", look)
    monkeypatch.setattr(_cut_over, "_update_and_put_in_place", lambda *_: (_NEW, []))
    monkeypatch.setattr(_cut_over, "actions_held_off", nullcontext)
    monkeypatch.setattr(_put_in_place, "start_odoo", lambda _, minutes: minutes)
    monkeypatch.setattr(_put_in_place, "check_odoo_came_back", step("start"))
    monkeypatch.setattr(_cut_over, "in_image", lambda _: in_project)
    monkeypatch.setattr(_put_in_place, "open_site_again", step("let in"))
    monkeypatch.setattr(_cut_over, "check_in_use", lambda _: Check(name="in use", outcome="passed"))
    monkeypatch.setattr(_cut_over, "_take_back", take_back)
    monkeypatch.setattr(_settle, "settle_begun", settle)
    monkeypatch.setattr(_cut_over, "publish_release_report", lambda _: None)
    return done


@pytest.mark.parametrize(
    ("in_project", "behind", "steps"),
    [
        (True, "passed", ["start", "behind the page", "let in", "in the open"]),
        (True, "failed", ["start", "behind the page", "take back"]),
        (False, "failed", ["start", "in the open"]),
    ],
    ids=["well", "unwell", "on a host, whose proxy is not ours"],
)
def test_people_are_let_in_once_a_release_was_looked_at_behind_the_page(
    monkeypatch: pytest.MonkeyPatch, in_project: bool, behind: Outcome, steps: list[str]
) -> None:
    done = _followed(monkeypatch, in_project=in_project, behind=behind)
    plan, lock = ReleasePlan(environment="erp", addons=()), create_autospec(HeldLock, instance=True)
    with pytest.raises(VerificationFailed) if steps[-1] == "take back" else nullcontext():
        _cut_over.cut_over("erp", plan, lock, 0, "abc123")
    assert done == steps


@pytest.mark.parametrize("ended", [httpx.ConnectError("Prefect is away"), _AWAY, TerminationSignal(signal=15)])
@pytest.mark.parametrize(
    ("at", "steps"),
    [
        ("actions_held_off", ["settle"]),
        ("in_image", ["start", "settle"]),
        ("check_in_use", ["start", "behind the page", "settle"]),
        ("let_in", ["start", "behind the page", "settle"]),
    ],
)
def test_people_are_let_in_when_a_release_is_cut_off_after_its_swap(
    monkeypatch: pytest.MonkeyPatch, ended: BaseException, at: str, steps: list[str]
) -> None:
    """By an error or a cancel: it is in place, and nobody waits behind nginx's page for the next run."""

    def cut_off(*_: object) -> NoReturn:
        raise ended

    done = _followed(monkeypatch, in_project=True)
    monkeypatch.setattr(_cut_over, at, cut_off)
    plan, lock = ReleasePlan(environment="erp", addons=()), create_autospec(HeldLock, instance=True)
    with pytest.raises(type(ended)) as raised:
        _cut_over.cut_over("erp", plan, lock, 0, "abc123")
    assert raised.value is ended
    assert done == steps


@pytest.mark.parametrize("taken_back", [True, False], ids=["taken back by itself", "rollback"])
def test_people_are_let_in_when_a_way_back_is_cut_off_after_its_swap(
    monkeypatch: pytest.MonkeyPatch, taken_back: bool
) -> None:
    settled, lock, away = list[str](), create_autospec(HeldLock, instance=True), httpx.ConnectError("Prefect is away")
    monkeypatch.setattr(_settle, "settle_begun", lambda environment, _: settled.append(environment))
    monkeypatch.setattr(_put_in_place, "close_site", lambda _: None)
    monkeypatch.setattr(_put_in_place, "stop_odoo", lambda _: None)
    monkeypatch.setattr(rollback, "read_rows_written", lambda *_: {})
    for flow in (_cut_over, rollback):
        monkeypatch.setattr(flow, "put_in_place", lambda *_: (_FORMER, []))
        monkeypatch.setattr(flow, "start_again", create_autospec(_put_in_place.start_again, side_effect=away))
    report = RollbackReport(environment="erp", seconds=0, record=_NEW, written={}, applied=False)
    with pytest.raises(httpx.ConnectError):
        _cut_over._put_back("erp", _FORMER, lock) if taken_back else rollback._go_back("erp", report, lock)
    assert settled == ["erp"]


def test_odoo_that_cannot_be_started_is_a_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_environment: str, _wait_minutes: int) -> float:
        raise TransientError("The host does not answer.")

    monkeypatch.setattr(_put_in_place, "start_odoo", fail)
    assert _put_in_place.start_again("erp").detail == "The host does not answer."


@pytest.mark.odoo
def test_checksum_is_that_of_click_odoo_update(odoo19: Path, tmp_path: Path) -> None:
    """Compared with click-odoo-contrib's own function, on modules of Odoo and on one with all that is left out."""
    found = next((odoo19.resolve().parent.parent / "venv").glob("lib/python*/site-packages/click_odoo_contrib"), None)
    if found is None:
        pytest.skip("beside the Odoo that ODOO_BIN names is no click-odoo-contrib")
    spec = importlib.util.spec_from_file_location("theirs", found / "_addon_hash.py")
    assert spec
    assert spec.loader
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    made = tmp_path / "made"
    for name in (
        "a.py",
        "b/a.py",
        "static/x.js",
        "tests/t.py",
        "i18n/fr.po",
        "i18n/de.po",
        "i18n/made.pot",
        "é.xml",
        "c.pyc",
    ):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(name)
    source = odoo19.resolve().parent.parent / "debian/usr/lib/python3/dist-packages/odoo/addons"
    paths = {"made": str(made), **{name: str(source / name) for name in ("base", "web", "mail")}}
    for languages in (["en_US"], ["en_US", "fr_FR"], []):
        ours = hash_modules(standard_channel(), paths, PATTERNS, languages)
        assert ours == {name: theirs.addon_hash(path, PATTERNS, languages) for name, path in paths.items()}


def test_commits_that_were_tried_elsewhere_are_promoted_by_name_and_only_after_their_time() -> None:
    at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    record = ReleaseRecord(at=at, addons={"/opt/ours": "/opt/.ours.releases/abc", "/opt/gone": None}, former={})
    assert promotions.released_commits(record) == {"ours": "abc+"}
    with pytest.raises(Refused, match="released there 30 minutes ago, and must have been for 60"):
        promotions.refuse_unsoaked("staging", record, 60, at + timedelta(minutes=30))
    promotions.refuse_unsoaked("staging", record, 30, at + timedelta(minutes=30))


def test_promoted_commits_are_those_that_were_tried() -> None:
    at, tried, other = datetime(2026, 11, 1, tzinfo=UTC), "a" * 40, "b" * 40
    record = ReleaseRecord(at=at, addons={"/opt/ours": f"/opt/.ours.releases/{tried}"}, former={})
    outcomes = [
        promotions.judge_promoted(
            record,
            ReleasePlan(
                environment="production",
                addons=(
                    FetchedAddons(
                        folder="/srv/ours", ref=commit, commit=commit, checkout=f"/srv/{commit}", present=None
                    ),
                ),
            ),
        ).outcome
        for commit in (tried, other)
    ]
    assert outcomes == ["passed", "failed"]


def test_release_with_a_failed_check_is_not_promoted() -> None:
    record = ReleaseRecord(at=datetime(2026, 11, 1, tzinfo=UTC), addons={}, former={})
    promotions.refuse_unwell("staging", record)
    unwell = record.model_copy(update={"unwell": "Scheduled actions run: the mail queue is late"})
    with pytest.raises(Refused, match="when staging got what it has in place: .* the mail queue is late. .* Next step"):
        promotions.refuse_unwell("staging", unwell)


@pytest.mark.parametrize(
    ("placed", "kept"),
    [
        ("", ""),
        ("ab", "ba"),
        ("abcd", "dcb"),
        ("abcdcdc", "cdb"),  # there and back again makes none older
        ("ab cd", "dcb"),  # nothing was in place for a while
    ],
)
def test_former_ones_that_stay_are_counted_each_once(placed: str, kept: str) -> None:
    at, names = datetime(2026, 11, 1, tzinfo=UTC), [name.strip() or None for name in placed]
    records = [
        ReleaseRecord(at=at, addons={"/l": name}, former={"/l": former}, image=name, former_image=former)
        for former, name in zip([None, *names], names, strict=False)
    ]
    assert recent_checkouts(records, "/l", 2) == list(kept)
    assert recent_images(records)[:3] == list(kept)


def test_what_a_release_replaced_stays_though_no_release_put_it_there() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    records = [
        ReleaseRecord(at=at, addons={"/l": "b"}, former={"/l": "a"}),
        ReleaseRecord(at=at, addons={"/l": "c"}, former={"/l": "by hand"}),
    ]
    assert recent_checkouts(records, "/l", 1) == ["c", "by hand"]
    assert recent_checkouts(records, "/l", 2) == ["c", "by hand", "b"]


class TestWaysBack:
    def records(self, *changes: dict[str, object]) -> list[ReleaseRecord]:
        """Releases of the days 1, 2, … of a month."""
        return [
            ReleaseRecord.model_validate(
                {
                    "at": datetime(2026, 11, day, 12, tzinfo=UTC),
                    "addons": {"/opt/ours": f"/opt/.ours.releases/{day}"},
                    "former": {"/opt/ours": f"/opt/.ours.releases/{day - 1}"},
                    "database_oid": day,
                    **changed,
                }
            )
            for day, changed in enumerate(changes, 1)
        ]

    def test_last_release_is_taken_back_where_none_is_named(self) -> None:
        records = self.records({}, {"kept_database": "kept"})
        assert way_back("erp", records, "") == records[-1]

    def test_failed_release_that_was_taken_back_by_itself_leaves_the_way_back_of_the_one_before(self) -> None:
        first, second, failed = self.records({"kept_database": "a"}, {"kept_database": "b"}, {"kept_database": "c"})
        taken_back = failed.reversed(failed.at + timedelta(minutes=9), "no login page")
        # as it is put on record: with the former database, which is there again, and with the failed one kept
        taken_back = taken_back.model_copy(update={"kept_database": "d", "database_oid": second.database_oid})
        assert way_back("erp", [first, second, failed, taken_back], "") == second
        assert way_back("erp", [first, second, failed, taken_back, failed, taken_back], "") == second
        assert way_back("erp", [failed, taken_back], "") == taken_back  # which is refused
        after = self.records({}, {}, {}, {})
        assert way_back("erp", [*after, failed, taken_back], after[0].moment).database_oid == after[0].database_oid

    def test_list_says_which_is_in_place_and_to_which_a_rollback_may_lead(self) -> None:
        first, second, third, failed = self.records({"kept_database": "a"}, {}, {}, {"kept_database": "b"})
        taken_back = failed.reversed(failed.at + timedelta(minutes=9), "no login page")
        assert [release.standing for release in listed([first, second, third, failed, taken_back], ["erp"])] == [
            "takes back",
            "was taken back",
            "in place",
            "rollback",
            f"rollback with to={first.moment}",
        ]
        assert listed([], []) == []

    @pytest.mark.parametrize(
        ("first", "former"),
        [
            ({"former": {"/opt/ours": None}}, "nothing"),
            ({"addons": {}, "former": {}, "image": "erp:2", "former_image": "erp:1"}, "erp:1"),
        ],
    )
    def test_list_says_what_is_in_place_when_the_first_release_of_all_was_taken_back(
        self, first: dict[str, object], former: str
    ) -> None:
        (failed,) = self.records(first)
        taken_back = failed.reversed(failed.at + timedelta(minutes=9), "no login page")
        again = failed.model_copy(update={"at": failed.at + timedelta(hours=1)})
        taken_back_again = again.reversed(again.at + timedelta(minutes=9), "no login page")
        present, *before = listed([failed, taken_back, again, taken_back_again], [])
        assert (present.standing, present.placed) == ("in place, as before all of these", former)
        assert [release.standing for release in before] == ["was taken back", "takes back", "was taken back"]

    def test_list_says_so_when_the_database_is_gone_to_which_a_rollback_would_lead(self) -> None:
        records = self.records({}, {"kept_database": "kept"})
        there, gone = listed(records, ["erp", "kept"]), listed(records, ["erp"])
        assert [release.standing for release in there] == ["in place", "rollback"]
        assert [release.standing for release in gone] == ["in place", "no rollback, as the database kept is gone"]

    def test_all_since_the_named_one_are_taken_back_as_one(self) -> None:
        records = self.records({"unwell": "Disks: 2 % free"}, {"unwell": "Mails go out: 3 wait"}, {})
        record = way_back("erp", records, "2026-11-01T12:00:00+00:00")
        assert (record.addons["/opt/ours"], record.former["/opt/ours"]) == (
            *("/opt/.ours.releases/3", "/opt/.ours.releases/1"),
        )
        assert (record.database_oid, record.reversed(record.at).unwell) == (1, "Disks: 2 % free")

    @pytest.mark.parametrize(
        ("changes", "kept"),
        [
            (({}, {"kept_database": "kept"}, {}), [2]),
            (({}, {}, {"kept_database": "kept"}), []),
            (({}, {}, {}, {"taken_back": "it did not start"}), [1]),
            (({"addons": {}}, {}, {}), [2]),
            (({"image": "erp:1"}, {}, {}), [2]),
        ],
    )
    def test_releases_to_which_addons_alone_do_not_lead_back_are_not_named(
        self, changes: tuple[dict[str, object], ...], kept: list[int]
    ) -> None:
        with pytest.raises(Refused, match="cannot go back to a release of nowhere") as raised:
            way_back("erp", self.records(*changes), "nowhere")
        assert [day for day in (1, 2, 3) if f"2026-11-0{day}T" in str(raised.value)] == kept


def test_record_of_an_older_version_is_read_and_the_way_by_backup_names_the_backup_that_is_known() -> None:
    old = '{"at": "2026-11-01T12:00:00Z", "addons": {"/l": "/s/b"}, "former": {"/l": "/s/a"}, "changes": {}}'
    record = ReleaseRecord.model_validate_json(old)
    assert (record.asked, record.updated, record.run, record.backup_id, record.down_seconds) == ({}, (), *[None] * 3)
    assert (record.unwell, record.former_unwell) == (None, None)
    assert "backup that the release took, and release a+ at once" in ways_back.way_by_backup(record)
    known = record.model_copy(update={"backup_id": "abc123"})
    assert "backup that the release took (abc123), and release" in ways_back.way_by_backup(known)


@pytest.mark.parametrize(
    ("parts", "outcome", "detail"),
    [
        ([20, 30, 5, 5], "passed", "60 s of 60 s"),
        ([20, 31, 5, 5], "failed", "61 s of 60 s"),
        ([None, 30, 5, 5], "not measured", "40 s of 60 s, without what was not measured"),
        ([None, 51, 5, 5], "failed", "61 s of 60 s, without what was not measured"),
    ],
)
def test_downtime_that_was_not_measured_is_never_none(parts: list[float | None], outcome: str, detail: str) -> None:
    check = releases.judge_downtime(parts, 60)
    assert (check.outcome, check.detail) == (outcome, detail)


def test_what_cannot_be_tidied_keeps_nothing_else_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_asked: object) -> None:
        raise PreconditionFailed("The disk is full.")

    done, noted = list[str](), list[list[Check]]()
    well = Check(name="Pages", outcome="passed", detail="")
    plan = ReleasePlan(environment="erp", addons=())
    report = ReleaseReport(environment="erp", seconds=1, plan=plan, applied=True, checks=(well,))
    monkeypatch.setattr(release, "keep_images", fail)
    monkeypatch.setattr(release, "remove_old_checkouts", done.append)
    monkeypatch.setattr(release, "note_outcome", lambda _environment, _seconds, checks: noted.append(checks))
    failed = release._tidied("erp", report)
    assert [(check.name, check.detail) for check in failed] == [("Former images are kept", "The disk is full.")]
    assert (done, noted) == (["erp"], [[well, *failed]])
    monkeypatch.setattr(release, "keep_images", done.append)
    monkeypatch.setattr(release, "note_outcome", fail)
    assert [check.name for check in release._tidied("erp", report)] == ["What came of it is on record"]


@pytest.mark.parametrize(
    ("tags", "ran", "outcome", "detail"),
    [
        ("/shop", [0, 3], "passed", "3 tests of /shop"),
        ("/shop", [], "failed", "/shop is the tag of no test of shop"),
        ("slow/shop:TestShop.test_it,-/sale", [0], "failed", "slow/shop:TestShop.test_it,-/sale is the tag of no test"),
        ("/shopp", [], "failed", "test_tags name shopp, not installed here"),
        ("/sale", [], "not measured", "no updated module has tests of /sale"),
        ("standrd", [], "failed", "standrd is the tag of no test of shop"),
        ("/shop/tests/test_it.py", [], "failed", "is the tag of no test of shop"),
        ("/opt/tests/shop/tests/test_it.py:TestShop", [], "failed", "is the tag of no test of shop"),
        ("/sale/tests/test_it.py", [], "not measured", "no updated module has tests"),
        (":TestShop", [], "not measured", "no updated module has tests"),
        (".test_x", [], "not measured", "no updated module has tests"),
        (":TestShop,standard", [], "failed", "is the tag of no test of shop"),
        ("-/shop", [], "not measured", "no updated module has tests"),
        ("standard,-/shop", [], "not measured", "no updated module has tests"),
        ("-/sale", [], "failed", "-/sale is the tag of no test of shop"),
        ("-/shop[slow,-fast]", [], "failed", "is the tag of no test of shop"),
        ("a b", [], "failed", "a b is the tag of no test of shop"),
    ],
)
def test_tags_that_match_no_test_fail_where_an_updated_module_has_some(
    tags: str, ran: list[int], outcome: str, detail: str
) -> None:
    updates = [
        ModuleUpdate(name="shop", why="its files changed", tested=True),
        ModuleUpdate(name="sale", why="its files changed"),
    ]
    check = releases.judge_tests("tests", ran, tags, updates, ["base", "sale", "shop"])
    assert (check.outcome, detail in check.detail) == (outcome, True)
    untested = releases.judge_tests("tests", [], "standard", updates[1:], ["base", "sale", "shop"])
    assert untested.outcome == "not measured"
