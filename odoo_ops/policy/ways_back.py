"""To which release before the present one an environment can go back, and what stays for that."""

from collections.abc import Collection, Iterable, Sequence
from itertools import chain, pairwise

from odoo_ops.errors import Refused
from odoo_ops.model.release import ListedRelease, ReleaseRecord
from odoo_ops.model.revisions import exactly, shown_revision


def way_back(environment: str, records: Sequence[ReleaseRecord], to: str) -> ReleaseRecord:
    """What is taken back, as one release: the last one, or all that came after the one that `to` names.

    The latter is by commits or image alone: of the database there is only what the last release replaced. One that was
    taken back by itself does not count. Raises Refused where `to` names none to which these lead back.
    """
    stood = _that_stood(records) or records[-1:]  # of a first release that failed its taking back is left, and refused
    last = stood[-1]
    if not to:
        return last
    ways = _ways(stood)
    if to not in ways:
        kept = "; ".join(f"{name} ({_shown(record)})" for name, record in ways.items()) or "none but the last one's"
        raise Refused(
            f"{environment} cannot go back to a release of {to}. Those with no module updated since: {kept}. Nothing "
            "was changed. Next step: name one of these as `to`, or leave it out to take back the last release; to go "
            "back further, restore a backup."
        )
    target = ways[to]
    changes = {"former": target.addons, "former_image": target.image, "former_unwell": target.unwell}
    changes["former_image_commit"] = target.image_commit
    return last.model_copy(update={**changes, "database_oid": target.database_oid, "taken_back": ""})


def _that_stood(records: Sequence[ReleaseRecord]) -> list[ReleaseRecord]:
    """All but the releases that did not serve people, and what took them back: all is as it was before these."""
    stood = list[ReleaseRecord]()
    for record in records:
        if record.taken_back:
            del stood[-1:]  # nothing comes between a release and that
        else:
            stood.append(record)
    return stood


def _ways(records: Sequence[ReleaseRecord]) -> dict[str, ReleaseRecord]:
    """Releases before the last one since which no module was updated, the newest first, by their moments."""
    ways, last = dict[str, ReleaseRecord](), records[-1]
    for earlier, later in reversed(list(pairwise(records))):
        if later.kept_database is not None:
            break
        same_places = earlier.addons.keys() == last.addons.keys() and bool(earlier.image) == bool(last.image)
        if same_places:
            ways[earlier.moment] = earlier
    return ways


def listed(records: Sequence[ReleaseRecord], databases: Collection[str]) -> list[ListedRelease]:
    """All releases, the newest first, with which is in place and to which a rollback may lead.

    `databases` are those that are there. Whether all else that it needs is there, too, only the rollback itself looks.
    """
    standing = _standing(records, databases)
    return [
        ListedRelease(
            moment=record.moment, placed=_shown(record), standing=standing.get(record.moment, ""), record=record
        )
        for record in reversed(records)
    ]


def _standing(records: Sequence[ReleaseRecord], databases: Collection[str]) -> dict[str, str]:
    stood = _that_stood(records)
    failed = {record.moment: "was taken back" for record in records if record not in stood}
    takes_back = {record.moment: "takes back" for record in records if record.taken_back}
    if not stood:  # what was there before the first of them is there again
        return failed | takes_back | {record.moment: "in place, as before all of these" for record in records[-1:]}
    last = stood[-1]
    back = {moment: f"rollback with to={moment}" for moment in _ways(stood)}
    if len(stood) > 1 and _replaces(last, stood[-2]):
        kept = last.kept_database
        lost = kept is not None and kept not in databases
        back[stood[-2].moment] = f"no rollback, as the database {kept} is gone" if lost else "rollback"
    return failed | takes_back | back | {last.moment: "in place"}


def unwell_before(record: ReleaseRecord, former: ReleaseRecord | None) -> str | None:
    """Which checks failed of what a release replaces; None: none did, or the former release is not what was there."""
    return former.unwell if former is not None and _replaces(record, former) else None


def _replaces(record: ReleaseRecord, former: ReleaseRecord) -> bool:
    """Whether what was there before a release is what another one put there, and nothing since."""
    same_links = all(former.addons.get(link) == folder for link, folder in record.former.items())
    return same_links and former.image == record.former_image


def _shown(record: ReleaseRecord) -> str:
    folders = {link.rpartition("/")[2]: folder for link, folder in record.addons.items() if folder}
    commits = [f"{name} {shown_revision(folder.rpartition('/')[2])}" for name, folder in folders.items()]
    of_image = f" (commit {record.image_commit})" if record.image_commit else ""
    return ", ".join([*commits, *([f"{record.image}{of_image}"] if record.image else [])]) or "nothing"


def refuse_way_to_failed(environment: str, record: ReleaseRecord) -> None:
    """Raise Refused where nothing was released before, or where that was taken back as it did not serve people."""
    if record.former_image is None and all(folder is None for folder in record.former.values()):
        raise Refused(
            f"Nothing was released to {environment} before what is there now. Nothing was changed. Next step: to go "
            "back further, restore a backup."
        )
    if record.taken_back:
        raise Refused(
            f"The last release to {environment} was taken back already, as it did not serve people: "
            f"{record.taken_back}. Going back would put it in place again. Nothing was changed. Next step: release "
            "again; to go back further, restore a backup."
        )


def way_by_backup(record: ReleaseRecord) -> str:
    """The next step where only the backup is left: what that holds fits what was in place then, and nothing newer."""
    former = [exactly(folder.rpartition("/")[2]) for folder in record.former.values() if folder]
    former += [record.former_image] if record.former_image else []
    backup = f" ({record.backup_id})" if record.backup_id else ""
    return (
        f"Next step: restore the backup that the release took{backup}, and release {', '.join(former)} at once: its "
        "database does not fit newer addons."
    )


def recent_checkouts(records: Sequence[ReleaseRecord], link: str, keep: int) -> list[str]:
    """Folders to which a link led, the newest first: the present one and so many former ones."""
    placed = ((record.addons.get(link), record.former.get(link)) for record in reversed(_that_stood(records)))
    return _recent(placed)[: 1 + keep]


def recent_images(records: Sequence[ReleaseRecord]) -> list[str]:
    """All images that were in place, the newest first: only their host knows which names are of the same one."""
    return _recent((record.image, record.former_image) for record in reversed(_that_stood(records)))


def _recent(placed: Iterable[tuple[str | None, str | None]]) -> list[str]:
    """Of what each release put in place, and what it replaced: no release of the same makes one older."""
    return list(dict.fromkeys(filter(None, chain.from_iterable(placed))))
