"""How the Odoo of an environment runs."""

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from odoo_ops.model.base import Value
from odoo_ops.model.paths import AbsolutePath

_NAMELESS = re.compile(r"[0-9a-f]{64}")

ServiceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]


class OnHost(Value):
    """As processes or systemd units of the host."""

    kind: Literal["native"] = "native"


class ComposeProject(Value):
    """In containers of a Docker Compose project on the host.

    Every path of the environment is as its containers see it, and the same in all of them.
    """

    kind: Literal["compose"] = "compose"
    project: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Name of the project, as `docker compose ls` shows it."
    )
    folder: AbsolutePath = Field(description="Folder on the host that holds the project's compose file.")
    odoo_services: tuple[ServiceName, ...] = Field(
        default=("odoo",),
        min_length=1,
        description="Services in which Odoo runs; a restore stops them. In containers of the first one's image a drill "
        "boots Odoo.",
    )
    toolbox: ServiceName = Field(
        default="toolbox",
        description="Service with Python, restic and PostgreSQL's client programs that sees Odoo's data read-only. "
        "One-off containers of it do all the work but writing there.",
    )
    restore_toolbox: ServiceName = Field(
        default="toolbox-restore", description="The same service with Odoo's data writable: restores run in it."
    )


class TrialProject(ComposeProject):
    """A project as another compose file than its own describes it, for one-off containers."""

    file: AbsolutePath


class ServiceContainer(Value):
    """A container of one of a project's services, running or not.

    Attributes:
        state: Docker's word: `running`, `restarting`, `exited` …
        exit_code: of its first process; 0 while that runs.
    """

    service: str
    state: str
    exit_code: int

    @property
    def runs(self) -> bool:
        """Whether it runs, or is about to run again."""
        return self.state in {"running", "restarting"}

    @property
    def is_meant_to_run(self) -> bool:
        """Whether it runs or ended by itself: what was stopped ends with status 0, or by SIGTERM or SIGKILL."""
        return self.runs or (self.state in {"exited", "dead"} and self.exit_code not in {0, 128 + 9, 128 + 15})


def _published(bindings: object) -> object:
    """Ports of the host out of Docker's `PortBindings`: port inside -> where it is published."""
    if bindings is None or isinstance(bindings, dict):
        published = [where for places in (bindings or {}).values() for where in places or ()]
        return sorted({int(where["HostPort"]) for where in published if where["HostPort"]})
    return bindings


def _names(networks: object) -> object:
    """Names of Docker's `Networks`: name -> a container's place in it."""
    return sorted(networks) if isinstance(networks, dict) else networks


def _nameless(mounts: object) -> object:
    """Those names of volumes that Docker itself gave, out of its `Mounts`."""
    if not isinstance(mounts, list):
        return mounts
    names = (mount if isinstance(mount, str) else mount.get("Name", "") for mount in mounts)
    return sorted(name for name in names if _NAMELESS.fullmatch(name))


class Container(Value):
    """A container of a compose project's service as `docker inspect` tells it; not one of `docker compose run`.

    Attributes:
        state: Docker's word: `running`, `restarting`, `exited` …
        health: `healthy`, `unhealthy`, `starting`; empty where the image has no such check.
        restarts: how often Docker itself started it again.
        restart_policy: Docker's word: `always`, `unless-stopped`, `on-failure`, `no` or nothing.
        config_hash: Compose's digest of the service as it was when the container was made.
        image: id of its image.
        image_name: by which the compose file named that when the container was made.
        ports: of the host, which are its while it runs.
        networks: Docker's names of those that it is in.
        memory_bytes: its limit; 0: none, as also where the kernel has no such limits.
        pids_limit: of its processes and threads; 0 or less: none; None: none was asked for, or the kernel has no such.
        nano_cpus: its share of the processors, in billionths of one; 0: no limit.
        nameless_volumes: those that its image declares, and nobody named.
    """

    id: str
    service: str
    state: str
    health: str
    exit_code: int
    out_of_memory: bool
    restarts: int
    restart_policy: str
    started_at: datetime
    config_hash: str
    image: str
    image_name: str
    ports: Annotated[tuple[int, ...], BeforeValidator(_published)]
    networks: Annotated[tuple[str, ...], BeforeValidator(_names)]
    memory_bytes: int
    pids_limit: int | None
    nano_cpus: int
    nameless_volumes: Annotated[tuple[str, ...], BeforeValidator(_nameless)]
