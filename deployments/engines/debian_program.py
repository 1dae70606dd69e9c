"""A program that the machine has, or else a package of Debian 13 gives: one that is linked statically runs anywhere."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deployments.engines.debian import unpack_packages
from deployments.engines.folder import make_once
from odoo_ops.errors import VerificationFailed

_SUITE = "trixie"


@dataclass(frozen=True)
class DebianProgram:
    """How to find a program, or to make it under the engines' folder.

    Attributes:
        name: what it is called, also as an engine.
        package: Debian's package, and what that calls it.
        fits: whether a program that is there will do. Raises VerificationFailed for one that does not answer.
        otherwise: what else its user can do where no package gives it.
    """

    name: str
    package: str
    fits: Callable[[Path], bool]
    otherwise: str

    def install(self, engines: Path) -> Path:
        """Make it, unless the machine has one that will do. Returns the program to run.

        Raises:
            PreconditionFailed: this machine lacks what is needed.
            CommandFailed: the download failed, or the program does not run here.
            VerificationFailed: what was unpacked will not do; it was not published.
        """
        found = self.find(engines)
        if found:
            return found
        make_once(engines / self.name, f"{self.name} of {_SUITE}", self._build)
        return self._program(engines / self.name)

    def find(self, engines: Path) -> Path | None:
        """The machine's own if it will do, else the one under the folder, else None."""
        candidates = [*self._own(), self._program(engines / self.name)]
        return next((program for program in candidates if program.is_file() and self.fits(program)), None)

    def _own(self) -> Iterator[Path]:
        for name in (self.name, self.package):
            if found := shutil.which(name):
                yield Path(found)

    def _program(self, folder: Path) -> Path:
        return folder / "bin" / self.name

    def _build(self, folder: Path) -> None:
        unpacked = folder / "unpacked"
        unpacked.mkdir()
        unpack_packages([self.package], suite=_SUITE, into=unpacked, otherwise=self.otherwise)
        self._program(folder).parent.mkdir()
        (unpacked / "usr/bin" / self.package).rename(self._program(folder))
        shutil.rmtree(unpacked)
        if not self.fits(self._program(folder)):
            raise VerificationFailed(
                f"This machine's archive has {self.name}, but not one that will do. Next step: {self.otherwise}."
            )
