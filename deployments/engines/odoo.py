"""A real Odoo 19: Debian's package, unpacked, with a virtual environment of its own.

Debian's unstable suite has the only packaged Odoo 19; it is pure Python and runs on any Debian. What
its symbolic links point to is unpacked beside it.
"""

import os
import shutil
import sys
from pathlib import Path

from deployments.engines.debian import unpack_packages
from deployments.engines.folder import make_once
from deployments.engines.process import run
from deployments.engines.python_environment import make_environment
from odoo_ops.errors import PreconditionFailed, VerificationFailed

_SUITE = "sid"
_PACKAGE = "odoo-19"
_LINKED_SUITE = "trixie"
_LINKED_PACKAGES = (
    "fonts-font-awesome",
    "fonts-inconsolata",
    "fonts-montserrat",
    "fonts-ocr-b",
    "fonts-roboto-unhinted",
    "libjs-jquery",
    "libjs-jquery-form",
    "libjs-underscore",
)
_HERE = Path(__file__).resolve().parent
_LOCK = _HERE / "requirements-odoo19.txt"
_LAUNCHER = _HERE / "odoo-launcher.sh"
_OTHERWISE = "name an Odoo 19 that you have in the environment variable ODOO_BIN"
_VERSION = "Odoo Server 19."


def install_odoo(engines: Path) -> Path:
    """Make Odoo 19 under the engines' folder, unless it is there or ODOO_BIN names one.

    Returns:
        The program to run.

    Raises:
        PreconditionFailed: ODOO_BIN is not an Odoo 19, or this machine lacks what is needed.
        CommandFailed: a download or an installation failed.
        VerificationFailed: what was made does not run as Odoo 19; it was not published.
    """
    if not os.environ.get("ODOO_BIN"):
        make_once(engines / "odoo19", _recipe(), _build)
    program = find_odoo(engines)
    if program is None:
        raise VerificationFailed(f"{_launcher(engines / 'odoo19')} is missing. Next step: remove {engines}.")
    return program


def find_odoo(engines: Path) -> Path | None:
    """The Odoo 19 to run: ODOO_BIN, else the one under the engines' folder; None if there is none.

    Raises:
        PreconditionFailed: ODOO_BIN is not an Odoo 19.
    """
    named = os.environ.get("ODOO_BIN")
    if not named:
        program = _launcher(engines / "odoo19")
        return program if program.is_file() else None
    version = odoo_version(Path(named))
    if not version.startswith(_VERSION):
        raise PreconditionFailed(
            f"ODOO_BIN={named} calls itself {version!r}, not Odoo 19. "
            "Next step: name an Odoo 19, or unset ODOO_BIN to have one installed."
        )
    return Path(named)


def odoo_version(program: Path) -> str:
    """What the program says to `--version`, such as `Odoo Server 19.0`."""
    return run([program, "--version"], hint=f"repair {program}, or {_OTHERWISE}").strip()


def _launcher(folder: Path) -> Path:
    return folder / "bin" / "odoo"


def _recipe() -> str:
    packages = (_SUITE, _PACKAGE, _LINKED_SUITE, *_LINKED_PACKAGES)
    return "\n".join((*packages, _LOCK.read_text(), _LAUNCHER.read_text(), sys.base_prefix, sys.version))


def _build(folder: Path) -> None:
    debian = folder / "debian"
    debian.mkdir()
    unpack_packages([_PACKAGE], suite=_SUITE, into=debian, otherwise=_OTHERWISE)
    unpack_packages(_LINKED_PACKAGES, suite=_LINKED_SUITE, into=debian, otherwise=_OTHERWISE)
    make_environment(folder / "venv", _LOCK)
    _launcher(folder).parent.mkdir()
    shutil.copy(_LAUNCHER, _launcher(folder))
    _launcher(folder).chmod(0o755)
    _verify(folder)


def _verify(folder: Path) -> None:
    version = odoo_version(_launcher(folder))
    scripts = (folder / "debian/usr/lib/python3/dist-packages/odoo/addons").rglob("*.js")
    dangling = [str(script) for script in scripts if not script.exists()]
    if not version.startswith(_VERSION) or dangling:
        raise VerificationFailed(
            f"The Odoo unpacked in {folder} calls itself {version!r}; scripts whose target is missing: "
            f"{', '.join(dangling) or 'none'}. It was not published. Next step: {_OTHERWISE}."
        )
