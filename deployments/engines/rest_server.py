"""restic's rest-server: the machine's own, else the one of Debian 13, which is linked statically. For tests."""

import shutil
from pathlib import Path

from deployments.engines.debian import unpack_packages
from deployments.engines.folder import make_once
from deployments.engines.process import run

_PROGRAM = "restic-rest-server"
_SUITE = "trixie"


def install_rest_server(engines: Path) -> Path:
    """Make rest-server under the engines' folder, unless the machine has one. Returns the program to run.

    Raises:
        PreconditionFailed: this machine lacks what is needed.
        CommandFailed: the download failed, or the program does not run here.
    """
    found = find_rest_server(engines)
    if found:
        return found
    make_once(engines / "rest-server", f"rest-server of {_SUITE}", _build)
    return _program(engines / "rest-server")


def find_rest_server(engines: Path) -> Path | None:
    """The rest-server to run: the machine's own, else the one under the folder, else None."""
    own = shutil.which("rest-server") or shutil.which(_PROGRAM)
    program = Path(own) if own else _program(engines / "rest-server")
    return program if program.is_file() else None


def rest_server_version(program: Path) -> str:
    """What it says of its version."""
    return run([program, "--version"]).strip()


def _program(folder: Path) -> Path:
    return folder / "bin" / "rest-server"


def _build(folder: Path) -> None:
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    otherwise = "install restic's rest-server so that it is found on PATH"
    unpack_packages([_PROGRAM], suite=_SUITE, into=unpacked, otherwise=otherwise)
    _program(folder).parent.mkdir()
    (unpacked / "usr/bin" / _PROGRAM).rename(_program(folder))
    shutil.rmtree(unpacked)
    rest_server_version(_program(folder))
