"""A release: what it changes, and what is on record of it."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from odoo_ops.model.base import Value
from odoo_ops.model.checks import Check
from odoo_ops.model.revisions import exactly, shown_revision

UNRELEASED = "Unreleased"  # the state in which a dry run ends that found something to release
RELEASED_UNWELL = "ReleasedUnwell"  # the state in which a release ends that is in place, but with a failed check
UNSEEN = "the run that put it there ended before it had looked at all of it"  # `unwell` of a release until then
SUPERSEDED = "Superseded"  # the state in which the release of a push ends that is not the newest


class FetchedAddons(Value):
    """One repository's commit that is ready on the host.

    Attributes:
        folder: the link that leads to what is released.
        ref: branch, tag or commit that was asked for.
        commit: what that is now, with what is merged into it (`model.revisions`).
        checkout: folder of that.
        present: folder to which the link leads now; None: there is no link yet.
    """

    folder: str
    ref: str
    commit: str
    checkout: str
    present: str | None

    @property
    def changes(self) -> bool:
        """Whether the link leads to something else."""
        return self.present != self.checkout

    @property
    def shown(self) -> str:
        """The commit as people read it."""
        return shown_revision(self.commit)


class ModuleFacts(Value):
    """A module as Odoo's program finds it on disk.

    Attributes:
        checksum: sha1 of its files as click-odoo-update counts it.
        migrations: versions for which it has a folder of migration scripts, or of why it needs none.
        missing: programs and Python packages that it needs and that are not there.
        fault: why its manifest cannot be read, in words; empty: it can.
        tested: whether it has tests of its own.
    """

    path: str
    checksum: str
    version: str = ""
    installable: bool = True
    depends: tuple[str, ...] = ()
    migrations: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    fault: str = ""
    tested: bool = False


class InstalledModules(Value):
    """What a database knows of its modules.

    Attributes:
        versions: installed modules -> the version that was installed.
        checksums: those that click-odoo-update, or a release, put on record; None: there are none on record.
        exclude_patterns: files that do not count in them.
        languages: active ones.
        unsettled: modules in the middle of a change.
    """

    versions: Mapping[str, str]
    checksums: Mapping[str, str | bool] | None
    exclude_patterns: tuple[str, ...]
    languages: tuple[str, ...]
    unsettled: tuple[str, ...]


class ModuleUpdate(Value):
    """A module that is updated, and why; and whether it has tests of its own."""

    name: str
    why: str
    tested: bool = False


class ImageChange(Value):
    """The image of Odoo that is released to a compose project.

    Attributes:
        asked: as it was asked for.
        image: as the compose file will name it; its name says its content.
        image_id: Docker's number of it.
        present: the image that runs now, by such a name.
        present_id: Docker's number of that.
        commit: of which it was made, as its label says (org.opencontainers.image.revision); empty: it tells none.
        present_commit: of which the present one was made, likewise.
    """

    asked: str
    image: str
    image_id: str
    present: str
    present_id: str
    commit: str = ""
    present_commit: str = ""

    @property
    def changes(self) -> bool:
        """Whether another image runs now."""
        return self.image_id != self.present_id


class ReleasePlan(Value):
    """All that a release will change.

    Attributes:
        addons: the commits.
        image: where the addons are in an image; None: they are not.
        updates: modules whose update is asked of Odoo.
        dependants: modules that Odoo updates with them.
        come: modules that are new in the commits, or the image, and not installed; nobody asks Odoo to install them.
        gone: modules that are in these no more and not installed.
        checksums: of all installed modules afterwards.
        gate: what the commits had to stand.
    """

    environment: str
    addons: tuple[FetchedAddons, ...]
    image: ImageChange | None = None
    updates: tuple[ModuleUpdate, ...] = ()
    dependants: tuple[str, ...] = ()
    come: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    checksums: Mapping[str, str] = {}
    gate: tuple[Check, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether all of it is released already."""
        another_image = self.image is not None and self.image.changes
        return not (self.updates or another_image or any(addons.changes for addons in self.addons))

    @property
    def beside(self) -> bool:
        """Whether new containers of Odoo can take over from the old ones: no module is updated."""
        return self.image is not None and not self.updates

    @property
    def links(self) -> Mapping[str, str]:
        """Link -> folder to which it will lead."""
        return {addons.folder: addons.checkout for addons in self.addons}

    @property
    def commits(self) -> dict[str, str]:
        """Name of each repository -> its commit with what is merged into it, and nothing else."""
        return {addons.folder.rpartition("/")[2]: exactly(addons.commit) for addons in self.addons}

    @property
    def digest(self) -> str:
        """What tells it from another plan: not what is only shown of the same commits."""
        shown = {"gate", "come", "gone"}
        return hashlib.sha256(self.model_dump_json(exclude=shown).encode()).hexdigest()[:12]

    @property
    def summary(self) -> str:
        """The plan in one sentence."""
        if self.empty:
            return "All of it is released already."
        led = [f"{addons.folder} to {addons.shown}" for addons in self.addons if addons.changes]
        placed = f"Run {self.image.image}" if self.image else f"Lead {', '.join(led) or 'no link elsewhere'}"
        updated = f"update {len(self.updates)} modules and {len(self.dependants)} that depend on them"
        return f"{placed}; {updated if self.updates else 'update no module'}."


class ReleaseRecord(Value):
    """A release that is put in place, as it is noted on the host: in the journal meanwhile, then with the others.

    Attributes:
        scratch: the database in which modules were updated; None: none was.
        addons: link -> folder to which it leads since; None: there is none any more.
        former: link -> folder to which it led before.
        image: that Odoo runs since, by a name that says its content; None: it does not run in containers.
        former_image: that it ran before, likewise.
        image_commit: of which the image was made, as it says itself; empty: it tells none.
        former_image_commit: of which the former one was made, likewise.
        kept_database: the database as it was before; None: no module was updated.
        changes: tables -> rows written to them, as PostgreSQL counts, when the release was put in place.
        database_oid: PostgreSQL's own number of the database that was put in place, or was there.
        taken_back: why the release that this one takes back did not serve people; empty: somebody wanted it.
        asked: link, or `image` -> branch, tag, commit or name as it was asked for.
        updated: modules whose update was asked of Odoo.
        run: the flow run, by its id in Prefect.
        backup_id: the backup that was taken before it.
        down_seconds: how long Odoo did not serve people; None: it was not stopped, or nobody knows.
        unwell: which checks failed since it is in place, or `UNSEEN`; None: none did, or all was well at a later look.
        former_unwell: which checks had failed of what was there before; None: none had, or no release had put it there.
    """

    at: datetime
    addons: Mapping[str, str | None]
    former: Mapping[str, str | None]
    image: str | None = None
    former_image: str | None = None
    image_commit: str = ""
    former_image_commit: str = ""
    scratch: str | None = None
    kept_database: str | None = None
    changes: Mapping[str, int] = {}
    database_oid: int | None = None
    taken_back: str = ""
    asked: Mapping[str, str] = {}
    updated: tuple[str, ...] = ()
    run: str | None = None
    backup_id: str | None = None
    down_seconds: float | None = None
    unwell: str | None = None
    former_unwell: str | None = None

    @property
    def moment(self) -> str:
        """What tells it from another one."""
        return self.at.isoformat(timespec="seconds")

    @property
    def beside(self) -> bool:
        """Whether it was, and can be taken back, without stopping Odoo: an image, and no module was updated."""
        return self.image is not None and self.kept_database is None

    def reversed(self, at: datetime, why: str = "") -> "ReleaseRecord":
        """What takes this release back: its kept database is what is swapped in. A mark stays with what it is of."""
        return ReleaseRecord(
            at=at,
            addons=self.former,
            former=self.addons,
            image=self.former_image,
            former_image=self.image,
            image_commit=self.former_image_commit,
            former_image_commit=self.image_commit,
            scratch=self.kept_database,
            taken_back=why,
            unwell=self.former_unwell,
            former_unwell=self.unwell,
        )


class ListedRelease(Value):
    """A release on record, and what can still be done about it.

    Attributes:
        moment: what tells it from another one.
        placed: what it put in place: commits or image.
        standing: whether it is in place, or a rollback may lead to it, or why none does any more.
        record: all that is on record.
    """

    moment: str
    placed: str
    standing: str
    record: ReleaseRecord
