"""A virtual environment with a locked set of packages, made by uv where there is one, else by pip."""

import shutil
import sys
from pathlib import Path

from deployments.engines.process import run


def make_environment(folder: Path, lock: Path) -> None:
    """Make a virtual environment of this Python and install every package of the lock, wheels only.

    Nothing is built, so no compiler and no build tool takes part.

    Args:
        folder: it must not exist yet, or be empty.
        lock: a requirements file with a hash for every package, dependencies included.

    Raises:
        CommandFailed: a package cannot be had for this Python, or its hash is another.
    """
    uv = find_uv()
    python = folder / "bin" / "python"
    install: list[str | Path]
    if uv:
        run([uv, "venv", "--quiet", "--python", sys.executable, folder])
        install = [uv, "pip", "install", "--python", python]
    else:
        run([sys.executable, "-m", "venv", folder], hint="run `apt-get install python3-venv` as root")
        install = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    run(
        [*install, "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement", lock],
        hint="see what the package index of this machine answered; the lock needs Python 3.11 to 3.13",
    )


def find_uv() -> Path | None:
    """The program uv: beside this Python, else on PATH; None if there is none."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    return Path(found) if found else None
