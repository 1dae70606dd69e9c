"""What a backup proves of itself, and what it does not."""

from odoo_ops.model.checks import Check, passed_or_failed
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.report import FilestoreProof

DUMP = "The dump reads to its end"
ATTACHMENTS = "Every attachment is in the snapshot, each new one with its sha1"
TRIAL = "Restored as a trial"


def backup_checks(manifest: Manifest, proof: FilestoreProof, damaged_allowed: int) -> list[Check]:
    """The checks of one backup that came to its end (a dump that cannot be read ends it before)."""
    damage = [str(damage) for damage in proof.damaged] if proof.damaged_total > damaged_allowed else []
    found = f"{proof.attachments:,} attachments in {proof.files:,} files, {proof.hashed_files:,} of them new"
    accepted = f"; {proof.damaged_total} damaged, {damaged_allowed} allowed" if proof.damaged_total else ""
    return [
        Check(
            name=DUMP, outcome="passed", detail=f"{len(manifest.facts.rows):,} tables, {len(manifest.dump_files)} files"
        ),
        passed_or_failed(ATTACHMENTS, damage, found + accepted),
        Check(name=TRIAL, outcome="not measured", detail="the flow `drill` does that"),
    ]
