"""restic 0.17 or later: the machine's own, else the one of Debian 13."""

import re
from pathlib import Path

from deployments.engines.debian_program import DebianProgram
from deployments.engines.process import run
from odoo_ops.errors import VerificationFailed

MINIMUM = (0, 17)


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


_RESTIC = DebianProgram(
    name="restic",
    package="restic",
    fits=lambda program: restic_version(program) >= MINIMUM,
    otherwise="install restic 0.17 or later so that it is found on PATH",
)
find_restic, install_restic = _RESTIC.find, _RESTIC.install
