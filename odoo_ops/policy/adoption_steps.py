"""What is left to do between the file that `adopt` writes and the first backup."""

from collections.abc import Iterator

from odoo_ops.model.adoption import FoundOdoo
from odoo_ops.model.found import Place
from odoo_ops.policy.adoption import admin_user, odoo_series, secret_names
from odoo_ops.policy.toolboxes import has_usual_files, lacks_toolbox
from odoo_ops.units import shown_bytes


def steps(found: FoundOdoo) -> tuple[str, ...]:
    """Everything, in the order in which it is done."""
    own = _in_project(found) if found.odoo else _on_host(found)
    return (*_host(found), *own, *_unknown(found), *_secrets(found), *_then(found))


def _host(found: FoundOdoo) -> Iterator[str]:
    if found.request.host:
        yield f"Keep this file in the folder whose files describe the host {found.request.host}."


def _in_project(found: FoundOdoo) -> Iterator[str]:
    odoo = found.odoo[0]
    if not has_usual_files(odoo):
        yield (
            "The flows call Compose without names of files. Write into "
            f"{odoo.folder}/.env: COMPOSE_FILE={':'.join(odoo.files)}"
        )
    if odoo.mount_of(found.data_dir) is None:
        yield (
            f"Give {odoo.service} a volume or a folder for {found.data_dir}: no other container sees what is in its "
            "own, so nothing can be backed up before."
        )
    if lacks_toolbox(found):
        yield (
            "Add the lines below to the project, as compose.override.yaml beside its compose file (or to the one that "
            "is there). They start nothing: the flows do, for themselves."
        )
        major = found.postgres.major if found.postgres else "…"
        yield (
            "On the host, build the image that they name: docker build --build-arg "
            f"POSTGRES_VERSION={major} --tag odoo-ops-toolbox:{major} deployments/images/toolbox"
        )
    else:
        yield (
            f"Compare the folders below with the volumes of {' and '.join(found.toolboxes)}: {found.repository.path} "
            f"for backups, {found.state.path} for locks and dumps."
        )
    yield from _room(found, needed_bytes=_data_bytes(found))


def _on_host(found: FoundOdoo) -> Iterator[str]:
    if found.missing_programs:
        yield f"Install on the host: {', '.join(found.missing_programs)}."
    if found.unseen_login:
        yield (
            f"PostgreSQL's socket lets in only the system's user {found.user}, and {found.acting_user} acts there. Set "
            f"`become: {found.user}` for the host, or give the role a password and write server: 127.0.0.1 and "
            "password: {from_env: …} below."
        )
    for place in (found.repository, found.state):
        if not place.writable:
            yield f"As root: install -d -o {found.acting_user} -m 0700 {place.path}"
    yield from _room(found, needed_bytes=_data_bytes(found))
    if found.process is None or not (found.process.unit or found.settings.options.get("pidfile")):
        yield (
            "Say how Odoo is started and stopped (a restore does it): service: {kind: systemd, unit: odoo.service} or "
            "{kind: process, …}. It was not seen."
        )
    yield (
        "For restores, not for backups: name a superuser of PostgreSQL as admin_user and admin_password of `database`. "
        "Most Odoo databases cannot be restored without one."
    )


def _room(found: FoundOdoo, needed_bytes: int) -> Iterator[str]:
    for place, what in ((found.repository, "backups"), (found.state, "one dump")):
        if place.free_bytes < needed_bytes:
            yield _no_room(place, what, needed_bytes)


def _no_room(place: Place, what: str, needed_bytes: int) -> str:
    return (
        f"{place.path} has {shown_bytes(place.free_bytes)} free for {what}; the data is {shown_bytes(needed_bytes)}. "
        "Name a folder with more room, or another kind of repository."
    )


def _data_bytes(found: FoundOdoo) -> int:
    return found.database.size_bytes + (found.files.size_bytes or 0)


def _unknown(found: FoundOdoo) -> Iterator[str]:
    if not odoo_series(found):
        yield "Write Odoo's series, such as version: '19.0', into `odoo`: it could not be read."
    if found.postgres is None:
        yield f"PostgreSQL ({found.server}) could not be asked: look at all that `database` says."


def _secrets(found: FoundOdoo) -> Iterator[str]:
    variables = secret_names(found)
    where = f"as {found.odoo[0].service} of the project has it" if found.odoo else f"as {found.config or 'Odoo'} has it"
    meanings = {
        "odoo": f"the password of the role {found.user}, {where}",
        "postgres": f"that of the superuser {admin_user(found)} (POSTGRES_PASSWORD of the project)",
        "restic": "a new one for the backups; `odoo-ops keys generate` makes one, with a sheet of paper",
    }
    for secret, variable in variables.items():
        yield f"Set {variable}: {meanings[secret]}."


def _then(found: FoundOdoo) -> Iterator[str]:
    yield (
        f"Read the file, then: odoo-ops environments check, odoo-ops environments register, and prefect deployment run "
        f"backup/backup --param environment={found.name}"
    )
    yield (
        "Backups on the machine that they are of go with it: name a second repository as `offsite` "
        "(deployments/examples/repositories)."
    )
