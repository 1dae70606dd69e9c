"""Packages of another Debian suite, unpacked into a folder; the machine's apt setup stays as it is.

The mirror is the one the machine uses already. Where apt has no Debian mirror (Ubuntu), the packages
are looked for in the machine's own suites.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from deployments.engines.process import run
from odoo_ops.errors import PreconditionFailed

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TARGET_FIELDS = "$(ORIGIN)\t$(LABEL)\t$(COMPONENT)\t$(REPO_URI)"


def unpack_packages(packages: Sequence[str], *, suite: str, into: Path, otherwise: str) -> None:
    """Download packages of one suite and unpack them, without their dependencies.

    Args:
        packages: their names.
        suite: a Debian suite: `trixie`, `sid`.
        into: an existing folder; it becomes the packages' root.
        otherwise: the next step to name where the packages cannot be had.

    Raises:
        PreconditionFailed: apt or its lists are missing, or Debian's signing keys.
        CommandFailed: the mirror did not answer, or does not have a package.
    """
    with TemporaryDirectory(dir=into, prefix=".download-") as folder:
        scratch = Path(folder)
        mirror = debian_mirror()
        options = _suite_options(scratch, mirror, suite) if mirror else []
        hint = otherwise if mirror else f"this system's apt has no Debian mirror; {otherwise}"
        if mirror:
            run(["apt-get", *options, "-qq", "update"], hint=otherwise)
        run(["apt-get", *options, "-qq", "download", *packages], working_directory=scratch, hint=hint)
        for archive in sorted(scratch.glob("*.deb")):
            run(["dpkg", "-x", archive, into])


def debian_mirror() -> str | None:
    """The machine's own mirror of Debian's main archive; None if its apt has none, or it has no apt.

    Raises:
        PreconditionFailed: apt has read no archive's index yet.
    """
    if shutil.which("apt-get") is None:
        return None
    indexes = run(["apt-get", "indextargets", "--format", _TARGET_FIELDS, "Created-By: Packages"])
    if not indexes.strip():
        raise PreconditionFailed(
            "apt knows no package archive on this machine. Next step: run `apt-get update` as root."
        )
    for line in indexes.splitlines():
        origin, label, component, address = line.split("\t")
        if (origin, label, component) == ("Debian", "Debian", "main"):
            return address
    return None


def _suite_options(scratch: Path, mirror: str, suite: str) -> list[str]:
    """Options that give apt a state of its own, which knows this suite alone, inside the folder."""
    if not _KEYRING.is_file():
        raise PreconditionFailed(
            f"Debian's signing keys are missing: {_KEYRING}. "
            "Next step: run `apt-get install debian-archive-keyring` as root."
        )
    for part in ("lists/partial", "cache/archives/partial"):
        (scratch / part).mkdir(parents=True)
    sources, status = scratch / "sources.list", scratch / "status"
    sources.write_text(f"deb [signed-by={_KEYRING} target=Packages] {mirror} {suite} main\n")
    status.touch()
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State::Lists": scratch / "lists",
        "Dir::State::Status": status,
        "Dir::Cache": scratch / "cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",  # apt's own user may not be able to enter the folder
    }
    return [f"--option={name}={value}" for name, value in settings.items()]
