"""An image of Odoo that is released to a provisioned project: looked at, tried, and put in place of another one."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import islice

from odoo_ops.commands import image_releases as commands
from odoo_ops.commands.provision import parse_images
from odoo_ops.errors import CommandFailed, TransientError
from odoo_ops.model.environment import Environment
from odoo_ops.model.provision import is_pinned
from odoo_ops.model.release import ImageChange
from odoo_ops.model.runtimes import ComposeProject, TrialProject
from odoo_ops.policy.images import kept_names, kept_repository, lost_image, pinned_name, refuse_bad_name
from odoo_ops.policy.project_plans import described_project
from odoo_ops.policy.provisioning import FILESTORE_VOLUME, GATE_SERVICE, ODOO_SERVICES, RELEASE_SERVICE
from odoo_ops.runtimes.brought_up import run_renewing
from odoo_ops.runtimes.fetching import fetch_image
from odoo_ops.runtimes.image_versions import check_odoo
from odoo_ops.runtimes.placed_files import write_file
from odoo_ops.runtimes.project import Project
from odoo_ops.runtimes.runtime import Runtime

ODOO_SERVICE = ODOO_SERVICES[0]
_TRIAL_FILE = "compose.release.yaml"


def is_provisioned(settings: Environment) -> bool:
    """Whether an environment's project is one that `provision` makes."""
    return isinstance(settings.runtime, ComposeProject) and settings.provision is not None


def read_present_image(project: Project) -> str:
    """The image of Odoo that the compose file on the host names."""
    printed = project.run(commands.print_project(project.runtime), "Reading the compose file")
    return parse_images(printed)[ODOO_SERVICE]


def fetch(project: Project, asked: str, present: str, show: Callable[[str], None]) -> ImageChange:
    """Have an image on the host, and say what it is and what runs now.

    Args:
        project: to which it will be released.
        asked: its name. With a tag it is fetched anew, in case that was moved.
        present: what the compose file names.
        show: is told what is fetched, what could not be, and where the image does not say its version.

    Raises:
        Refused: that is no image's name, or its Odoo is of another series, or could not write to the filestore.
        PreconditionFailed: it is a number of Docker's that the host does not know.
        CommandFailed: its registry does not give it, and it is not on the host.
    """
    refuse_bad_name(asked)
    before = project.image_id(asked)
    if not (is_pinned(asked) and before):
        _pull(project, asked, show)
    image_id = project.image_id(asked)
    if image_id is None:
        raise lost_image(asked, project.machine.name)
    running = _running_image(project, present)
    image = _pinned(project, asked, image_id)
    if asked == present and before and before != image_id:  # `provision` must not put it in place by itself
        project.run(commands.name_image(before, asked), "Leaving its name to the image that runs")
    released = project.with_image(image)
    released.check_owner(FILESTORE_VOLUME, seen_by=running)
    check_odoo(released, anew=True, show=show)
    return ImageChange(
        asked=asked,
        image=image,
        image_id=image_id,
        present=_pinned(project, present, running),
        present_id=running,
        commit=_commit_of(project, image_id),
        present_commit=_commit_of(project, running),
    )


def _pull(project: Project, asked: str, show: Callable[[str], None]) -> None:
    if asked.startswith("sha256:"):
        return
    show(f"Fetching {asked}")
    try:
        fetch_image(project, asked)
    except (CommandFailed, TransientError) as error:
        if project.image_id(asked) is None:
            raise
        show(f"It was not fetched; the one that is on the host is meant. {error}")


def fetch_former(project: Project, image: str) -> None:
    """Have the image of a former release on the host. Raises as `fetch` does."""
    if project.image_id(image) is None:
        if image.startswith("sha256:"):
            raise lost_image(image, project.machine.name)
        fetch_image(project, image)


def _running_image(project: Project, present: str) -> str:
    """Docker's number of the image that Odoo runs: a tag may mean another one by now."""
    running = [container.image for container in project.read_containers() if container.service == ODOO_SERVICE]
    return running[0] if running else project.image_id(present) or present


def _pinned(project: Project, name: str, image_id: str) -> str:
    digests = commands.parse_digests(project.run(commands.read_digests(image_id), "Looking at the image"))
    return pinned_name(name, image_id, digests)


def _commit_of(project: Project, image_id: str) -> str:
    return commands.parse_commit(project.run(commands.print_commit(image_id), "Looking at the image"))


def looked_at(runtime: Runtime, image: str | None) -> AbstractContextManager[Runtime]:
    """The environment, whose Odoo is asked about its modules in containers of an image that nobody has approved yet.

    They can do nothing: they have no network, no password and no data.
    """
    return _beside(runtime, image, GATE_SERVICE)


def tried(runtime: Runtime, image: ImageChange | None) -> AbstractContextManager[Runtime]:
    """The environment, whose Odoo is run in one-off containers of another image while the block lasts.

    They have no way out, and see Odoo's data: the image must be approved.
    """
    return _beside(runtime, image.image if image else None, RELEASE_SERVICE)


@contextmanager
def _beside(runtime: Runtime, image: str | None, service: str) -> Iterator[Runtime]:
    if image is None:
        yield runtime
        return
    project = Project.of(runtime.machine, runtime.environment).with_image(image)
    trial = write_trial(project, service)
    try:
        yield replace(runtime, trial=trial)
    finally:
        project.machine.call("remove_tree", path=trial.file)


def write_trial(project: Project, service: str = RELEASE_SERVICE) -> TrialProject:
    """Write the compose file of a project beside the present one, which stays; Odoo is run as a service of it."""
    text, file = project.compose_file.content.get_secret_value(), project.place(_TRIAL_FILE)
    project.machine.call("write_text", path=file, text=text, mode=0o644)
    settings = project.runtime
    return TrialProject(project=settings.project, folder=settings.folder, odoo_services=(service,), file=file)


def remove_trial(runtime: Runtime) -> bool:
    """Delete the compose file of a trial that died. Returns whether there was one."""
    if not is_provisioned(runtime.environment):
        return False
    folder = described_project(runtime.environment).folder
    return bool(runtime.machine.call("remove_tree", path=f"{folder}/{_TRIAL_FILE}"))


def put_in_place(runtime: Runtime, image: str, *, stopped: bool) -> None:
    """Let the compose file name an image, and `provision` know it. May be repeated after a crash.

    Where Odoo is `stopped`, its containers are made anew. Else those that run stay.
    """
    project = Project.of(runtime.machine, runtime.environment).with_image(image)
    project.note_image()
    write_file(project, project.compose_file)
    if stopped:
        command = commands.make_anew(project.runtime, ODOO_SERVICES)
        run_renewing(project, command, "Making Odoo's containers anew")


def keep_images(project: Project, images: Iterable[str], count: int, show: Callable[[str], None]) -> None:
    """Give the first of these images names by which a clean-up of Docker leaves them, and take such names from others.

    So many are kept, whatever names each of them has. Those that are not on the host are passed over.
    """
    wanted = kept_names(project.runtime.project, islice(_numbers(project, images), count))
    listed = project.run(commands.list_names(kept_repository(project.runtime.project)), "Looking for kept images")
    for name in wanted.keys() - set(listed.split()):
        project.run(commands.name_image(wanted[name], name), "Keeping an image")
    for name in set(listed.split()) - wanted.keys():
        show(f"Letting go of {name}, which was released long ago")
        try:
            project.machine.run(commands.remove_name(name))
        except CommandFailed as error:
            show(f"It stays: {error}")


def _numbers(project: Project, images: Iterable[str]) -> Iterator[str]:
    """Docker's numbers of images that are on the host, each once."""
    seen = set[str]()
    for image in images:
        number = project.image_id(image)
        if number and number not in seen:
            seen.add(number)
            yield number


def was_put_in_place(runtime: Runtime, image: str) -> bool:
    """Whether the project's record names an image as the released one."""
    record = Project.of(runtime.machine, runtime.environment).read_record()
    return bool(record and record.released and record.released.image == image)
