"""A restic snapshot of an environment."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

from odoo_ops.errors import VerificationFailed
from odoo_ops.model.base import Value
from odoo_ops.model.environment import SPOOL

TAG = "odoo-ops"
PROOF_TAG = "odoo-ops-proof"
DAMAGED_TAG = "damaged"
VERIFIED_TAG = "verified"

# what is said of a backup: each a tiny snapshot beside it
MARKS = (PROOF_TAG, VERIFIED_TAG)


def _in_utc(moment: datetime) -> datetime:
    """A time as people compare it: restic gives that of the zone of its host."""
    return moment.astimezone(UTC)


class Snapshot(Value):
    """One backup of an environment in its repository.

    Attributes:
        environment: name of the environment that was backed up.
        taken_at: when it was made, in UTC.
        original: the id it had before `restic copy`, `tag` or `rewrite` gave it another one.
        proved: whether a proof of it is in the repository; without one nothing is known about it.
        proof: id of the snapshot that holds that proof; empty where there is none.
        damaged: whether that proof names damaged attachments.
        verified: whether a drill restored, booted and used it.
        tree: restic's digest of all that is in it; equal in every repository that holds a copy. Its marks name it.
        offsite: whether it was seen in the environment's off-site repository.
        total_bytes: what restic read for it; None: it was made by a restic before 0.17.
        added_bytes: what that added to the repository in which it was made; None likewise.
    """

    environment: str
    id: str
    original: str | None = None
    taken_at: Annotated[datetime, AfterValidator(_in_utc)]
    tags: tuple[str, ...]
    paths: tuple[str, ...]
    proved: bool = False
    proof: str = ""
    damaged: bool = False
    verified: bool = False
    tree: str = ""
    offsite: bool = False
    total_bytes: int | None = None
    added_bytes: int | None = None

    @property
    def short_id(self) -> str:
        """The id as people write it."""
        return self.id[:8]

    @property
    def is_mark(self) -> bool:
        """Whether this is no backup but says something of one."""
        return any(mark in self.tags for mark in MARKS)

    @property
    def first_id(self) -> str:
        """The id that it was stored with: its marks name this one."""
        return self.original or self.id

    @property
    def named_as(self) -> tuple[str, str]:
        """Tags by which its marks name it: what they say is true of nothing else than what it held then.

        `restic repair snapshots` keeps the first id, and takes out what is lost.
        """
        return mark_tags("", self.first_id, self.tree)[1:]

    @property
    def about(self) -> tuple[str, ...]:
        """Of a mark: how the snapshot is named of which it says something."""
        return tuple(sorted(tag for tag in self.tags if tag.startswith(("of-", "tree-"))))

    @property
    def spool(self) -> str:
        """The folder in it that holds dump, inventory and manifest: the one that is no filestore.

        Raises VerificationFailed where there is none.
        """
        for path in self.paths:
            if path.endswith(f"/{SPOOL}"):
                return path
        raise VerificationFailed(
            f"Snapshot {self.short_id} has no folder {SPOOL}, so it holds no dump. Next step: name another snapshot."
        )


def mark_tags(mark: str, first_id: str, tree: str) -> tuple[str, str, str]:
    """Tags of a mark of a snapshot: which mark, of which one, and what that one held."""
    return mark, f"of-{first_id}", f"tree-{tree}"


def mark_file(mark: str) -> str:
    """Name of the one file in a mark."""
    return f"{mark}.json"
