"""PostgreSQL's server programs on this machine."""

import shutil
from pathlib import Path

from odoo_ops.errors import PreconditionFailed

_DEBIAN = Path("/usr/lib/postgresql")
_NEEDED = ("initdb", "pg_ctl", "postgres")


def find_programs(major_version: str | None = None) -> Path | None:
    """The folder with the server programs of one major version, such as "15"; None: of the newest.

    Debian keeps each version in a folder of its own and off PATH; elsewhere the one on PATH counts, whatever
    its version.
    """
    wanted = major_version or "*"
    folders = [folder for folder in _DEBIAN.glob(f"{wanted}/bin") if _complete(folder)]
    if folders:
        return max(folders, key=lambda folder: float(folder.parent.name))
    on_path = shutil.which("pg_ctl")
    folder = Path(on_path).resolve().parent if on_path else None
    return folder if folder and _complete(folder) else None


def require_programs(major_version: str | None = None) -> Path:
    """The folder with the server programs.

    Raises:
        PreconditionFailed: this machine does not have them.
    """
    folder = find_programs(major_version)
    if folder is None:
        package = f"postgresql-{major_version}" if major_version else "postgresql"
        raise PreconditionFailed(
            f"The server programs of PostgreSQL {major_version or ''} are not on this machine "
            f"(looked in {_DEBIAN} and PATH). Next step: run `apt-get install {package}` as root."
        )
    return folder


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _NEEDED)
