"""Addons are fetched from real git servers, by SSH and by HTTP, and what opens these is seen nowhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from addons_repository import SHELF, AddonsServer
from git_over_http import GitServer
from prefect import flow
from pydantic import SecretStr
from real_sshd import RealSshd, make_key, public_part
from secret_traces import Canary, seen, seen_in_files

from blocks import OdooEnvironment
from flows.backup import backup
from odoo_ops.errors import CommandFailed, PermanentError, PreconditionFailed
from odoo_ops.model.addons import AddonsRepository, MergedRef, ReleasePolicy
from odoo_ops.model.release import FetchedAddons
from odoo_ops.runtimes.releases import find_modules
from odoo_ops.runtimes.stored import read_manifest
from tasks.releases import fetch_addons

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.sshd]

TOKEN = Canary.given("token", "0f3e5b7a9c1d2e4f6a8b0c1d3e5f7a9b")


@pytest.fixture
def server(sshd_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AddonsServer]:
    with RealSshd.run(sshd_program, tmp_path_factory.mktemp("sshd")) as sshd:
        yield AddonsServer.make(sshd, tmp_path_factory.mktemp("git"))


@flow
def _fetch(name: str, refs: dict[str, str]) -> FetchedAddons:
    (fetched,) = fetch_addons(name, refs)
    return fetched


def fetch(site: Site, repository: AddonsRepository, ref: str = "main") -> FetchedAddons:
    site.register(release=ReleasePolicy(addons=(repository,)))
    return _fetch(site.name, {repository.name: ref})


def test_commit_is_fetched_by_branch_tag_and_name_and_is_whole_or_not_there(site: Site, server: AddonsServer) -> None:
    repository = server.repository(site.folder / "ours")
    first = server.push(SHELF)
    server.git("push", "--quiet", str(server.bare), f"{first}:refs/heads/feature/main")
    by_branch = fetch(site, repository)
    assert (by_branch.commit, by_branch.present) == (first, None)
    assert (Path(by_branch.checkout) / "shelf/__manifest__.py").read_text() == SHELF["shelf/__manifest__.py"]
    server.git("-c", "user.name=a", "-c", "user.email=a@example.com", "tag", "--annotate", "--message=one", "v1")
    server.git("push", "--quiet", str(server.bare), "v1")
    second = server.push({**SHELF, "README": "more\n"})
    partial = Path(repository.store) / f"{second}.partial"
    partial.mkdir()  # as a run leaves it that died while it fetched
    (partial / "half").write_text("")
    assert fetch(site, repository, "v1") == by_branch.model_copy(update={"ref": "v1"})
    assert fetch(site, repository, first).checkout == by_branch.checkout
    assert sorted(path.name for path in Path(fetch(site, repository).checkout).iterdir()) == [".git", "README", "shelf"]
    assert not partial.exists()


def test_commit_is_fetched_when_its_branch_has_moved_on_and_named_when_no_branch_leads_there(
    site: Site, server: AddonsServer
) -> None:
    """By a plain SSH server git gives only what a branch or a tag leads to by its name."""
    first = server.push(SHELF)
    asked = server.push({**SHELF, "asked/__manifest__.py": "{}\n"}, "asked")
    server.git("reset", "--quiet", "--hard", first)
    head = server.push({**SHELF, "README": "more\n"})
    repository = server.repository(site.folder / "ours")
    assert fetch(site, repository, first).commit == first
    merging = repository.model_copy(update={"merges": (MergedRef(ref="asked"),)})
    server.git("reset", "--quiet", "--hard", asked)
    server.push({"asked/__manifest__.py": "{}\n"}, "asked")
    fetched = fetch(site, merging, f"{head}+{asked}")
    assert {path.name for path in Path(fetched.checkout).iterdir()} == {".git", "README", "shelf", "asked"}
    server.git("reset", "--quiet", "--hard", first)
    server.push(SHELF)
    with pytest.raises(CommandFailed, match=rf"(?s)checkout.*{head}.*see that a branch or a tag of the repository"):
        fetch(site, repository.model_copy(update={"folder": str(site.folder / "theirs")}), head)


def test_submodule_whose_address_is_relative_is_fetched_too(site: Site, server: AddonsServer) -> None:
    server.push(SHELF)
    other = AddonsServer(server.sshd, server.bare.with_name("other.git"), server.work.with_name("other"))
    other.begin()
    other.push({"more/__manifest__.py": "{}\n"})
    server.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.bare), "other")
    server.git("config", "--file=.gitmodules", "submodule.other.url", "../other.git")
    commit = server.commit()
    fetched = fetch(site, server.repository(site.folder / "ours"))
    assert fetched.commit == commit
    assert (Path(fetched.checkout) / "other/more/__manifest__.py").read_text() == "{}\n"
    Path(fetched.folder).symlink_to(Path(fetched.checkout) / "other")
    changed = fetched.model_copy(update={"present": f"{fetched.checkout}/other"})
    assert find_modules(OdooEnvironment.open(site.name), [changed]) == (["more"], ["other/more", "shelf"])


def test_token_opens_a_repository_by_http_and_is_seen_nowhere(
    site: Site, server: AddonsServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.push(SHELF)
    with GitServer.run(server.bare.parent, TOKEN.text) as http:
        fields = {"url": http.url(server.bare.name), "ref": "main", "folder": str(site.folder / "ours")}
        good = AddonsRepository(**fields, token=SecretStr(TOKEN.text))
        assert fetch(site, good).commit == server.git("rev-parse", "HEAD").strip()
        other = Canary.given("other token", "aaaabbbbccccddddeeeeffff00001111")
        for token in (SecretStr(other.text), None):
            with pytest.raises(CommandFailed, match=r"(?s)ls-remote.*Next step: see that") as raised:
                fetch(site, AddonsRepository(**fields, token=token), "other")
            assert seen(str(raised.value).encode(), [TOKEN, other]) == set()
    assert seen(caplog.text.encode(), [TOKEN, other]) == set()
    assert seen_in_files([Path(good.store), Path(site.settings.state_dir)], [TOKEN, other]) == {}


def test_key_is_seen_nowhere_and_another_server_is_refused(
    site: Site, server: AddonsServer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    server.push(SHELF)
    good = server.repository(site.folder / "ours")
    key = Canary.key("key", server.sshd.private_key)
    fetch(site, good)
    stranger = public_part(make_key(tmp_path / "stranger"))
    known_hosts = f"[127.0.0.1]:{server.sshd.port} {stranger}\n"
    with pytest.raises(CommandFailed, match="(?i)host key") as raised:
        fetch(site, good.model_copy(update={"known_hosts": known_hosts}), "other")
    assert seen(f"{caplog.text}{raised.value}".encode(), [key]) == set()
    assert seen_in_files([Path(good.store), Path(site.settings.state_dir)], [key]) == {}


def test_what_nobody_has_merged_yet_is_merged_on_the_host_and_equal_everywhere(
    site: Site, server: AddonsServer
) -> None:
    """A pull request of the same repository, and a branch of a fork, on top of each state of the branch."""
    base = server.push(SHELF)
    pull = server.push({**SHELF, "pulled/__manifest__.py": "{}\n"}, "asked")
    server.git("push", "--quiet", str(server.bare), f"{pull}:refs/pull/7/head", ":refs/heads/asked")
    fork = AddonsServer(server.sshd, server.bare.with_name("fork.git"), server.work)
    server.git("init", "--quiet", "--bare", str(fork.bare))
    server.git("reset", "--quiet", "--hard", base)
    forked = fork.push({**SHELF, "forked/__manifest__.py": "{}\n"}, "fix")
    server.git("reset", "--quiet", "--hard", base)
    head = server.push({**SHELF, "README": "later\n"})
    plain = server.repository(site.folder / "ours")
    url = plain.url.replace(str(server.bare), str(fork.bare))
    merges = (MergedRef(ref="refs/pull/7/head"), MergedRef(ref="fix", url=url))
    fetched = fetch(site, plain.model_copy(update={"merges": merges}))
    assert fetched.commit == f"{head}+{pull}+{forked}"
    assert {path.name for path in Path(fetched.checkout).iterdir()} == {".git", "README", "shelf", "pulled", "forked"}
    elsewhere = plain.model_copy(update={"merges": merges, "folder": str(site.folder / "theirs")})
    again = fetch(site, elsewhere, fetched.commit)
    assert again.commit == fetched.commit
    heads = [server.git("-C", one.checkout, "rev-parse", "HEAD") for one in (fetched, again)]
    assert heads[0] == heads[1]
    Path(elsewhere.folder).symlink_to(again.checkout)
    addons = f"{elsewhere.folder}/pulled"
    site.register(odoo=site.settings.odoo.model_copy(update={"addons": (addons,)}))
    backup(site.name)
    runtime = OdooEnvironment.open(site.name)
    (snapshot,) = runtime.snapshots(site.name)
    manifest = read_manifest(runtime, snapshot, runtime.environment)
    assert manifest.addons_commits == {addons: fetched.commit}, "what came of the merges is on no server"
    alone = fetch(site, elsewhere, f"{head}+")
    assert (alone.commit, Path(alone.checkout, "pulled").exists()) == (head, False)


def test_branch_of_a_fork_may_have_a_name_below_one_of_ours(site: Site, server: AddonsServer) -> None:
    """All branches of both are fetched, as none leads to the commits that are asked for any more."""
    base = server.push(SHELF)
    server.push({**SHELF, "README": "not merged\n"}, "fix")
    fork = AddonsServer(server.sshd, server.bare.with_name("fork.git"), server.work)
    server.git("init", "--quiet", "--bare", str(fork.bare))
    server.git("reset", "--quiet", "--hard", base)
    forked = fork.push({**SHELF, "forked/__manifest__.py": "{}\n"}, "fix/it")
    fork.push({"forked/__manifest__.py": "{}\n"}, "fix/it")
    server.git("reset", "--quiet", "--hard", base)
    ours = server.push({**SHELF, "README": "later\n"})
    server.push({**SHELF, "README": "later still\n"})
    plain = server.repository(site.folder / "ours")
    url = plain.url.replace(str(server.bare), str(fork.bare))
    merging = plain.model_copy(update={"merges": (MergedRef(ref="fix/it", url=url),)})
    fetched = fetch(site, merging, f"{ours}+{forked}")
    assert {path.name for path in Path(fetched.checkout).iterdir()} == {".git", "README", "shelf", "forked"}


def test_token_goes_to_its_own_server_and_not_to_that_of_a_fork(site: Site, server: AddonsServer) -> None:
    base = server.push(SHELF)
    fork = AddonsServer(server.sshd, server.bare.with_name("forks") / "fork.git", server.work)
    server.git("init", "--quiet", "--bare", str(fork.bare))
    forked = fork.push({**SHELF, "forked/__manifest__.py": "{}\n"}, "fix")
    server.git("reset", "--quiet", "--hard", base)
    head = server.push({**SHELF, "README": "later\n"})
    with (
        GitServer.run(server.bare.parent, TOKEN.text) as ours,
        GitServer.run(fork.bare.parent, None) as theirs,
    ):
        repository = AddonsRepository(
            url=ours.url(server.bare.name),
            ref="main",
            folder=str(site.folder / "ours"),
            token=SecretStr(TOKEN.text),
            merges=(MergedRef(ref="fix", url=theirs.url(fork.bare.name)),),
        )
        assert fetch(site, repository).commit == f"{head}+{forked}"
    assert ours.logins == {ours.expected}
    assert theirs.logins == {None}


def test_conflict_of_what_is_merged_is_told_and_leaves_no_release(site: Site, server: AddonsServer) -> None:
    base = server.push(SHELF)
    server.push({**SHELF, "shelf/static/read.txt": "theirs\n"}, "theirs")
    server.git("reset", "--quiet", "--hard", base)
    server.push({**SHELF, "shelf/static/read.txt": "ours\n"})
    repository = server.repository(site.folder / "ours").model_copy(update={"merges": (MergedRef(ref="theirs"),)})
    with pytest.raises(CommandFailed, match=r"(?s)CONFLICT.*shelf/static/read.txt.*bring theirs up to date"):
        fetch(site, repository)
    assert [path.suffix for path in Path(repository.store).iterdir()] == [".partial"]
    good = server.push({**SHELF, "README": "no conflict with what is not merged\n"})
    fetch(site, server.repository(site.folder / "ours"))
    assert [path.name for path in Path(repository.store).iterdir()] == [good]


@pytest.mark.parametrize("ref", ["nowhere", "v9"])
def test_ref_that_is_not_there_is_named(site: Site, server: AddonsServer, ref: str) -> None:
    server.push(SHELF)
    with pytest.raises(PreconditionFailed, match=f"has no branch and no tag {ref}"):
        fetch(site, server.repository(site.folder / "ours"), ref)


def test_folder_in_the_place_of_the_link_is_left_alone(site: Site, server: AddonsServer) -> None:
    server.push(SHELF)
    (site.folder / "ours").mkdir()
    with pytest.raises(PermanentError, match="is there and no link, so no release can be put there"):
        fetch(site, server.repository(site.folder / "ours"))
