"""restic 0.17 or later: the machine's own, else the one of Debian 13, which is linked statically."""

import re
import shutil
from pathlib import Path

from deployments.engines.debian import unpack_packages
from deployments.engines.folder import make_once
from deployments.engines.process import run
from odoo_ops.errors import VerificationFailed

MINIMUM = (0, 17)
_SUITE = "trixie"


def install_restic(engines: Path) -> Path:
    """Make restic under the engines' folder, unless the machine has one that is new enough.

    Returns:
        The program to run.

    Raises:
        PreconditionFailed: this machine lacks what is needed.
        CommandFailed: the download failed, or the program does not run here.
        VerificationFailed: what was unpacked is too old; it was not published.
    """
    found = find_restic(engines)
    if found:
        return found
    make_once(engines / "restic", f"restic of {_SUITE}", _build)
    return _program(engines / "restic")


def find_restic(engines: Path) -> Path | None:
    """The restic to run: the machine's own if new enough, else the one under the folder, else None."""
    own = shutil.which("restic")
    candidates = [Path(own)] if own else []
    for program in [*candidates, _program(engines / "restic")]:
        if program.is_file() and restic_version(program) >= MINIMUM:
            return program
    return None


def restic_version(program: Path) -> tuple[int, ...]:
    """Its version, such as (0, 18, 0).

    Raises:
        VerificationFailed: the program does not answer as restic does.
    """
    answer = run([program, "version"])
    version = re.match(r"restic (\d+)\.(\d+)\.(\d+)", answer)
    if version is None:
        raise VerificationFailed(f"{program} says {answer!r}, not its version. Next step: reinstall restic.")
    return tuple(int(number) for number in version.groups())


def _program(folder: Path) -> Path:
    return folder / "bin" / "restic"


def _build(folder: Path) -> None:
    otherwise = "install restic 0.17 or later so that it is found on PATH"
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    unpack_packages(["restic"], suite=_SUITE, into=unpacked, otherwise=otherwise)
    _program(folder).parent.mkdir()
    (unpacked / "usr/bin/restic").rename(_program(folder))
    shutil.rmtree(unpacked)
    version = restic_version(_program(folder))
    if version < MINIMUM:
        raise VerificationFailed(f"This machine's archive has restic {version}. Next step: {otherwise}.")
