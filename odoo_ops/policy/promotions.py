"""What of one environment's release may be put in place in another one, and whether that got the very same."""

from datetime import datetime

from odoo_ops.errors import Refused
from odoo_ops.model.addons import ReleasePolicy
from odoo_ops.model.checks import Check, passed_or_failed
from odoo_ops.model.release import ReleasePlan, ReleaseRecord
from odoo_ops.model.revisions import exactly

SAME = "Commits and image are those that were tried"


def refuse_partial(environment: str, release: ReleasePolicy, record: ReleaseRecord) -> None:
    """Raise Refused where what is promoted is not all that an environment takes: commits, or an image."""
    commits = released_commits(record)
    if bool(release.addons) == bool(record.image):
        takes, promoted = ("commits", "an image") if release.addons else ("an image", "commits")
        raise Refused(
            f"{environment} takes {takes}, and what is promoted is {promoted}. Nothing was changed. Next step: promote "
            "from an environment that runs as this one does, in containers or without."
        )
    if missing := [repository.name for repository in release.addons if repository.name not in commits]:
        raise Refused(
            f"What is promoted to {environment} holds no {', '.join(missing)}. Nothing was changed. Next step: give "
            "both environments' repositories folders of the same last parts, and release all of them to the first one."
        )


def released_commits(record: ReleaseRecord) -> dict[str, str]:
    """What a release put in place: name of the repository -> commit with what was merged into it, and nothing else."""
    return {
        link.rpartition("/")[2]: exactly(folder.rpartition("/")[2]) for link, folder in record.addons.items() if folder
    }


def refuse_other_release(environment: str, record: ReleaseRecord, tried: str) -> None:
    """Raise Refused where the last release is not the one of the moment that was `tried`; empty: any will do."""
    if tried and record.moment != tried:
        raise Refused(
            f"{environment} had the release of {tried} tried, and has that of {record.moment} in place now. Nothing "
            "was changed. Next step: promote that one when it has been tried, without naming the other."
        )


def refuse_unwell(environment: str, record: ReleaseRecord) -> None:
    """Raise Refused for a release that is in place, but with a failed check."""
    if record.unwell:
        raise Refused(
            f"A check failed when {environment} got what it has in place: {record.unwell}. Nothing was changed. Next "
            "step: mend that and release the same there again: where all is well then, it is promoted."
        )


def refuse_unsoaked(environment: str, record: ReleaseRecord, soak_minutes: int, now: datetime) -> None:
    """Raise Refused for a release that has not been in place for its time of soaking."""
    minutes = (now - record.at).total_seconds() / 60
    if minutes < soak_minutes:
        raise Refused(
            f"What {environment} has in place was released there {minutes:.0f} minutes ago, and must have been for "
            f"{soak_minutes}. Nothing was changed. Next step: run again later, or with fewer soak_minutes."
        )


def judge_promoted(record: ReleaseRecord, plan: ReleasePlan) -> Check:
    """Whether a plan, carried out, is what another environment has on record: commits, image and the image's commit."""
    image = plan.image.image if plan.image else None
    of_image = plan.image.commit if plan.image else ""
    problems = [f"the image is {image}, and {record.image} was tried"] if image != record.image else []
    if of_image and record.image_commit and of_image != record.image_commit:
        problems.append(f"the image says that it is of {of_image}, and one of {record.image_commit} was tried")
    tried = released_commits(record)
    problems += [
        f"{name} is {commit}, and {tried.get(name, 'none')} was tried"
        for name, commit in plan.commits.items()
        if tried.get(name) != commit
    ]
    same = [*tried.values(), *filter(None, [record.image, record.image_commit and f"of {record.image_commit}"])]
    return passed_or_failed(SAME, problems, ", ".join(same))
