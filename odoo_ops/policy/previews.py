"""What a dry run may say that it has looked at: what else had failed would have ended it before."""

from odoo_ops.model.checks import Check, passed_or_failed
from odoo_ops.model.previews import Preview
from odoo_ops.model.snapshot import Snapshot
from odoo_ops.policy.space import RESTORED_DATABASE
from odoo_ops.units import shown_bytes

_DAMAGE = "No more damaged attachments than are accepted"
_UNKNOWN = "every file is looked at only when it is there"


def restore_preview_checks(preview: Preview, snapshot: Snapshot, series: str) -> list[Check]:
    """The checks of a dry run of a restore of this snapshot."""
    if not snapshot.proved:
        damage = Check(name=_DAMAGE, outcome="not measured", detail=f"the snapshot has no proof: {_UNKNOWN}")
    else:
        known = "some, and they are accepted" if snapshot.damaged else "none, by the snapshot's proof"
        damage = Check(name=_DAMAGE, outcome="passed", detail=known)
    return [*_common(preview, series), damage]


def import_preview_checks(preview: Preview, series: str | None) -> list[Check]:
    """The checks of a dry run of an import."""
    return [*_common(preview, series), Check(name=_DAMAGE, outcome="not measured", detail=_UNKNOWN)]


def _common(preview: Preview, series: str | None) -> list[Check]:
    return [
        _judge_identity(preview),
        _judge_series(preview.odoo, series),
        _judge_room(preview),
        Check(name="A role may make databases", outcome="passed", detail="and prepare what the indexes need"),
    ]


def _judge_identity(preview: Preview) -> Check:
    name = "The environment is the one that was seen before"
    if not preview.seen_before:
        return Check(name=name, outcome="not measured", detail="no run has put on record yet which one it is")
    return Check(name=name, outcome="passed", detail=preview.database)


def _judge_room(preview: Preview) -> Check:
    name = "There is room for all that is put together"
    seen = "; ".join(
        f"{shown_bytes(room.needed_bytes)} of {shown_bytes(room.free_bytes)} in {room.folder}" for room in preview.room
    )
    if RESTORED_DATABASE in {room.what for room in preview.room}:
        return Check(name=name, outcome="passed", detail=seen)
    unseen = f"PostgreSQL's disk cannot be seen, where up to {shown_bytes(preview.new_database_bytes)} are needed"
    return Check(name=name, outcome="not measured", detail=f"{unseen}; elsewhere there is room: {seen}")


def _judge_series(odoo: str, series: str | None) -> Check:
    name = "This Odoo can open the database"
    if series is None:
        return Check(name=name, outcome="not measured", detail="the zip's manifest.json does not tell its version")
    other = [f"it is of Odoo {series}, and the environment runs Odoo {odoo}"] if series != odoo else []
    return passed_or_failed(name, other, f"Odoo {series}")
