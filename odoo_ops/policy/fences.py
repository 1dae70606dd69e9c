"""What a flow may do to which environment."""

from collections.abc import Sequence

from odoo_ops.errors import Refused
from odoo_ops.model.environment import Environment
from odoo_ops.model.manifest import Manifest
from odoo_ops.model.repository import FolderLocation, Repository
from odoo_ops.model.runtimes import ComposeProject


def refuse_mistyped(confirmed: Sequence[str], environments: Sequence[str]) -> None:
    """Raise Refused where what confirms a run, by name, is none of its environments; an empty word confirms nothing."""
    if wrong := [name for name in confirmed if name and name not in environments]:
        raise Refused(
            f"This run is for {', '.join(environments)}, and what should confirm it is {', '.join(wrong)}. Nothing was "
            "changed. Next step: write the environment's name as it was registered, or leave the confirmation out."
        )


def refuse_restore(source: Environment, target: Environment, confirm_production: str) -> None:
    """Let a restore of `source`'s backup into `target` pass or raise Refused.

    Over production only when it is named once more, and only production's own backup: another environment's
    would pass for the company's books.
    """
    if target.stage != "production":
        return
    if source.name != target.name:
        raise Refused(
            f"{target.name} is production, and the backup is {source.name}'s. Nothing was changed. "
            f"Next step: restore {source.name} into an environment that is not production."
        )
    if confirm_production != target.name:
        raise Refused(
            f"{target.name} is production: what is there now would be replaced. Nothing was changed. "
            f"Next step: if you mean it, run again with confirm_production = {target.name}"
        )


def refuse_drill(source: Environment, target: Environment) -> None:
    """Let a drill of `source`'s backup in `target` pass or raise Refused.

    A drill boots an Odoo on the copy, so its target is never production and never the environment itself.
    """
    if target.stage == "production":
        raise Refused(
            f"{target.name} is production: no backup is tried out there. Nothing was changed. "
            "Next step: name a testing environment as target."
        )
    if target.name == source.name:
        raise Refused(
            f"A backup of {source.name} is not tried out in {source.name} itself: its Odoo could open the copy. "
            "Nothing was changed. Next step: name another environment as target, with a role and data_dir of its own."
        )


def has_own_cluster(environment: Environment) -> bool:
    """Whether by its description an environment's PostgreSQL is on its own host, or in its compose project."""
    server = environment.database.server
    is_service = isinstance(environment.runtime, ComposeProject) and not set(".:") & set(server)
    return is_service or environment.database.is_on_its_host


def refuse_shared_copy(source: Environment, target: Environment, *, same_data_dir: bool, same_cluster: bool) -> None:
    """Raise Refused where a copy of `source` in `target` would be within reach of the source's own Odoo.

    Odoo runs scheduled actions on every database that its role owns, so a copy needs a role of its own on the
    same PostgreSQL; and a data_dir of its own.
    """
    if source.name == target.name:
        return
    shared = []
    if same_cluster and source.database.name == target.database.name:
        shared.append(f"the database {target.database.name!r}")
    if same_cluster and source.database.user == target.database.user:
        shared.append(f"the role {target.database.user!r} on the same PostgreSQL")
    if same_data_dir:
        shared.append(f"the data_dir {target.data_dir} on the same host")
    if shared:
        raise Refused(
            f"{target.name} shares {' and '.join(shared)} with {source.name}, whose Odoo could open the copy: "
            f"it would mail and charge customers. Nothing was changed. Next step: give {target.name} its own."
        )


def refuse_unreachable_repository(
    source: Environment, target: Environment, repository: Repository, *, same_host: bool
) -> None:
    """Raise Refused where the backup's repository is a folder on a host that the target does not live on."""
    if isinstance(repository.location, FolderLocation) and not same_host:
        raise Refused(
            f"The backups of {source.name} are in a folder on its own host, and {target.name} lives on another one. "
            f"Nothing was changed. Next step: name a target on the host of {source.name}, or restore from a repository "
            "that both reach (S3, SFTP, rest-server)."
        )


def refuse_rotation(repository: Repository) -> None:
    """Raise Refused unless a repository says from which password it is changed to which other one."""
    new, former = repository.password.get_secret_value(), repository.former_password
    if former is None:
        problem = "has no `former_password`"
    elif former.get_secret_value() == new:
        problem = "has the same `password` and `former_password`"
    elif new != new.strip():
        problem = "has a `password` with white space around it, which restic would drop"
    else:
        return
    raise Refused(
        f"The repository {repository.name} {problem}. Nothing was changed. Next step: in the environment "
        "file write the new password as `password` and the one until now as `former_password`, register, and run again."
    )


def refuse_odd_filestore(
    environment: Environment, host: str, *, is_link: bool, is_mount: bool, is_swapped: bool
) -> None:
    """Raise Refused for a filestore that is a link, or, where it is to be swapped, a file system of its own.

    A backup would store the link alone. A link or mount point in the folder above it is no matter.

    Args:
        environment: whose filestore it is.
        host: where that is, in words.
        is_link: whether the database's own folder is a symbolic link.
        is_mount: whether something is mounted there. A mount point cannot be renamed.
        is_swapped: whether another filestore is to be put in its place, by rename.
    """
    if is_link:
        problem = "is a symbolic link, of which a backup would hold the link alone"
    elif is_mount and is_swapped:
        problem = "is a mount point, which cannot be renamed when another filestore takes its place"
    else:
        return
    raise Refused(
        f"The filestore {environment.filestore} on {host} {problem}. Nothing was changed. Next step: stop Odoo, link "
        f"{environment.filestores}, the folder above it, or mount the disk there, so that "
        f"{environment.database.name} is a plain folder in it; then run again."
    )


def refuse_version(manifest: Manifest, target: Environment) -> None:
    """Raise Refused when the target's Odoo is of another series than the database in the backup."""
    if manifest.odoo_series != target.odoo.version:
        raise Refused(
            f"The snapshot holds a database of Odoo {manifest.odoo_series}, and {target.name} runs Odoo "
            f"{target.odoo.version}, which cannot open it. Nothing was changed. "
            "Next step: name a target of the same version."
        )


def refuse_manifest(manifest: Manifest, source: Environment) -> None:
    """Raise Refused when a snapshot's manifest is not of the environment it was asked for."""
    if (manifest.environment, manifest.database) != (source.name, source.database.name):
        raise Refused(
            f"The snapshot holds {manifest.environment} (database {manifest.database!r}), not {source.name} "
            f"(database {source.database.name!r}). Nothing was changed. Next step: name another snapshot."
        )


def refuse_identity(marker: dict[str, str], found: dict[str, str], environment: str, *, record: str) -> None:
    """Compare what an environment was when first seen with what is found now; raise Refused if they differ.

    Keys that either side does not have (a database that was lost) are not compared. `record` says where the marker is.
    """
    different = [key for key in sorted(marker.keys() & found.keys()) if marker[key] != found[key]]
    if different:
        raise Refused(
            f"This is not the {environment} that was seen before: "
            f"{'; '.join(f'{key} was {marker[key]} and is {found[key]}' for key in different)}. No data was changed. "
            f"Next step: correct the environment file. Or, {' and '.join(map(_when_replaced, different))}: delete "
            f"{record} and run again; what is found then is put on record anew."
        )


def _when_replaced(key: str) -> str:
    """When it is right that this part of an environment's identity is another one, and what to look at first."""
    match key:
        case "repository" | "offsite":
            return (
                "if this repository takes the former one's place on purpose, `restic snapshots` lists there what you "
                "expect, and the former one is kept for as long as its backups count"
            )
        case _:
            return (
                "if PostgreSQL or the database was really replaced, and the environment file names the right server "
                "and database"
            )
