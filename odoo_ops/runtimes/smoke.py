"""An Odoo used as an environment's people would: its pages, and records that one of its users reads."""

from odoo_ops.adapters.odoo_site import OdooSite
from odoo_ops.model.environment import Environment
from odoo_ops.policy.releases import policy_of


def smoke(site: OdooSite, settings: Environment, database: str, *, reads: bool = True) -> list[str]:
    """Open the environment's pages; where it `reads`, log in as its user, too, and read a record of each of its models.

    Returns what was used. Raises VerificationFailed for the first that fails.
    """
    release = policy_of(settings)
    for path in release.smoke_paths:
        site.open_page(path)
    used = list(release.smoke_paths)
    if reads and release.smoke_login and release.smoke_password:
        site.log_in(database, release.smoke_login, release.smoke_password.get_secret_value())
        for model in release.smoke_models:
            site.read_one(model)
        used += [f"{model} as {release.smoke_login}" for model in release.smoke_models]
    return used
