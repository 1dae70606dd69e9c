"""The virtual environment: made by uv where there is one, else by venv and pip; anew only when it must be."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from deployments.development.odoo_source import OdooSource
from deployments.engines.process import run
from deployments.engines.python_environment import find_uv
from odoo_ops.errors import PreconditionFailed

_SEES_CHANGES = "inotify"  # with it `--dev=all` sees that a file was changed
_PRINT_VERSION = "import sys; print('.'.join(map(str, sys.version_info[:3])))"


def fit_python(program: str, source: OdooSource) -> str:
    """The version of a Python with which the virtual environment is made.

    Raises PreconditionFailed where there is none, or one that is too old for this Odoo.
    """
    version = run([program, "-c", _PRINT_VERSION], hint="name a Python in `python`, or install it").strip()
    if tuple(map(int, version.split(".")[:2])) < source.least_python:
        least = ".".join(map(str, source.least_python))
        raise PreconditionFailed(
            f"{program} is Python {version}, and Odoo {source.series} needs {least} or later. Nothing was changed. "
            "Next step: name a newer one in `python`."
        )
    return version


def ensure_environment(
    folder: Path, python: str, version: str, requirements: Sequence[Path], show: Callable[[str], None]
) -> bool:
    """Make the virtual environment, and install what the files require, unless just that was done.

    Args:
        folder: of the environment.
        python: the program it is made with.
        version: of that.
        requirements: files as pip reads them.
        show: is told what takes time.

    Returns:
        whether anything was installed.

    Raises:
        CommandFailed: a package cannot be installed; says what the installer said.
    """
    texts = [file.read_text() for file in requirements]
    wanted = hashlib.sha256("\0".join([version, _SEES_CHANGES, *texts]).encode()).hexdigest()
    stamp = folder / "installed"
    made = stamp.read_text().split() if stamp.is_file() else []
    if made == [version, wanted]:
        return False
    if made[:1] != [version]:  # another Python, or its making was cut off
        show(f"Making a virtual environment of Python {version}")
        shutil.rmtree(folder, ignore_errors=True)
        _make(folder, python)
    stamp.write_text(f"{version} unfinished")
    show(f"Installing the packages of {', '.join(map(str, requirements)) or 'no file'}")
    named = [word for file in requirements for word in ("--requirement", str(file))]
    _install(folder, named or [_SEES_CHANGES])
    _install(folder, [_SEES_CHANGES])  # by itself: files with hashes allow nothing without
    stamp.write_text(f"{version} {wanted}")
    return True


def _make(folder: Path, python: str) -> None:
    uv = find_uv()
    if uv:
        run([uv, "venv", "--quiet", "--python", shutil.which(python) or python, folder])
    else:
        run([python, "-m", "venv", folder], hint="on Debian run `apt-get install python3-venv` as root")


def _install(folder: Path, words: Sequence[str]) -> None:
    uv, python = find_uv(), folder / "bin" / "python"
    pip: list[str | Path] = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    program: list[str | Path] = [uv, "pip", "install", "--python", python] if uv else pip
    run(
        [*program, "--quiet", *words],
        hint="correct what is named there in its file, or install what its making needs (on Debian often "
        "build-essential, python3-dev, libpq-dev, libldap-dev, libsasl2-dev); then run again",
    )
