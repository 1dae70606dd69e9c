"""What `provision` found on a host, and what it is about to change there."""

import hashlib
from typing import Literal

from odoo_ops.model.base import Value
from odoo_ops.model.checks import Check
from odoo_ops.model.provision import HostFacts
from odoo_ops.model.sizing import Sizing


class WantedService(Value):
    """A service as the rendered compose file describes it.

    Attributes:
        image: as the file names it.
        image_id: of the image of that name on the host; None: it is not there yet.
        config_hash: what Compose would note on its container; None: only a profile starts it.
        networks: Docker's names of those that it is in.
        memory_bytes: its limit; 0: none.
        pids_limit: of its processes and threads; 0: none.
        nano_cpus: its share of the processors, in billionths of one; 0: no limit.
        restart_policy: Docker's word.
    """

    name: str
    image: str
    image_id: str | None = None
    config_hash: str | None = None
    networks: tuple[str, ...]
    memory_bytes: int
    pids_limit: int
    nano_cpus: int
    restart_policy: str


class PresentFile(Value):
    """A file of the project as it is on the host."""

    text: str
    mode: int


class ReleasedImage(Value):
    """The image of Odoo that was released to a project.

    Attributes:
        image: as the compose file names it; its name says its content.
        instead_of: what the environment file named then. When it names another one since, that one is meant.
    """

    image: str
    instead_of: str


class ProjectRecord(Value):
    """What is noted in a project's folder.

    Attributes:
        unfinished: files that were written, and that services may not have taken yet.
        has_database: an Odoo database was made or seen here.
        released: None: no image was released here.
        memory_bytes: the machine's, as it was when the sizes were made; None: that was not noted.
    """

    environment: str
    project: str
    database: str
    stage: str
    unfinished: tuple[str, ...] = ()
    has_database: bool = False
    released: ReleasedImage | None = None
    memory_bytes: int | None = None


class ClusterFacts(Value):
    """What PostgreSQL tells of a project, and the environment's own notes beside it.

    Attributes:
        has_database: whether there is one for Odoo; None: nobody knows.
        odoo_version: as that tells it; empty: nobody knows.
        waiting: settings that it takes only at its next start.
        unsettled: an earlier run ended in the middle of a swap or a restart.
        unasked: why a PostgreSQL that runs could not be asked as the superuser and as Odoo's role; empty: it could.
    """

    has_database: bool | None = None
    odoo_version: str = ""
    waiting: tuple[str, ...] = ()
    unsettled: bool = False
    unasked: str = ""


class FoundMachine(Value):
    """The machine of a project, for who approves a plan.

    Attributes:
        facts: processors and memory.
        free_bytes: where Docker keeps its data.
        docker: version of its engine.
        compose: version of its plugin.
        ports: addresses and ports of it on which the project answers.
        neighbours: names of the other compose projects that run there.
    """

    facts: HostFacts
    free_bytes: int
    docker: str
    compose: str
    ports: tuple[str, ...]
    neighbours: tuple[str, ...] = ()


class FileChange(Value):
    """A file that is written.

    Attributes:
        change: `mode` where only that differs; `unfinished` where a run wrote it and ended before services took it.
        diff: unified, from what is there to what is wanted; empty for a secret, and where the content does not differ.
    """

    path: str
    change: Literal["new", "changed", "mode", "unfinished"]
    diff: str


class ServiceChange(Value):
    """What happens to one service, and why.

    Attributes:
        action: `update` changes its container while that runs.
    """

    service: str
    action: Literal["create", "recreate", "start", "restart", "update", "reload", "remove"]
    why: str


class ProvisionPlan(Value):
    """All that will be changed; nothing else is.

    Attributes:
        new_database: an Odoo database is made and initialised.
        lost_database: there was one, and it is not there any more: none is made in its place.
        lost_volumes: volumes of the compose file whose data is lost, which was accepted: `restore` fills them.
        unsettled: what an earlier run left in the middle of a swap or a restart is settled.
        pull: images that are fetched first.
        waiting: settings that PostgreSQL takes only at its next start, which no plan brings about.
        certificate: why certbot gets another certificate, in words; empty: it does not.
        crowded: why the machine's memory is too little for all projects on it, in words; it changes nothing.
        unfit_certificate: why what was given is not put in place and the certificate there stays; it changes nothing.
        machine: on which it is carried out; it changes nothing.
        sizes: of the parts that are made there; what they change is in the files.
        superseded: image that was released, and whose place is taken by the one that the environment file names since.
        unasked: why PostgreSQL, which runs, could not be asked: its roles get their passwords; empty: it could.
    """

    environment: str
    files: tuple[FileChange, ...] = ()
    services: tuple[ServiceChange, ...] = ()
    pull: tuple[str, ...] = ()
    new_database: bool = False
    lost_database: bool = False
    lost_volumes: tuple[str, ...] = ()
    unsettled: bool = False
    waiting: tuple[str, ...] = ()
    certificate: str = ""
    superseded: str = ""
    unasked: str = ""
    crowded: str = ""
    unfit_certificate: str = ""
    machine: FoundMachine | None = None
    sizes: Sizing | None = None

    @property
    def empty(self) -> bool:
        """Whether the host is as it is wanted."""
        changes = (self.files, self.services, self.pull, self.new_database, self.lost_database, self.unsettled)
        return not any((*changes, self.lost_volumes, self.certificate, self.superseded, self.unasked))

    @property
    def digest(self) -> str:
        """What tells it from another plan: who approved this one did not approve that one."""
        # these are told in another text each time, or change nothing
        apart = {"waiting", "crowded", "unasked", "unfit_certificate", "machine", "sizes"}
        told = self.model_dump_json(exclude=apart)
        return hashlib.sha256(f"{told} {bool(self.unasked)}".encode()).hexdigest()[:12]

    @property
    def summary(self) -> str:
        """The plan in one sentence."""
        if self.empty:
            return "Nothing differs."
        parts = [f"{len(self.files)} files to write"] if self.files else []
        parts += [f"{change.action} {change.service}" for change in self.services]
        parts += ["make a new database"] if self.new_database else []
        parts += ["the database is lost"] if self.lost_database else []
        parts += [f"accept the loss of the volume {volume}" for volume in self.lost_volumes]
        parts += ["settle what an earlier run left"] if self.unsettled else []
        parts += [f"fetch {len(self.pull)} images"] if self.pull else []
        parts += ["get a certificate"] if self.certificate else []
        parts += ["PostgreSQL cannot be asked: give its roles their passwords"] if self.unasked else []
        parts += [f"replace the released image {self.superseded} by the environment file's"] if self.superseded else []
        words = ", ".join(parts)
        return f"{words[0].upper()}{words[1:]}."

    def services_to(self, *actions: str) -> tuple[str, ...]:
        """Names of the services to which one of these happens."""
        return tuple(change.service for change in self.services if change.action in actions)


class ProvisionReport(Value):
    """One run of `provision`.

    Attributes:
        plan: what was to be changed.
        applied: whether it was.
        steps: those that were begun to change it, in words; none where nothing was changed.
        failed: it ended at the last of these.
        next_step: what the error at which it ended advises; empty: nothing.
        checks: what was looked at afterwards.
        at_work: where one failed, or something differs in a dry run: the run that stops and starts Odoo just now, in
            words.
    """

    environment: str
    seconds: float
    plan: ProvisionPlan
    applied: bool
    steps: tuple[str, ...] = ()
    failed: bool = False
    next_step: str = ""
    checks: tuple[Check, ...] = ()
    at_work: str | None = None
