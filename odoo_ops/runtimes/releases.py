"""Addons as an environment's host has them: fetched, looked at by its Odoo, put in place by a link."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import git, modules
from odoo_ops.errors import CommandFailed, PreconditionFailed, VerificationFailed
from odoo_ops.model.addons import AddonsRepository, place_of
from odoo_ops.model.command import Command
from odoo_ops.model.release import FetchedAddons, InstalledModules, ModuleFacts
from odoo_ops.model.revisions import commits_of, exactly, is_commit, is_exact, revision_of, shown_revision
from odoo_ops.policy.pushes import asked_of
from odoo_ops.policy.releases import links_not_named, policy_of
from odoo_ops.policy.wanted_commits import refuse_unknown_merges, wanted_ref
from odoo_ops.runtimes.copies import read_options, write_config
from odoo_ops.runtimes.runtime import Runtime

_ASK_SECONDS = 300
_GIT_SECONDS = 1800
Told = TypeVar("Told")
FoundCommits = dict[tuple[str, str, str], str]  # by server and path of a repository, and by the branch or tag


def fetch(
    runtime: Runtime, repository: AddonsRepository, refs: Mapping[str, str], show: Callable[[str], None]
) -> FetchedAddons:
    """Have the wanted commit on the host, whole or not at all; one that is there is not fetched again.

    Raises PreconditionFailed where there is no such ref, where git is missing, and where the link's place is taken;
    CommandFailed where the repository's server refuses, or where what is to be merged conflicts; Refused where it is
    not known from where that comes.
    """
    machine = runtime.machine
    present = machine.call("read_link", path=repository.folder)
    ref = wanted_ref(repository, refs, present)
    commits = _commits_of(runtime, repository, ref)
    revision = revision_of(commits)
    checkout = f"{repository.store}/{revision}"
    if not machine.call("describe_path", path=checkout)["exists"]:
        show(f"Fetching {shown_revision(revision)} of {repository.url}")
        _check_out(runtime, repository, commits, checkout)
    return FetchedAddons(folder=repository.folder, ref=ref, commit=revision, checkout=checkout, present=present)


def pin(runtime: Runtime, refs: Mapping[str, str], known: FoundCommits) -> dict[str, str]:
    """What `fetch` would fetch now, as refs that mean the same commits later: name of the repository -> revision.

    A repository that would keep its commit is not among them. Branches and tags that are `known` already are not looked
    up again; those that are looked up are known then. Raises as `fetch` does where there is no such ref.
    """
    pinned = {}
    for repository in policy_of(runtime.environment).addons:
        present = runtime.machine.call("read_link", path=repository.folder)
        if asked_of(repository, refs) or not (refs and present):
            commits = _commits_of(runtime, repository, wanted_ref(repository, refs, present), known)
            pinned[repository.name] = exactly(revision_of(commits))
    return pinned


def _commits_of(
    runtime: Runtime, repository: AddonsRepository, ref: str, known: FoundCommits | None = None
) -> tuple[str, ...]:
    """The commit of a ref, and those that are merged into it."""
    if is_exact(ref):
        return commits_of(ref)
    known = {} if known is None else known
    merged = (_commit_of(runtime, repository, merge.ref, known, merge.url) for merge in repository.merges)
    return (_commit_of(runtime, repository, ref, known), *merged)


def _commit_of(
    runtime: Runtime, repository: AddonsRepository, ref: str, known: FoundCommits, url: str | None = None
) -> str:
    if is_commit(ref):
        return ref
    place = (*place_of(url or repository.url), ref)
    if place not in known:
        known[place] = _commit_now(runtime, repository, ref, url)
    return known[place]


def _commit_now(runtime: Runtime, repository: AddonsRepository, ref: str, url: str | None) -> str:
    commit = find_commit(runtime, repository, ref, url)
    if commit is None:
        raise PreconditionFailed(
            f"{url or repository.url} has no branch and no tag {ref}. Nothing was changed. Next step: push it, or "
            "correct the name; a commit is named by all its characters."
        )
    return commit


def find_commit(runtime: Runtime, repository: AddonsRepository, ref: str, url: str | None = None) -> str | None:
    """The commit to which a branch or a tag leads now at its server; None: there is no such.

    `url`: another repository that is asked instead. Raises CommandFailed where the server refuses.
    """
    listed = runtime.machine.run(git.list_refs(repository, ref, url), timeout_seconds=_GIT_SECONDS).stdout
    return git.commit_of(listed, ref)


def _check_out(runtime: Runtime, repository: AddonsRepository, commits: tuple[str, ...], checkout: str) -> None:
    machine, partial = runtime.machine, f"{checkout}.partial"
    refuse_unknown_merges(repository, commits)
    machine.call("make_directory", path=repository.store, mode=0o755)
    for name in machine.call("list_directory", path=repository.store):
        if name.endswith(".partial"):  # of a run that died, or whose merges conflicted
            machine.call("remove_tree", path=f"{repository.store}/{name}")
    _make(machine, repository, commits, partial)
    machine.call("rename", source=partial, destination=checkout)


def _make(machine: HostAdapter, repository: AddonsRepository, commits: tuple[str, ...], folder: str) -> None:
    commit, *merged = commits
    fetch = git.fetch_history if merged else git.fetch_commit
    _run(machine, git.create(folder), git.name_origin(folder, repository))
    _fetch(machine, repository, folder, fetch(folder, repository, commit))
    _run(machine, git.check_out(folder, commit))
    for other, asked in zip(merged, repository.merges, strict=False):
        _fetch(machine, repository, folder, git.fetch_history(folder, repository, other, asked.url), asked.url)
        _run(machine, git.merge(folder, other, asked.ref))
    _run(machine, git.fetch_submodules(folder, repository), git.let_read(folder))


def _fetch(
    machine: HostAdapter, repository: AddonsRepository, folder: str, by_name: Command, url: str | None = None
) -> None:
    """Fetch a commit by its name, or with all that its server has: some give by name only what a branch leads to."""
    try:
        _run(machine, by_name)
    except CommandFailed:
        _run(machine, git.fetch_all(folder, repository, url))


def _run(machine: HostAdapter, *commands: Command) -> None:
    for command in commands:
        machine.run(command, timeout_seconds=_GIT_SECONDS)


def refuse_unnamed_links(runtime: Runtime, links: Mapping[str, str]) -> None:
    """Raise PreconditionFailed where Odoo's addons path does not lead through what a release puts in place."""
    settings = runtime.environment
    with runtime.beside_odoo() as host:
        addons, _ = read_options(settings, host)
    if unnamed := links_not_named(addons, links):
        raise PreconditionFailed(
            f"Odoo's addons path leads through no {', '.join(unnamed)}, so a release would change nothing for it. "
            f"Nothing was changed. Next step: name it in addons_path of {settings.odoo.config or 'odoo.conf'}, or a "
            "folder in it, and as `odoo.addons` of the environment."
        )


def read_modules(runtime: Runtime, installed: InstalledModules, instead: Mapping[str, str]) -> dict[str, ModuleFacts]:
    """Installed modules as the environment's Odoo finds them on disk, where links lead as `instead` says.

    Nothing of what lies there is run.
    Raises VerificationFailed when it does not tell.
    """
    with runtime.beside_odoo() as host:
        found = _told_by_odoo(runtime, host, installed.versions, modules.parse_modules, instead)
        checksums = host.call(
            "hash_modules",
            paths={name: facts["path"] for name, facts in found.items()},
            exclude=list(installed.exclude_patterns),
            languages=list(installed.languages),
        )
    return {name: ModuleFacts.model_validate({**facts, "checksum": checksums[name]}) for name, facts in found.items()}


def list_modules(runtime: Runtime) -> list[str]:
    """Names of all modules that the environment's Odoo finds on disk. Raises as `read_modules` does."""
    with runtime.beside_odoo() as host:
        return _told_by_odoo(runtime, host, (), modules.parse_names, {})


def _told_by_odoo(
    runtime: Runtime,
    host: HostAdapter,
    names: Collection[str],
    parse: Callable[[str], Told | None],
    instead: Mapping[str, str],
) -> Told:
    settings = runtime.environment
    addons, _ = read_options(settings, host, instead)
    config = write_config(settings, host, with_addons=False)
    command = modules.read_modules(settings.odoo.command, config, addons, names)
    try:
        output = host.run(command, timeout_seconds=_ASK_SECONDS)
    except CommandFailed as error:
        raise VerificationFailed(f"Odoo cannot be asked about these addons: {error}. Nothing was changed.") from error
    finally:
        host.call("remove_tree", path=settings.copy_dir)
    found = parse(output.stdout)
    if found is None:
        raise VerificationFailed(
            f"`{command}` on {host.name} did not tell its modules; it said: {output.stderr[-500:]}"
        )
    return found


def find_modules(runtime: Runtime, addons: Sequence[FetchedAddons]) -> tuple[list[str], list[str]]:
    """Paths of all modules where links lead that are to lead elsewhere: now, and then."""
    changed = [fetched for fetched in addons if fetched.changes]
    present = [fetched.folder for fetched in changed if fetched.present]
    return _modules_below(runtime, present), _modules_below(runtime, [fetched.checkout for fetched in changed])


def _modules_below(runtime: Runtime, folders: Sequence[str]) -> list[str]:
    found = (runtime.machine.call("find_modules", folder=folder, submodules=True) for folder in folders)
    return [path for paths in found for path in paths]


def lead_links(runtime: Runtime, links: Mapping[str, str | None]) -> None:
    """Lead every link to its folder; one without a folder goes."""
    for link, folder in links.items():
        if folder is None:
            runtime.machine.call("remove_link", link=link)
        else:
            runtime.machine.call("lead_to", link=link, folder=folder)
