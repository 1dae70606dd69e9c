"""Whether a push is still the one that its branch or tag is released by."""

from collections.abc import Mapping, Sequence

from odoo_ops.errors import Refused
from odoo_ops.model.addons import AddonsRepository


def asked_of(repository: AddonsRepository, words: Mapping[str, str]) -> str:
    """What is asked for of a repository, by its name here or at its forge; empty: nothing."""
    return words.get(repository.name) or words.get(repository.full_name) or ""


def refuse_pushes(environment: str, refs: Mapping[str, str], image: str, pushed_to: Mapping[str, str]) -> None:
    """Raise Refused where a push names neither commit nor image, or no whole name of the branch or tag it went to."""
    if not image and (unknown := sorted(set(pushed_to) - set(refs))):
        raise Refused(
            f"A release to {environment} says where {', '.join(unknown)} was pushed to, and not which commit. Nothing "
            "was changed. Next step: name the commit in `refs`, by the same name, or its image as `image`."
        )
    if bad := [ref for ref in pushed_to.values() if not ref.startswith(("refs/heads/", "refs/tags/"))]:
        raise Refused(
            f"{', '.join(map(repr, bad))}: no whole name of a branch or a tag, such as refs/heads/main. Nothing was "
            "changed. Next step: correct it in `pushed_to`."
        )


def superseded_image(image: str, later: Sequence[str]) -> str:
    """Why an image is released no more, for which a push asked; empty: none of the later pushes asked for another."""
    others = [other for other in later if other != image]
    return (
        f"{image} was asked for by a push; a later one to the same branch or tag asked for {others[-1]}. Nothing was "
        "changed. Next step: none where that is released; else release this image by hand."
        if others
        else ""
    )


def superseded(repository: AddonsRepository, ref: str, *, pushed: str, now: str | None) -> str:
    """Why a commit is released no more that was pushed to a ref; empty: the ref leads to it still.

    Where it leads elsewhere, there was a later push, which has a release of its own, or the commit was taken out of the
    branch by force: its release would put in place what somebody replaced.
    """
    if now == pushed:
        return ""
    leads = f"leads to {now[:12]} by now" if now else "is there no more"
    return (
        f"{pushed[:12]} was pushed to {ref} of {repository.name}, which {leads}. Nothing was changed. Next step: none "
        "where the later push is released; else release that commit by hand, in `refs`."
    )
