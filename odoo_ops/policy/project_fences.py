"""What keeps a compose project from being made, changed or touched, before anything is."""

import re
from collections.abc import Collection, Mapping, Sequence

from odoo_ops.errors import Refused
from odoo_ops.model.plan import ProjectRecord
from odoo_ops.model.provision import HostFacts, Provisioning
from odoo_ops.policy.dumps import loads_into, major_version
from odoo_ops.policy.found_odoo import series
from odoo_ops.units import shown_bytes

# images apart: a new database, its log and a first backup
_LEAST_FREE_BYTES = 2_000_000_000
# firmware and kernel keep some of a machine's memory: one of 4 GiB tells 3.8
_AS_GOOD_AS_ALL = 1.1
# until PostgreSQL 17 the official images declare `data` in it
_FOLDER_OF_MAJORS = "/var/lib/postgresql"
# Compose takes one of these beside the compose file
_ADDED = tuple(f"{name}.override.{suffix}" for name in ("compose", "docker-compose") for suffix in ("yml", "yaml"))
_COMPOSE_VARIABLE = re.compile(r"^[ \t]*(?:export[ \t]+)?(COMPOSE_\w+)[ \t]*[=:]", re.MULTILINE)


def refuse_other_project(
    record: ProjectRecord | None, wanted: ProjectRecord, folder: str, foreign: Sequence[str]
) -> None:
    """Raise Refused when the folder holds another environment, or the project is not of our making.

    Args:
        record: what is noted in the folder.
        wanted: what will be.
        folder: where it is.
        foreign: what else is there of a project of this name, in words.
    """
    if record is None and foreign:
        raise Refused(
            f"{wanted.project} was not made by `provision`: {', '.join(foreign)}. It would be replaced, and its data "
            "left behind. Nothing was changed. Next step: name another project and folder in the environment file; to "
            "move the data, back it up and restore it there."
        )
    fields = ("environment", "project", "database")
    differs = [
        f"{field} was {getattr(record, field)!r} and is {getattr(wanted, field)!r} now"
        for field in fields
        if record and getattr(record, field) != getattr(wanted, field)
    ]
    if differs:
        raise Refused(
            f"What {folder} holds is not what the environment file describes: {'; '.join(differs)}. Its data would be "
            "left behind. Nothing was changed. Next step: correct the environment file; to move the data, back it up "
            "and restore it in a new folder."
        )


def refuse_what_compose_adds(folder: str, names: Collection[str], variables: str) -> None:
    """Raise Refused for files by which Compose makes another project of the planned one, for whoever names none.

    Args:
        folder: of the project.
        names: what is in it.
        variables: the text of its `.env`.
    """
    found = [name for name in _ADDED if name in names]
    found += [f".env with {name}" for name in _COMPOSE_VARIABLE.findall(variables)]
    if found:
        raise Refused(
            f"{folder} holds {', '.join(found)}: Docker Compose would follow that, and the plan does not know of it. "
            "Nothing was changed. Next step: say what it says in the environment file, and move it out of the folder "
            "(of .env, that line alone); services of your own belong in a project of their own."
        )


def refuse_lost_volumes(project: str, lost: Collection[str], host: str) -> None:
    """Raise Refused where data was, and volumes of it (as the compose file names them) are lost."""
    if not lost:
        return
    names = " and ".join(f"{project}_{volume}" for volume in lost)
    raise Refused(
        f"There was a database in {project}, and now its data is missing on {host}: {names} (no volume, or nothing "
        "in it). An empty one would take its place. Nothing was changed. Next step: if it was moved or renamed, bring "
        "the data back under this very name. If it is really lost, run `provision` with loss_accepted, which starts "
        "PostgreSQL and no Odoo; then `restore`; then `provision` again."
    )


def concerns_production(record: ProjectRecord | None, stage: str) -> bool:
    """Whether what is there, or what it will be, is production."""
    return "production" in {stage, record.stage if record else stage}


def refuse_other_major(data: str, image: str, name: str) -> None:
    """Raise Refused for an image whose PostgreSQL does not read the data that is there.

    Args:
        data: major version that made it; empty where there is none.
        image: what `postgres --version` says there.
        name: of the image.
    """
    major = major_version(image)
    if data and data != str(major):
        raise Refused(
            f"The data was made by PostgreSQL {data}, and {name} is PostgreSQL {major or 'of an unknown version'}, "
            "which does not read it. Nothing was changed. Next step: name an image of the same major version; to "
            "change it, back up, provision a new folder, and restore there."
        )


def refuse_unfit_toolbox(*, server: str, toolbox: str, names: tuple[str, str]) -> None:
    """Raise Refused for a toolbox by whose programs the server could not be backed up and restored.

    Those of a newer version can do both, but 17 and later restore into nothing that is older than 17.

    Args:
        server: what `postgres --version` says in its image.
        toolbox: what `pg_dump --version` says in its own.
        names: of both images.
    """
    wanted, found = major_version(server), major_version(toolbox)
    if found < wanted or not loads_into(found, wanted):
        image, other = names
        raise Refused(
            f"{other} holds the programs of PostgreSQL {found or 'of an unknown version'}, and {image} is PostgreSQL "
            f"{wanted or 'of an unknown version'}: backups or restores would fail. Nothing was changed. Next step: "
            "name a toolbox for the same major version, made by `docker build --build-arg "
            f"POSTGRES_VERSION={wanted}` of deployments/images/toolbox."
        )


def refuse_other_data_folder(volumes: Collection[str], image: str) -> None:
    """Raise Refused for an image of PostgreSQL, by its declared volumes, whose data would not be in the project's."""
    if _FOLDER_OF_MAJORS in volumes:
        raise Refused(
            f"{image} keeps its data in a folder for each major version below {_FOLDER_OF_MAJORS}, as the official "
            "images do from PostgreSQL 18 on; `provision` makes no project of such yet. Nothing was changed. Next "
            "step: name an image of PostgreSQL 17, such as postgres:17."
        )


def refuse_other_series(*, named: str, image: str, printed: str, database: str) -> None:
    """Raise Refused for another series of Odoo than that of the database, or another one in the image than is named.

    Odoo migrates no database from one series to the next: it would start on it, and every page would fail.

    Args:
        named: the series of the environment file.
        image: the name of Odoo's image.
        printed: what `odoo --version` says there, such as `Odoo Server 19.0-20260101`; empty: it was not asked.
        database: Odoo's version as the database tells it; empty: nobody knows, or there is none.
    """
    if (there := series(database)) and there != named:
        raise Refused(
            f"The database is one of Odoo {there}, and the environment file names Odoo {named} (`odoo.version`), which "
            f"does not open it. No Odoo was touched. Next step: write version: '{there}' again, with an image of it; "
            f"for Odoo {named}, provision a new environment, and import the migrated database there."
        )
    if (found := series(_odoo_version(printed))) and found != named:
        raise Refused(
            f"{image} is Odoo {found}, and the environment file names Odoo {named} (`odoo.version`). Nothing was "
            f"changed. Next step: name an image of Odoo {named}; or, where the database is of {found} or none is there "
            f"yet, write version: '{found}'."
        )


def _odoo_version(printed: str) -> str:
    """19.0-20260101 of `Odoo Server 19.0-20260101`, whatever libraries said before it; else what may be a version."""
    if said := re.search(r"Odoo Server (\S+)", printed):
        return said[1]
    return next((word for word in printed.split() if re.match(r"(saas~)?\d", word)), "")


def refuse_other_owner(owners: Sequence[str], odoo_user: str, image: str) -> None:
    """Raise Refused for an image whose Odoo could not write to the filestore that is there.

    Args:
        owners: users and groups of Odoo's volume and folders there, as numbers; none where nothing is in it.
        odoo_user: those of Odoo in the image.
        image: its name.
    """
    if others := [found for found in owners if found != odoo_user]:
        raise Refused(
            f"Odoo's data belongs to {' and '.join(others)}, and Odoo in {image} is {odoo_user}: it could not write "
            "there. Nothing was changed. Next step: name an image whose Odoo is the same user; or stop Odoo and give "
            f"the volume's files to {odoo_user} (`chown --recursive` in a container), then run again."
        )


def refuse_unfit_machine(
    host: str,
    *,
    unwritable: Sequence[str],
    free_bytes: Mapping[str, int],
    taken_ports: Sequence[int],
    missing_addons: Sequence[str],
    has: HostFacts,
    wanted: Provisioning,
) -> None:
    """Raise Refused, with all reasons at once, for a machine on which a project cannot be put.

    Args:
        host: its name.
        unwritable: folders of the project in which files are to be written, and cannot be.
        free_bytes: what is free on the disk of the project's folder, and of the one where Docker keeps volumes.
        taken_ports: wanted ones on which somebody listens.
        missing_addons: folders of addons that are not there.
        has: its processors and memory.
        wanted: how much of them the project may use; a little more memory than the machine tells means all of it.
    """
    reasons = []
    if unwritable:
        reasons.append(f"the user who acts there may not write to {', '.join(unwritable)}")
    reasons += [
        f"the disk of {place} has {shown_bytes(free)} free, and {shown_bytes(_LEAST_FREE_BYTES)} are needed"
        for place, free in free_bytes.items()
        if free < _LEAST_FREE_BYTES
    ]
    if missing_addons:
        reasons.append(f"no folder is at {', '.join(missing_addons)} (`provision.addons`)")
    if (wanted.cores or 0) > has.cores:
        reasons.append(f"it has {has.cores} processors, and `provision.cores` says {wanted.cores}")
    if (wanted.memory_bytes or 0) > has.memory_bytes * _AS_GOOD_AS_ALL:
        reasons.append(
            f"it has {has.memory_bytes} bytes of memory, and `provision.memory_bytes` says {wanted.memory_bytes}"
        )
    if taken_ports:
        of_mail = wanted.mail_port if wanted.images.mail else None
        taken = ", ".join(f"{port} (`mail_port`)" if port == of_mail else f"{port}" for port in taken_ports)
        reasons.append(f"something listens on port {taken} already")
    if reasons:
        raise Refused(
            f"{host} is not fit for it: {'; '.join(reasons)}. Nothing was changed. "
            "Next step: mend that there, or change the environment file; then run again."
        )
