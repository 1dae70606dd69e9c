"""Addons as an environment's host has them: fetched, looked at by its Odoo, put in place by a link."""

from collections.abc import Callable, Mapping

from odoo_ops.commands import git, modules
from odoo_ops.errors import CommandFailed, PreconditionFailed, VerificationFailed
from odoo_ops.model.addons import AddonsRepository
from odoo_ops.model.release import FetchedAddons, InstalledModules, ModuleFacts
from odoo_ops.policy.configuration import options_for_copy
from odoo_ops.policy.releases import links_not_named, wanted_ref
from odoo_ops.runtimes.copies import write_config
from odoo_ops.runtimes.runtime import Runtime

_ASK_SECONDS = 300
_GIT_SECONDS = 1800
_COMMIT_CHARACTERS = {40, 64}  # of sha1 and sha256


def fetch(
    runtime: Runtime, repository: AddonsRepository, refs: Mapping[str, str], show: Callable[[str], None]
) -> FetchedAddons:
    """Have the wanted commit on the host, whole or not at all; one that is there is not fetched again.

    Raises PreconditionFailed where there is no such ref, where git is missing, and where the link's place is taken;
    CommandFailed where the repository's server refuses.
    """
    machine = runtime.machine
    present = machine.call("read_link", path=repository.folder)
    ref = wanted_ref(repository, refs, present)
    commit = _commit_of(runtime, repository, ref)
    checkout = f"{repository.store}/{commit}"
    if not machine.call("describe_path", path=checkout)["exists"]:
        show(f"Fetching {commit[:12]} of {repository.url}")
        _check_out(runtime, repository, commit, checkout)
    return FetchedAddons(folder=repository.folder, ref=ref, commit=commit, checkout=checkout, present=present)


def _commit_of(runtime: Runtime, repository: AddonsRepository, ref: str) -> str:
    if len(ref) in _COMMIT_CHARACTERS and set(ref) <= set("0123456789abcdef"):
        return ref
    commit = find_commit(runtime, repository, ref)
    if commit is None:
        raise PreconditionFailed(
            f"{repository.url} has no branch and no tag {ref}. Nothing was changed. Next step: push it, or correct the "
            "name; a commit is named by all its characters."
        )
    return commit


def find_commit(runtime: Runtime, repository: AddonsRepository, ref: str) -> str | None:
    """The commit to which a branch or a tag leads now at its server; None: there is no such.

    Raises CommandFailed where the server refuses.
    """
    listed = runtime.machine.run(git.list_refs(repository, ref), timeout_seconds=_GIT_SECONDS).stdout
    return git.commit_of(listed, ref)


def _check_out(runtime: Runtime, repository: AddonsRepository, commit: str, checkout: str) -> None:
    machine, partial = runtime.machine, f"{checkout}.partial"
    machine.call("make_directory", path=repository.store, mode=0o755)
    machine.call("remove_tree", path=partial)
    for command in (
        git.create(partial),
        git.name_origin(partial, repository),
        git.fetch_commit(partial, repository, commit),
        git.check_out(partial, commit),
        git.fetch_submodules(partial, repository),
        git.let_read(partial),
    ):
        machine.run(command, timeout_seconds=_GIT_SECONDS)
    machine.call("rename", source=partial, destination=checkout)


def refuse_unnamed_links(runtime: Runtime, links: Mapping[str, str]) -> None:
    """Raise PreconditionFailed where Odoo's addons path does not lead through what a release puts in place."""
    settings = runtime.environment
    with runtime.beside_odoo() as host:
        text = host.call("read_text", path=settings.odoo.config) if settings.odoo.config else None
    addons, _ = options_for_copy(text, settings.odoo.addons)
    if unnamed := links_not_named(addons, links):
        raise PreconditionFailed(
            f"Odoo's addons path leads through no {', '.join(unnamed)}, so a release would change nothing for it. "
            f"Nothing was changed. Next step: name it in addons_path of {settings.odoo.config or 'odoo.conf'}, or a "
            "folder in it, and as `odoo.addons` of the environment."
        )


def read_modules(runtime: Runtime, installed: InstalledModules, instead: Mapping[str, str]) -> dict[str, ModuleFacts]:
    """Installed modules as the environment's Odoo finds them on disk, where links lead as `instead` says.

    Raises VerificationFailed when it does not tell.
    """
    settings = runtime.environment
    with runtime.beside_odoo() as host:
        config = write_config(settings, host, instead=instead)
        command = modules.read_modules(settings.odoo.command, config, installed.versions)
        try:
            output = host.run(command, timeout_seconds=_ASK_SECONDS)
        except CommandFailed as error:
            raise VerificationFailed(
                f"Odoo cannot be asked about these addons: {error}. Nothing was changed."
            ) from error
        finally:
            host.call("remove_tree", path=settings.copy_dir)
        found = modules.parse_modules(output.stdout)
        if found is None:
            raise VerificationFailed(
                f"`{command}` on {host.name} did not tell its modules; it said: {output.stderr[-500:]}"
            )
        checksums = host.call(
            "hash_modules",
            paths={name: facts["path"] for name, facts in found.items()},
            exclude=list(installed.exclude_patterns),
            languages=list(installed.languages),
        )
    return {name: ModuleFacts.model_validate({**facts, "checksum": checksums[name]}) for name, facts in found.items()}


def lead_links(runtime: Runtime, links: Mapping[str, str | None]) -> None:
    """Lead every link to its folder; one without a folder goes."""
    for link, folder in links.items():
        if folder is None:
            runtime.machine.call("remove_link", link=link)
        else:
            runtime.machine.call("lead_to", link=link, folder=folder)
