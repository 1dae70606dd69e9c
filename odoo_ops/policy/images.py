"""Which image of Odoo a compose project runs, which may be released to it, and by which name an image stays."""

import re
from collections.abc import Iterable, Mapping, Sequence

from odoo_ops.errors import PreconditionFailed, Refused
from odoo_ops.model.plan import ProvisionPlan, ReleasedImage
from odoo_ops.model.provision import is_pinned
from odoo_ops.model.runtimes import Container
from odoo_ops.policy.provisioning import ODOO_SERVICES

# as `Image` of the environment file, and no address
_KEPT_CHARACTERS = 12
_IMAGE = re.compile(r"(?!.*//)[a-z0-9][A-Za-z0-9._/:-]*(@sha256:[0-9a-f]{64})?")


def released_image(released: ReleasedImage | None, named: str) -> str:
    """The image that was released, while the environment file names (`named`) the one that it named then; else ""."""
    return released.image if released and released.instead_of == named else ""


def superseded_image(released: ReleasedImage | None, named: str) -> str:
    """The image that was released and is not meant any more, as the environment file names another one since; or ""."""
    return released.image if released and released.instead_of != named else ""


def lasting_name(named: str, running: Container, images: Mapping[str, str | None], *, production: bool) -> str:
    """The name by which a compose file has the image of a container that is not to be made anew for another name.

    Args:
        named: by the environment file.
        running: the container. The name by which that was made stays while it leads to the same image.
        images: both names -> Docker's number of the image on the host; None: there is none.
        production: there only a name stays that says its content.
    """
    former = running.image_name
    stays = images[named] == images[former] == running.image and (is_pinned(former) or not production)
    return former if stays else named


def pinned_name(image: str, image_id: str, digests: Sequence[str]) -> str:
    """A name of an image that says its content: with its digest in the registry, so that it can be fetched again.

    Where it has none there, Docker's own number of it.

    Args:
        image: its name.
        image_id: Docker's number of what that is on the host.
        digests: names with digests that Docker knows for it.
    """
    if is_pinned(image):
        return image
    folder, slash, last = image.rpartition("/")
    repository = f"{folder}{slash}{last.partition(':')[0]}"
    return next((name for name in digests if name.partition("@")[0] == repository), image_id)


def kept_names(project: str, images: Iterable[str]) -> dict[str, str]:
    """Names under which a project's releases keep images on their host: name -> Docker's number of the image.

    An image without any name is what `docker image prune` deletes.
    """
    return {f"{kept_repository(project)}:{image.removeprefix('sha256:')[:_KEPT_CHARACTERS]}": image for image in images}


def kept_repository(project: str) -> str:
    """Where the names of `kept_names` are; it is no registry's."""
    return f"odoo-ops-kept/{project}"


def refuse_bad_name(image: str) -> None:
    """Raise Refused for what cannot be an image's name."""
    if not _IMAGE.fullmatch(image):
        raise Refused(
            f"{image!r} is no name of an image, such as registry.example.com/erp:2.1 or …@sha256:… Nothing was "
            "changed. Next step: correct it in `image`."
        )


def lost_image(image: str, host: str) -> PreconditionFailed:
    """What to raise for an image that is not on the host, and that no registry could give."""
    return PreconditionFailed(
        f"{host} has no image {image}, and no registry is asked for a number. Nothing was changed. Next step: name "
        "the image by its registry's name with its digest, or build it on the host first."
    )


def refuse_drift(environment: str, plan: ProvisionPlan) -> None:
    """Raise Refused where a project is not as its environment file says, its image of Odoo apart.

    A release would bring the rest about by the way. Odoo's own containers are what it replaces: one that is not well,
    or runs what its tag meant before, is no reason. What its description differs in is seen in the files.
    """
    others = [change for change in plan.services if change.service not in ODOO_SERVICES]
    if plan.files or others or plan.new_database or plan.lost_database:
        raise Refused(
            f"The project of {environment} is not as its environment file says: {plan.summary} Nothing was changed. "
            "Next step: run `provision`, then this again."
        )


# how Docker says that a registry was not reached for a moment
_PASSING = ("connection reset by peer", "i/o timeout", "handshake timeout", "unexpected EOF", "Client.Timeout exceeded")


def is_passing(output: str) -> bool:
    """Whether the fetch of an image that said this may pass when it is tried again."""
    return any(words in output for words in _PASSING)
