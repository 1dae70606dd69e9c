"""A repository as a whole: is it sound, and what space can be freed in it?"""

from datetime import UTC, datetime

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks import OdooEnvironment
from odoo_ops.commands import upkeep
from odoo_ops.errors import CommandFailed
from odoo_ops.model.checks import Check
from odoo_ops.model.command import Command
from odoo_ops.model.upkeep import Affected, FreedSpace
from odoo_ops.policy.upkeep import (
    DAMAGED,
    affected,
    damage_message,
    damaged_blobs,
    damaged_packs,
    freed_space,
    packs_done,
    packs_read,
    part_of_week,
    why_not_freed,
)
from odoo_ops.runtimes.runtime import Runtime
from tasks.progress import Progress


def why_nothing_to_free(environment: str, *, offsite: bool) -> str | None:
    """Why no space can be freed in the environment's repository from here; None: it can."""
    return why_not_freed(OdooEnvironment.open(environment, offsite=offsite).repository)


def read_object_lock_days(environment: str, *, offsite: bool) -> int:
    """For how many days the repository's bucket keeps what is deleted."""
    return OdooEnvironment.open(environment, offsite=offsite).repository.object_lock_days


@task(cache_policy=NO_CACHE)
def free_space(
    environment: str, *, offsite: bool, dry_run: bool, max_unused_percent: int, max_repack_gib: int
) -> FreedSpace:
    """Delete what no snapshot uses, in the whole repository; other runs wait meanwhile.

    Raises CommandFailed when restic fails, or another run does not leave the repository.
    """
    runtime = OdooEnvironment.open(environment, offsite=offsite)
    command = upkeep.free_space(
        runtime.restic,
        runtime.repository,
        dry_run=dry_run,
        max_unused_percent=max_unused_percent,
        max_repack_gib=max_repack_gib,
    )
    return freed_space(_run(runtime, command, "Looking at packs"))


@task(cache_policy=NO_CACHE)
def check_packs(environment: str, weeks: int, *, offsite: bool) -> Check:
    """Check the repository's structure, and read this week's part of its packs.

    One that is damaged fails the check, whose detail names snapshots, files and the next step. Raises
    CommandFailed when it could not be checked.
    """
    runtime = OdooEnvironment.open(environment, offsite=offsite)
    part = part_of_week(weeks, datetime.now(UTC).date())
    command = upkeep.check_repository(runtime.restic, runtime.repository, subset=part)
    name = f"Structure, and part {part} of all packs"
    said: list[str] = []
    try:
        lines = _run(runtime, command, "Reading packs", said)
    except CommandFailed as error:
        if DAMAGED not in error.output:
            raise
        return Check(name=name, outcome="failed", detail=_describe_damage(runtime, said))
    return Check(name=name, outcome="passed", detail=packs_read(lines))


def _describe_damage(runtime: Runtime, said: list[str]) -> str:
    """What is damaged, and which snapshots and files need it, as far as that can be found out."""
    packs, blobs = damaged_packs(said), damaged_blobs(said)
    found = Affected()
    if packs:
        find = upkeep.find_users(runtime.restic, runtime.repository, *(("blob", blobs) if blobs else ("pack", packs)))
        try:
            found = affected(_run(runtime, find, "Looking who uses it"))
        except CommandFailed as error:
            get_run_logger().warning("Which snapshots use the damaged packs cannot be found out: %s", error)
    return damage_message(said, packs, found)


def _run(runtime: Runtime, command: Command, work: str, said: list[str] | None = None) -> list[str]:
    """Run a long command of restic, show how far it is, and return the lines of its standard output.

    Those of its standard error are added to `said`, also when it fails.
    """
    lines: list[str] = []
    errors = [] if said is None else said
    progress = Progress(work)

    def read(stream: str, line: str) -> None:
        if packs := packs_done(line):
            progress(*packs, "packs")
        elif not line.startswith("["):
            (errors if stream == "stderr" else lines).append(line)

    runtime.host.run(command, on_line=read)
    return lines
