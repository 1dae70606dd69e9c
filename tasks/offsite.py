"""Copies of an environment's backups in a second repository."""

import re
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.commands import restic
from odoo_ops.errors import CommandFailed, VerificationFailed
from odoo_ops.model.report import OffsiteReport
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.policy.offsite import copy_faults, refuse_uncopyable, snapshots_to_copy
from odoo_ops.policy.upkeep import packs_done
from odoo_ops.runtimes.runtime import Runtime
from tasks.progress import Progress

_SAVED = re.compile(r"snapshot [0-9a-f]+ saved")


def has_offsite(environment: str) -> bool:
    """Whether an environment's file names an off-site repository."""
    return OdooEnvironment.open(environment).offsite is not None


def refuse_unfit_offsite(environment: str) -> None:
    """Raise Refused where the off-site repository is the first one, or both cannot be reached at once."""
    main, offsite = OdooEnvironment.open(environment), OdooEnvironment.open(environment, offsite=True)
    refuse_uncopyable(main.repository, offsite.repository)


@task(cache_policy=NO_CACHE)
def copy_backups(environment: str) -> OffsiteReport:
    """Copy every proved backup that the off-site repository lacks, with its marks, and compare what is there then.

    What its retention does not keep is not copied. A second time only what is missing is sent. Raises
    VerificationFailed when a copy is missing or another.
    """
    main, offsite = OdooEnvironment.open(environment), OdooEnvironment.open(environment, offsite=True)
    sources = main.list_snapshots(environment)
    retention = main.environment.backup.retention_of(offsite=True)
    missing = snapshots_to_copy(sources, offsite.list_snapshots(environment), retention, datetime.now(UTC))
    not_all = (
        f"The backups of {environment} are kept in {main.repository.name}; of {len(missing)} snapshots that "
        f"{offsite.repository.name} ({offsite.repository.location}) lacks, not all could be copied there: "
    )
    try:
        _copy(main, offsite, missing)
    except CommandFailed as error:  # where the repository is gone, it cannot be asked what came over, either
        raise VerificationFailed(
            f"{not_all}{error.output.strip()}. Next step: {error.hint} `copy_offsite` goes on where this one ended."
        ) from error
    copies = offsite.list_snapshots(environment)
    if faults := copy_faults([source for source in missing if not source.is_mark], copies):
        raise VerificationFailed(
            f"{not_all}{'; '.join(faults)}. Next step: run `check_repository` with `offsite`, then `copy_offsite`."
        )
    return OffsiteReport(
        environment=environment,
        repository=offsite.repository.name,
        location=str(offsite.repository.location),
        copied=sum(not snapshot.is_mark for snapshot in missing),
        backups=sum(not copy.is_mark for copy in copies),
    )


def _copy(main: Runtime, offsite: Runtime, missing: list[Snapshot]) -> None:
    """Copy one after the other, as they stand. Raises CommandFailed when it ended early: what came over counts."""
    done = 0

    def begun() -> Progress:
        return Progress(f"Copying off-site, snapshot {done + 1} of {len(missing)}")

    progress = begun()

    def show(_stream: str, line: str) -> None:
        nonlocal done, progress
        if _SAVED.match(line):
            done += 1
            progress = begun()
        elif packs := packs_done(line):
            progress(*packs, "packs")

    if ids := [snapshot.id for snapshot in missing]:
        main.host.run(restic.copy_snapshots(main.restic, offsite.repository, main.repository, ids), on_line=show)
