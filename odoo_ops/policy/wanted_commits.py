"""Which commit of each repository of addons is released, and with what merged into it."""

from collections.abc import Mapping, Sequence

from odoo_ops.errors import Refused
from odoo_ops.model.addons import AddonsRepository, ReleasePolicy, is_git_ref
from odoo_ops.model.revisions import exactly, revision_of, shown_revision
from odoo_ops.policy.pushes import asked_of


def refuse_refs(environment: str, release: ReleasePolicy, refs: Mapping[str, str]) -> None:
    """Raise Refused where a repository that is asked for is none of the environment's, or a ref is no name of one."""
    known = {name for repository in release.addons for name in (repository.name, repository.full_name)}
    if unknown := sorted(set(refs) - known):
        names = ", ".join(f"{repository.name} ({repository.full_name})" for repository in release.addons)
        raise Refused(
            f"{environment} has no repository of addons {', '.join(unknown)}; it has {names}. Nothing was changed. "
            "Next step: correct the name in `refs`."
        )
    if bad := [ref for ref in refs.values() if not is_git_ref(ref)]:
        raise Refused(
            f"{', '.join(map(repr, bad))}: no name of a branch, a tag or a commit. Nothing was changed. Next step: "
            "correct it in `refs`."
        )


def wanted_ref(repository: AddonsRepository, refs: Mapping[str, str], present: str | None) -> str:
    """What is asked for of a repository, by its name here or at its forge.

    Where others are asked for alone, it keeps the commit of `present`, the folder that it leads to now; else it is what
    the environment file says.
    """
    kept = exactly(present.rpartition("/")[2]) if refs and present else ""
    return asked_of(repository, refs) or kept or repository.ref


def refuse_unknown_merges(repository: AddonsRepository, commits: Sequence[str]) -> None:
    """Raise Refused for a revision with merged commits where the environment file does not name as many merges.

    That says from where they come.
    """
    merged = len(commits) - 1
    if merged not in (0, len(repository.merges)):
        raise Refused(
            f"{shown_revision(revision_of(tuple(commits)))} of {repository.name} has {merged} merged commits, and the "
            f"environment file names {len(repository.merges)} `merges` from which they could come. Nothing was "
            "changed. Next step: name the same merges there as where it was released before, and register it again."
        )
