"""Containers of a compose project on the host, without their secrets: of these only how they are is told."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from odoo_ops.hostside.channel import Channel
from odoo_ops.hostside.odoo_options import (
    known_variables,
    program_words,
    read_arguments,
    unwrapped,
)
from odoo_ops.hostside.processes import output_of

_LABEL = "com.docker.compose"


def describe_containers(channel: Channel, project: str) -> dict[str, Any]:
    """Containers of a compose project, and by which names its compose file calls their networks and volumes."""
    filters = [f"--filter=label={_LABEL}.project={project}", f"--filter=label={_LABEL}.oneoff=False"]
    ids = output_of(channel, ["docker", "ps", "--all", "--quiet", "--no-trunc", *filters]).split()
    containers = [_container(found) for found in _inspected(channel, ["docker", "inspect", *ids])] if ids else []
    volumes = sorted({mount["name"] for found in containers for mount in found["mounts"] if mount["name"]})
    networks = sorted({name for found in containers for name in found["networks"]})
    return {
        "containers": containers,
        "volumes": _names(channel, "volume", volumes, project),
        "networks": _names(channel, "network", networks, project),
    }


def _names(channel: Channel, kind: str, names: Sequence[str], project: str) -> dict[str, str]:
    found = _inspected(channel, ["docker", kind, "inspect", *names]) if names else []
    labels = {entry["Name"]: entry["Labels"] or {} for entry in found}
    return {
        name: given[f"{_LABEL}.{kind}"]
        for name, given in labels.items()
        if given.get(f"{_LABEL}.project") == project and f"{_LABEL}.{kind}" in given
    }


def _container(found: dict[str, Any]) -> dict[str, Any]:
    config, host, labels = found["Config"], found["HostConfig"], found["Config"]["Labels"]
    command, entrypoint = unwrapped(config["Cmd"] or []), unwrapped(config["Entrypoint"] or [])
    argv = command if program_words(command) else [*entrypoint, *command]
    options, secrets = read_arguments(argv)
    environment, kinds = known_variables(dict(word.split("=", 1) for word in config["Env"] or [] if "=" in word))
    return {
        "id": found["Id"],
        "name": found["Name"].lstrip("/"),
        "service": labels[f"{_LABEL}.service"],
        "image": config["Image"],
        "running": found["State"]["Status"] == "running",
        "program": argv[: program_words(argv)],
        "options": options,
        "secrets": secrets | kinds,
        "environment": environment,
        "mounts": [
            {"name": mount.get("Name"), "source": mount["Source"], "destination": mount["Destination"]}
            for mount in found["Mounts"]
        ],
        "networks": {
            name: network.get("Aliases") or [] for name, network in found["NetworkSettings"]["Networks"].items()
        },
        "ports": [
            {"inside": int(inside.partition("/")[0]), "address": place["HostIp"] or "0.0.0.0"}  # noqa: S104 - Docker's
            for inside, places in (host["PortBindings"] or {}).items()
            for place in places or ()
        ],
        "logs": {"driver": host["LogConfig"]["Type"], "limited": "max-size" in (host["LogConfig"]["Config"] or {})},
        "restart": host["RestartPolicy"]["Name"] or "no",
        "folder": labels.get(f"{_LABEL}.project.working_dir", ""),
        "files": [name for name in labels.get(f"{_LABEL}.project.config_files", "").split(",") if name],
    }


def _inspected(channel: Channel, argv: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(output_of(channel, argv))
    return found


OPERATIONS: dict[str, Callable[..., object]] = {"describe_containers": describe_containers}
