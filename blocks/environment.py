"""An Odoo environment, with its host and its repository."""

from dataclasses import replace
from functools import lru_cache
from typing import cast

from prefect.blocks.core import Block
from prefect.runtime import flow_run
from pydantic import ConfigDict, Field

from blocks.host import OdooHost
from blocks.repository import BackupRepository
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.environment import Environment
from odoo_ops.model.repository import OpenRepository
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.runtimes.native import NativeRuntime


class OdooEnvironment(Block):
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
    def open(cls, name: str, *, repository_of: str | None = None, offsite: bool = False) -> NativeRuntime:
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
    def open_for(cls, name: str, snapshot: Snapshot) -> NativeRuntime:
        """The environment, working on the repository that holds this snapshot."""
        return cls.open(name, repository_of=snapshot.environment, offsite=snapshot.offsite)


def _offsite_of(runtime: NativeRuntime) -> OpenRepository:
    if runtime.offsite is None:
        raise PreconditionFailed(
            f"{runtime.environment.name} has no off-site repository. Nothing was changed. Next step: name one as "
            "`offsite` in its environment file and register it again."
        )
    return runtime.offsite


@lru_cache(maxsize=16)
def _opened_in(_flow_run: str, name: str) -> NativeRuntime:
    return _open(name)


def _open(name: str) -> NativeRuntime:
    try:
        block = cast("OdooEnvironment", OdooEnvironment.load(name))
    except ValueError as error:
        raise PreconditionFailed(
            f"No environment named {name!r} is registered ({error}). "
            "Next step: run `odoo-ops environments register`, or correct the name."
        ) from error
    except RuntimeError:  # what Prefect makes of values that do not fit; its cause repeats them, secrets too
        raise PreconditionFailed(
            f"The environment {name!r}, or its host or a repository of it, was saved in Prefect by another version or "
            "by hand, and this version cannot read it. Next step: `odoo-ops environments register`."
        ) from None
    return NativeRuntime(
        block.settings,
        HostAdapter(block.host.settings),
        block.repository.open(),
        block.offsite.open() if block.offsite else None,
    )
