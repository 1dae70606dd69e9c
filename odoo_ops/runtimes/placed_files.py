"""The files of a compose project on its machine: which are there, and how they are put in place."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from odoo_ops.model.plan import FileChange, PresentFile
from odoo_ops.model.provision import ProjectFile
from odoo_ops.policy.project_plans import MOUNTED_FOLDERS
from odoo_ops.project_files import COMPOSE_FILE, SECRETS_FOLDER, SECRETS_FOLDER_MODE, TLS_CERTIFICATE, TLS_KEY
from odoo_ops.runtimes.certificates import AUTHORITY
from odoo_ops.runtimes.project import Project

# of folders: containers' users pass, but not where secrets are; of these they see what is mounted
CLOSED_FOLDERS = {SECRETS_FOLDER: SECRETS_FOLDER_MODE, AUTHORITY.rpartition("/")[0]: SECRETS_FOLDER_MODE}
_CERTIFICATE = (TLS_CERTIFICATE, TLS_KEY)
_MODE = 0o755


def read_files(project: Project) -> dict[str, PresentFile]:
    """Those of the wanted files that are there."""
    found = {}
    for file in project.files:
        text = project.machine.call("read_text", path=project.place(file.path))
        if text is not None:
            mode = project.machine.call("describe_path", path=project.place(file.path))["mode"]
            found[file.path] = PresentFile(text=text, mode=mode)
    return found


def read_folders(project: Project) -> dict[str, int]:
    """Modes of those folders that others must not enter, as they are."""
    found = {path: project.machine.call("describe_path", path=project.place(path)) for path in CLOSED_FOLDERS}
    return {path: place["mode"] for path, place in found.items() if place["exists"]}


def lost_folders(project: Project) -> list[str]:
    """Of the folders that containers see, those that are not there, or were not when a dead run wrote its files."""
    record = project.read_record()
    noted = record.unfinished if record else ()
    wanted = [path for path in MOUNTED_FOLDERS if any(file.path.startswith(f"{path}/") for file in project.files)]
    return [path for path in wanted if f"{path}/" in noted or not _exists(project, path)]


def _exists(project: Project, path: str) -> bool:
    return bool(project.machine.call("describe_path", path=project.place(path))["exists"])


def write_files(project: Project, changes: Sequence[FileChange]) -> None:
    """Write what a plan says; the compose file is the last, so what it names is there."""
    project.machine.call("make_directory", path=project.runtime.folder)
    paths = {change.path for change in changes}
    for folder, mode in CLOSED_FOLDERS.items():
        if f"{folder}/" in paths:
            project.machine.call("set_mode", path=project.place(folder), mode=mode)
    for file in sorted(project.files, key=lambda file: file.path == COMPOSE_FILE):
        if file.path in paths:
            write_file(project, file)


def put_certificate(project: Project, files: Sequence[ProjectFile]) -> None:
    """Put a certificate's files in place, and let nginx take what is there.

    If that dies in between, the next `provision` finds them unfinished, and `renew_certificates` that nginx shows
    another one. Raises PreconditionFailed when nginx cannot be told.
    """
    record = project.read_record() or project.identity
    others = tuple(path for path in record.unfinished if path not in _CERTIFICATE)
    project.note_record(record.model_copy(update={"unfinished": (*others, *_CERTIFICATE)}))
    for file in files:
        write_file(project, file)
    project.reload_nginx()
    project.note_record(record.model_copy(update={"unfinished": others}))


def has_unfinished_certificate(project: Project) -> bool:
    """Whether a run put a certificate in place and may not have told nginx."""
    record = project.read_record()
    return record is not None and any(path in _CERTIFICATE for path in record.unfinished)


def write_file(project: Project, file: ProjectFile) -> None:
    """Put one file in its place, by rename."""
    _make_folders(project, file.path)
    text = file.content.get_secret_value()
    project.machine.call("write_text", path=project.place(file.path), text=text, mode=file.mode)


def _make_folders(project: Project, path: str) -> None:
    for folder in reversed(PurePosixPath(path).parents[:-1]):
        mode = CLOSED_FOLDERS.get(str(folder), _MODE)
        project.machine.call("make_directory", path=project.place(str(folder)), mode=mode)
        project.machine.call("set_mode", path=project.place(str(folder)), mode=mode)
