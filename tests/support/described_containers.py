"""Containers as Docker describes them, for tests of what is decided about them."""

from datetime import UTC, datetime

from odoo_ops.model.runtimes import Container

_USUAL = {
    "id": "1",
    "service": "odoo",
    "state": "running",
    "health": "",
    "exit_code": 0,
    "out_of_memory": False,
    "restarts": 0,
    "restart_policy": "unless-stopped",
    "started_at": datetime(2026, 2, 1, tzinfo=UTC),
    "config_hash": "a",
    "image": "sha256:1",
    "image_name": "odoo:1",
    "ports": None,
    "networks": {"shop_inside": {}},
    "memory_bytes": 2**30,
    "pids_limit": 2048,
    "nano_cpus": 0,
    "nameless_volumes": [],
}


def container(**changes: object) -> Container:
    """One that runs; `changes` are what is not usual about it."""
    return Container.model_validate(_USUAL | changes)
