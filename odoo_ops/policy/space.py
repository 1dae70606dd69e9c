"""Is there room for what a step is going to write?"""

from collections.abc import Sequence
from dataclasses import dataclass

from odoo_ops.errors import PreconditionFailed

# what is needed where PostgreSQL keeps its data, which cannot be seen everywhere
RESTORED_DATABASE = "the restored database"

# so much of a disk is left to others, a tenth of a small one: PostgreSQL's own data may lie there
_RESERVE_BYTES = 2**30
_RESERVE_PART = 10


@dataclass(frozen=True)
class Need:
    """What will be written into a folder, and the room on that folder's file system (known by its `device`)."""

    what: str
    folder: str
    needed_bytes: int
    free_bytes: int
    device: int


def reserve_bytes(total_bytes: int) -> int:
    """How much of a file system of this size stays free, whatever is written there."""
    return min(_RESERVE_BYTES, total_bytes // _RESERVE_PART)


def refuse_without_room(needs: Sequence[Need], host: str) -> None:
    """Raise PreconditionFailed when a file system has less room than all that goes there together."""
    for device in dict.fromkeys(need.device for need in needs):
        here = [need for need in needs if need.device == device]
        needed, free = sum(need.needed_bytes for need in here), min(need.free_bytes for need in here)
        if free < needed:
            parts = " and ".join(f"{need.what} up to {need.needed_bytes:,} bytes in {need.folder}" for need in here)
            raise PreconditionFailed(
                f"{host} has {free:,} bytes free where {needed:,} can be needed: {parts}. Nothing was changed. "
                "Next step: make room there, or name folders on a larger disk in the environment file."
            )


def ended_for_room(command: str, reserve: Need, host: str) -> PreconditionFailed:
    """What to raise where a program was ended because it would have written to what stays free."""
    return PreconditionFailed(
        f"`{command}` was ended on {host}: less than {reserve.needed_bytes:,} bytes were free on the disk of "
        f"{reserve.folder}, and so much is left to others there. It wrote more than was foreseen, or others filled the "
        "disk. Next step: make room there, or name a folder on a larger disk in the environment file, then run again."
    )
