"""What a compose project that was made by hand lacks, so that the flows can work in it."""

from odoo_ops.model.adoption import FoundOdoo, Toolbox
from odoo_ops.model.found import FoundContainer, FoundMount

TOOLBOX, RESTORE_TOOLBOX = "toolbox", "toolbox-restore"
# as Compose finds them without being told
_USUAL_FILES = {
    f"{name}{kind}.{suffix}"
    for name in ("compose", "docker-compose")
    for kind in ("", ".override")
    for suffix in ("yaml", "yml")
}
_POSTGRES_MAJOR = 17  # where PostgreSQL was not asked


def has_usual_files(odoo: FoundContainer) -> bool:
    """Whether Compose finds the project's files in its folder without being told their names."""
    return all(file.removeprefix(f"{odoo.folder}/") in _USUAL_FILES for file in odoo.files)


def lacks_toolbox(found: FoundOdoo) -> bool:
    """Whether the project has no services in which the flows can work."""
    return bool(found.odoo) and not {TOOLBOX, RESTORE_TOOLBOX} <= set(found.toolboxes)


def addons_that_last(found: FoundOdoo) -> list[str]:
    """Folders of addons that others see, too; of a container's, those that its next one has again."""
    if not found.odoo:
        return list(found.addons)
    mounts = {folder: found.odoo[0].mount_of(folder) for folder in found.addons}
    return [folder for folder, mount in mounts.items() if mount and not mount.is_nameless]


def toolbox(found: FoundOdoo) -> Toolbox:
    """The services for the flows: they see Odoo's data and addons at the same paths, and are in the same networks."""
    odoo = found.odoo[0]
    data = odoo.mount_of(found.data_dir)
    mounts = _mounts(found, data)
    external = {f"odoo-ops-volume-{number}": name for number, name in enumerate(_foreign(found, mounts), 1)}
    sources = {name: key for key, name in external.items()} | _volumes(found)
    return Toolbox(
        major=found.postgres.major if found.postgres else _POSTGRES_MAJOR,
        volumes=tuple((sources[mount.name] if mount.name else mount.source, mount.destination) for mount in mounts),
        data=data.destination if data else "",
        external=external,
        networks=_networks(found),
        backups=f"{odoo.folder}/backups",
        repository=found.repository.path,
    )


def _mounts(found: FoundOdoo, data: FoundMount | None) -> list[FoundMount]:
    addons = [found.odoo[0].mount_of(folder) for folder in addons_that_last(found)]
    return list(dict.fromkeys(mount for mount in (data, *addons) if mount))


def _foreign(found: FoundOdoo, mounts: list[FoundMount]) -> list[str]:
    """Volumes that the compose file has no name for."""
    known = _volumes(found)
    return list(dict.fromkeys(mount.name for mount in mounts if mount.name and mount.name not in known))


def _volumes(found: FoundOdoo) -> dict[str, str]:
    return dict(found.project.volumes) if found.project else {}


def _networks(found: FoundOdoo) -> dict[str, bool]:
    """Those of Odoo and PostgreSQL, as the compose file calls them, and whether they are another's."""
    known = found.project.networks if found.project else {}
    containers = (found.odoo[0], *((found.postgres_container,) if found.postgres_container else ()))
    names = sorted({network for one in containers for network in one.networks})
    return {known.get(name, name): name not in known for name in names}
