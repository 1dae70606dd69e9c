"""The folders and files of the demo. Nothing of it lies anywhere else."""

from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Layout:
    """Where everything is.

    Attributes:
        root: the demo's folder. `run` in it is one run's, deleted by the next; the rest is kept between runs.
    """

    root: Path = CHECKOUT / ".demo"

    @property
    def lock(self) -> Path:
        """Held while a demo runs or is ended."""
        return self.root / ".demo.lock"

    @property
    def postgres(self) -> Path:
        """The PostgreSQL cluster."""
        return self.root / "postgres"

    @property
    def base(self) -> Path:
        """The data folder that belongs to the pristine database."""
        return self.root / "base"

    @property
    def prefect_base(self) -> Path:
        """The empty Prefect database."""
        return self.root / "prefect-base"

    @property
    def ports(self) -> Path:
        """The ports once chosen."""
        return self.root / "ports.json"

    @property
    def run(self) -> Path:
        """Everything of one run."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """What every program said."""
        return self.run / "logs"

    @property
    def secrets(self) -> Path:
        """One file for each password."""
        return self.run / "secrets"

    @property
    def environments(self) -> Path:
        """The environment files that are registered."""
        return self.run / "environments"

    @property
    def repository(self) -> Path:
        """The restic repository."""
        return self.run / "repository"

    @property
    def project(self) -> Path:
        """The files of the compose project."""
        return self.run / "project"

    @property
    def project_mark(self) -> Path:
        """There while a compose project may be there; it names the folder of the engines that runs it."""
        return self.root / "compose-project"

    def place(self, environment: str) -> Path:
        """Folder of one environment: its configuration, data and state."""
        return self.run / environment
