"""Import Odoo's own backup zip into an environment: as a harmless copy, or as it is (a move).

The zip, on the environment's host, is read before anything is written. Everything is staged beside what is there,
as in a restore, and proved: the rows of every table against the zip's SQL, every attachment's sha1. Then databases
and filestores are swapped by rename; what was replaced is kept for the environment's `keep_replaced_hours`.
Until the swap the present state is not touched. A run that fails settles what it began; what one
that died began is settled by the next one.
A dry run ends before anything is written, with a page that says what would be replaced by what.
A zip holds code that Odoo runs (server actions): import only from whom you trust.
"""

import time
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows._settle import settled_whatever_ends_it, settled_when_it_fails
from odoo_ops.model.paths import AbsolutePath
from odoo_ops.model.zips import ImportReport, ZipContents
from odoo_ops.policy.comparison import judge_carried_over
from odoo_ops.policy.fences import refuse_mistyped
from odoo_ops.policy.previews import import_preview_checks
from tasks.copies import neutralize_copy
from tasks.identity import check_identity, forget_database
from tasks.imports import (
    create_scratch_for_zip,
    filestore_unpacked,
    inspect_zip,
    load_database,
    prove_import,
    refuse_unconfirmed_import,
)
from tasks.leftovers import settle_leftovers
from tasks.locks import environment_locked
from tasks.previews import preview_import
from tasks.reports import publish_import_report, refuse_failures
from tasks.restores import kept_name, refuse_difference, swap_in
from tasks.services import check_odoo_answers


@flow(name="import", flow_run_name="import into {environment}")
def import_zip(
    environment: str,
    source: AbsolutePath,
    confirm_production: str = "",
    as_copy: bool = True,
    damaged_accepted: Annotated[int, Field(ge=0)] = 0,
    dry_run: bool = False,
) -> ImportReport:
    """Put what an Odoo backup zip holds in place of an environment's database and filestore.

    Args:
        environment: Name of the environment that is filled. Its Odoo must be of the zip's series.
        source: Path of the zip on the environment's host.
        confirm_production: To import over production, write its name once more.
        as_copy: Neutralise the database and give it an identity of its own. Off: take it as it is, a move.
        damaged_accepted: Import although so many attachments have no whole file in the zip.
        dry_run: Only read and check, and show what would be replaced by what. Production need not be confirmed.
    """
    begun = time.monotonic()
    refuse_mistyped([confirm_production], [environment])
    refuse_unconfirmed_import(environment, environment if dry_run else confirm_production, as_copy=as_copy)
    with environment_locked(environment, "look at an import" if dry_run else "import") as lock:
        identity = check_identity(environment, needs_repository=False, filestore="swapped", writes=not dry_run)
        if not dry_run:
            settle_leftovers(environment)
        contents = inspect_zip(environment, source)
        if dry_run:
            return _shown(environment, source, contents, as_copy=as_copy, begun=begun)
        with settled_when_it_fails(environment, lock):
            scratch = create_scratch_for_zip(environment, contents)
            with filestore_unpacked(environment, source, scratch):
                load_database(environment, source, scratch)
            checks, proof, series = prove_import(environment, source, contents, scratch, damaged_accepted)
            refuse_difference(environment, checks, source="zip")
            if as_copy:
                checks += neutralize_copy(environment, series, scratch, identity.get("database_uuid"))
            lock.check()
            if not as_copy:
                forget_database(environment)
            with settled_whatever_ends_it(environment, lock):
                swap = swap_in(environment, scratch, kept_name(environment))
            checks += [judge_carried_over(swap), check_odoo_answers(environment, swap)]
    report = ImportReport(
        environment=environment,
        source=source,
        series=series,
        as_copy=as_copy,
        seconds=time.monotonic() - begun,
        tables=len(contents.rows),
        rows=sum(contents.rows.values()),
        files=proof.files,
        damaged=tuple(str(damage) for damage in proof.damaged),
        damaged_total=proof.damaged_total,
        kept_database=swap.kept_database,
        kept_filestore=swap.kept_filestore,
        checks=tuple(checks),
    )
    publish_import_report(report)
    refuse_failures(f"The zip is in place in {environment} and what it replaced is kept, but", checks)
    return report


def _shown(environment: str, source: str, contents: ZipContents, *, as_copy: bool, begun: float) -> ImportReport:
    """Publish what would be done, and end there."""
    preview = preview_import(environment, contents)
    report = ImportReport(
        environment=environment,
        source=source,
        series=contents.series or "of an unknown version",
        as_copy=as_copy,
        seconds=time.monotonic() - begun,
        tables=len(contents.rows),
        rows=sum(contents.rows.values()),
        files=contents.files,
        damaged=(),
        damaged_total=0,
        kept_database=None,
        kept_filestore=None,
        checks=tuple(import_preview_checks(preview, contents.series)),
        preview=preview,
    )
    publish_import_report(report)
    return report
