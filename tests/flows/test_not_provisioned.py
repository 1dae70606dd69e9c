"""What runs daily for provisioned projects, run for an environment that is none, or that has no certificate."""

from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State
from provisioned import described
from pydantic import SecretStr

from blocks import BackupRepository, OdooEnvironment, OdooHost
from flows.provision import provision
from flows.renew_certificates import renew_certificates
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.environment import Environment
from odoo_ops.model.host import Host
from odoo_ops.model.repository import FolderLocation, Repository

pytestmark = pytest.mark.usefixtures("prefect_server")


def _registered(**changes: None) -> str:
    """Name of an environment of which no machine knows; some fields of its file differ."""
    name = f"site-{uuid4().hex[:8]}"
    location = FolderLocation(path="/var/backups/odoo")
    host = OdooHost(settings=Host(name="here"))
    host.save(f"{name}-host")
    repository = BackupRepository(
        settings=Repository(name="main", location=location, password=SecretStr("repository-password"))
    )
    repository.save(f"{name}-repository")
    settings = Environment.model_validate({**described("testing"), "name": name, **changes})
    OdooEnvironment(settings=settings, host=host, repository=repository).save(name)
    return name


def _told(state: State) -> tuple[bool, str | None, str | None]:
    return state.is_completed(), state.name, state.message


def test_daily_runs_end_well_for_an_environment_that_is_not_provisioned() -> None:
    name = _registered(provision=None)
    compared = provision(name, dry_run=True, return_state=True)
    assert _told(compared) == (True, "NothingToCompare", f"Nothing to compare of {name}: its file has no `provision`.")
    renewed = renew_certificates(name, return_state=True)
    assert _told(renewed) == (True, "NothingToRenew", f"Nothing to renew of {name}: its file has no `provision`.")
    with pytest.raises(PreconditionFailed, match="is not described for provisioning. Nothing was changed"):
        provision(name)


def test_renewal_ends_well_for_a_project_without_a_certificate() -> None:
    name = _registered()
    renewed = renew_certificates(name, return_state=True)
    assert _told(renewed) == (True, "NothingToRenew", f"Nothing to renew of {name}: `provision.tls` is none.")
