"""An Odoo environment, with its host and its repository."""

from dataclasses import replace
from functools import lru_cache

from prefect.runtime import flow_run
from pydantic import ConfigDict, Field

from blocks.host import OdooHost
from blocks.registered import load_registered
from blocks.repository import BackupRepository
from blocks.schemas import SchemaMadeOnce
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.environment import Environment
from odoo_ops.model.repository import OpenRepository
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.runtimes.runtime import Runtime


class OdooEnvironment(SchemaMadeOnce):
    """One Odoo environment: stage, version, database, filestore, service and objectives.

    Example:
        ```python
        from blocks import OdooEnvironment

        runtime = OdooEnvironment.open("production")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Odoo Environment"
    _block_type_slug = "odoo-environment"

    settings: Environment = Field(description="The environment.")
    host: OdooHost = Field(description="The machine on which it lives.")
    repository: BackupRepository = Field(description="Where its backups are kept.")
    offsite: BackupRepository | None = Field(default=None, description="Where copies of its backups are kept.")

    @classmethod
    def open(cls, name: str, *, repository_of: str | None = None, offsite: bool = False) -> Runtime:
        """The environment that is registered under a name, ready to be acted on.

        With `repository_of`, it works on the repository of that environment: to restore the other's backup; with
        `offsite`, on the one that holds the copies. A flow run reads it once: what is registered meanwhile counts
        for the next run, and all its tasks share one connection to the host. Raises PreconditionFailed when there
        is none.
        """
        run = flow_run.get_id()
        runtime = _opened_in(run, name) if run else _open(name)
        owner = cls.open(repository_of) if repository_of else runtime
        if offsite:
            return replace(runtime, repository=_offsite_of(owner), copied_from=owner.repository)
        return replace(runtime, repository=owner.repository, offsite=owner.offsite)

    @classmethod
    def open_for(cls, name: str, snapshot: Snapshot) -> Runtime:
        """The environment, working on the repository that holds this snapshot."""
        return cls.open(name, repository_of=snapshot.environment, offsite=snapshot.offsite)


def _offsite_of(runtime: Runtime) -> OpenRepository:
    if runtime.offsite is None:
        raise PreconditionFailed(
            f"{runtime.environment.name} has no off-site repository. Nothing was changed. Next step: name one as "
            "`offsite` in its environment file and register it again."
        )
    return runtime.offsite


@lru_cache(maxsize=256)
def _opened_in(_flow_run: str, name: str) -> Runtime:
    return _open(name)


def _open(name: str) -> Runtime:
    block = load_registered(OdooEnvironment, "environment", name)
    return Runtime.of(
        block.settings,
        HostAdapter(block.host.open(), processors=block.repository.settings.limits.processors),
        block.repository.open(),
        block.offsite.open() if block.offsite else None,
    )
