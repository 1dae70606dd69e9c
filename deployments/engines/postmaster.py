"""What a PostgreSQL server records of itself in `postmaster.pid`, and whether it is still true."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Postmaster:
    """A server as it recorded itself; after a crash the record stays behind."""

    pid: int
    data: Path

    def exists(self) -> bool:
        """Whether any process has this number, be it another program's since a reboot."""
        return Path(f"/proc/{self.pid}").exists()

    def serves(self) -> bool:
        """Whether that process is a server of this data folder."""
        try:
            arguments = Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.fsencode(self.data) in arguments


def record_file(data: Path) -> Path:
    """Where a server of this data folder records itself."""
    return data / "postmaster.pid"


def recorded_postmaster(data: Path) -> Postmaster | None:
    """The server that serves this data folder, or did until it was killed; None after an orderly end."""
    file = record_file(data)
    if not file.is_file():
        return None
    return Postmaster(int(file.read_text().splitlines()[0]), data)
