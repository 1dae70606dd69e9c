"""Notes on an environment's host of the releases that were put in place, and of the one that is about to be."""

from pydantic import TypeAdapter

from odoo_ops.adapters import cluster, database
from odoo_ops.adapters.modules import read_database_oid, read_row_changes
from odoo_ops.model.addons import ReleasePolicy
from odoo_ops.model.release import ReleaseRecord
from odoo_ops.policy.ways_back import recent_checkouts
from odoo_ops.runtimes import image_releases
from odoo_ops.runtimes.project import Project
from odoo_ops.runtimes.releases import lead_links
from odoo_ops.runtimes.runtime import Runtime

_RECORDS = TypeAdapter(tuple[ReleaseRecord, ...])
_KEPT_RECORDS = 100


def read_records(runtime: Runtime) -> tuple[ReleaseRecord, ...]:
    """The releases that were put in place, the newest last."""
    text = runtime.host.call("read_text", path=runtime.environment.release_records)
    return _RECORDS.validate_json(text) if text else ()


def _write_records(runtime: Runtime, records: tuple[ReleaseRecord, ...]) -> None:
    text = _RECORDS.dump_json(records[-_KEPT_RECORDS:], indent=1).decode()
    runtime.host.call("write_text", path=runtime.environment.release_records, text=text)


def write_journal(runtime: Runtime, record: ReleaseRecord) -> None:
    """Note a release before anything of it is put in place."""
    runtime.host.call("write_text", path=runtime.environment.release_journal, text=record.model_dump_json())


def read_journal(runtime: Runtime) -> ReleaseRecord | None:
    """The release that a run had begun to put in place; None: there is none."""
    text = runtime.host.call("read_text", path=runtime.environment.release_journal)
    return ReleaseRecord.model_validate_json(text) if text else None


def finish(runtime: Runtime) -> ReleaseRecord:
    """Put links or image in place as the journal says, and the release on record. May be repeated after a crash."""
    text = runtime.host.call("read_text", path=runtime.environment.release_journal)
    journal = ReleaseRecord.model_validate_json(text)
    if journal.image:
        image_releases.put_in_place(runtime, journal.image, stopped=journal.scratch is not None)
    lead_links(runtime, dict(journal.addons))
    with database.connect(runtime.host, runtime.environment.database) as connection:
        found = {"changes": read_row_changes(connection), "database_oid": read_database_oid(connection)}
    record = journal.model_copy(update=found)
    others = tuple(other for other in read_records(runtime) if other.at != record.at)
    _write_records(runtime, (*others, record))
    runtime.host.call("remove_tree", path=runtime.environment.release_journal)
    return record


def note_outcome(runtime: Runtime, record: ReleaseRecord, down_seconds: float | None, unwell: str | None) -> None:
    """Put on record how long Odoo did not serve people for a release, and which checks failed since."""
    noted = record.model_copy(update={"down_seconds": down_seconds, "unwell": unwell})
    _write_records(runtime, tuple(noted if other.at == record.at else other for other in read_records(runtime)))


def abandon(runtime: Runtime, journal: ReleaseRecord) -> None:
    """Lead the links to where they led before a release that was not put in place; of an image nothing was."""
    lead_links(runtime, dict(journal.former))
    runtime.host.call("remove_tree", path=runtime.environment.release_journal)


def settle(runtime: Runtime) -> list[str]:
    """Settle what a dead release left, when its databases are settled. Returns what was done, in words.

    Its copy was proved before it was swapped in: where that was done, which the kept database tells, the release is
    finished; so is one that is on record already, or whose image is. Any other is abandoned.
    """
    journal = read_journal(runtime)
    if journal is None:
        return []
    recorded = any(record.at == journal.at for record in read_records(runtime))
    if recorded or _was_swapped(runtime, journal) or _was_noted(runtime, journal):
        finish(runtime)
        return ["finished an interrupted release"]
    abandon(runtime, journal)
    return ["undid a release interrupted before it was put in place"]


def _was_noted(runtime: Runtime, journal: ReleaseRecord) -> bool:
    """Whether an image for which no module was updated is the project's already."""
    return bool(journal.image and journal.scratch is None and image_releases.was_put_in_place(runtime, journal.image))


def _was_swapped(runtime: Runtime, journal: ReleaseRecord) -> bool:
    names = read_databases(runtime)
    return journal.scratch is not None and journal.scratch not in names and journal.kept_database in names


def read_databases(runtime: Runtime) -> list[str]:
    """Names of all databases that are there, kept ones too."""
    with database.connect(runtime.host, runtime.environment.database, "postgres", admin=True) as connection:
        return cluster.list_databases(connection)


def replaced_since(runtime: Runtime, record: ReleaseRecord) -> list[str]:
    """What of a release's links or image something else has replaced, in words."""
    leads = {link: runtime.machine.call("read_link", path=link) for link in record.addons}
    found = [f"{link} leads to {leads[link]}" for link, folder in record.addons.items() if leads[link] != folder]
    if record.image:
        project = Project.of(runtime.machine, runtime.environment)
        present = image_releases.read_present_image(project)
        same = present == record.image or project.image_id(present) == project.image_id(record.image)  # by another name
        found += [] if same else [f"Odoo's image is {present}"]
    return found


def remove_old_checkouts(runtime: Runtime, policy: ReleasePolicy) -> list[str]:
    """Delete commits that no link leads to and that are not the recent ones. Returns their folders."""
    records, gone = read_records(runtime), []
    for repository in policy.addons:
        used = recent_checkouts(records, repository.folder, policy.keep_releases)
        used.append(runtime.machine.call("read_link", path=repository.folder))
        for name in runtime.machine.call("list_directory", path=repository.store):
            folder = f"{repository.store}/{name}"
            if folder not in used:
                runtime.machine.call("remove_tree", path=folder)
                gone.append(folder)
    return gone
