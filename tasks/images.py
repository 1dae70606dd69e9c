"""Images of Odoo that are released to a provisioned project, and what nginx shows meanwhile."""

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.model.checks import Check
from odoo_ops.model.plan import ProvisionPlan
from odoo_ops.model.release import ImageChange, ReleaseRecord
from odoo_ops.model.runtimes import Container
from odoo_ops.policy import images as policy
from odoo_ops.policy.releases import policy_of
from odoo_ops.policy.ways_back import recent_images
from odoo_ops.runtimes import image_releases, release_records, site_switch
from odoo_ops.runtimes.project import Project
from tasks.retries import TRIES_AGAIN, WAIT_SECONDS, is_transient

NEW_ANSWERS = "The new Odoo answers, before users came to it"
ALL_ANSWERED = "Requests on the former Odoo were answered before it was stopped"
_WAIT_SECONDS = 600


def _open(environment: str) -> Project:
    runtime = OdooEnvironment.open(environment)
    return Project.of(runtime.machine, runtime.environment)


def in_image(environment: str) -> bool:
    """Whether an environment's addons are in an image, which is what is released."""
    return image_releases.is_provisioned(OdooEnvironment.open(environment).environment)


@task(cache_policy=NO_CACHE)
def read_present_image(environment: str) -> str:
    """The image of Odoo that the project's compose file names. Raises PreconditionFailed where there is no project."""
    return image_releases.read_present_image(_open(environment))


def refuse_drift(environment: str, plan: ProvisionPlan) -> None:
    """Raise Refused where a project, its image of Odoo apart, is not as its environment file says."""
    policy.refuse_drift(environment, plan)


@task(cache_policy=NO_CACHE, retries=TRIES_AGAIN, retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=is_transient)
def fetch_image(environment: str, image: str, present: str) -> ImageChange:
    """Have an image on the host, or the one that the environment file names; what runs is not touched.

    Raises as `runtimes.image_releases.fetch` does.
    """
    project = _open(environment)
    return image_releases.fetch(project, image or project.named_image, present, get_run_logger().info)


@task(cache_policy=NO_CACHE)
def start_beside(environment: str, record: ReleaseRecord) -> Container:
    """Start an Odoo with the record's image beside the one that serves people, and that goes on."""
    get_run_logger().info("Starting %s beside the present Odoo", record.image)
    return site_switch.start_beside(OdooEnvironment.open(environment), record.image or "")


@task(cache_policy=NO_CACHE)
def check_beside(environment: str, container: Container, *, new: bool) -> Check:
    """Wait until the Odoo beside serves people's pages, within the network. Raises VerificationFailed."""
    given = site_switch.try_beside(OdooEnvironment.open(environment), container, _WAIT_SECONDS, new=new)
    return Check(name=NEW_ANSWERS, outcome="passed", detail=", ".join(given))


@task(cache_policy=NO_CACHE)
def take_over(environment: str) -> Check:
    """Lead nginx to the new Odoo; the former one is stopped when its requests are answered, and removed."""
    get_run_logger().info("Leading nginx to the new Odoo; requests on the former one are answered")
    if site_switch.open_site_again(OdooEnvironment.open(environment)):
        return Check(name=ALL_ANSWERED, outcome="passed")
    return Check(name=ALL_ANSWERED, outcome="failed", detail="some took longer than nginx waits, and were cut off")


@task(cache_policy=NO_CACHE)
def close_site(environment: str) -> None:
    """Let nginx tell everybody to come back soon, where `provision` made one."""
    site_switch.close_site(OdooEnvironment.open(environment))


@task(cache_policy=NO_CACHE)
def open_site_again(environment: str) -> None:
    """Let nginx lead people to Odoo again."""
    site_switch.open_site_again(OdooEnvironment.open(environment))


@task(cache_policy=NO_CACHE)
def keep_images(environment: str) -> None:
    """Let the images of the last releases stay on the host, where images are released; the way back leads to them."""
    if not in_image(environment):
        return
    runtime = OdooEnvironment.open(environment)
    records, keep = release_records.read_records(runtime), policy_of(runtime.environment).keep_releases
    image_releases.keep_images(_open(environment), recent_images(records), 1 + keep, get_run_logger().info)
