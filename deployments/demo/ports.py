"""The ports of the demo's servers: chosen once, and again only when another program took one."""

import json
from pathlib import Path

from deployments.engines.ports import free_port, is_free
from odoo_ops.model.base import Value


class Ports(Value):
    """Where the servers listen, on 127.0.0.1.

    Attributes:
        redirect: leads to Odoo's, where that is by TLS.
    """

    prefect: int
    odoo: int
    redirect: int

    @property
    def prefect_url(self) -> str:
        """Address of Prefect's UI."""
        return f"http://127.0.0.1:{self.prefect}"


def settle_ports(file: Path) -> Ports:
    """The ports of the former run where they are free, else others; they are written to the file."""
    former: dict[str, int] = json.loads(file.read_text()) if file.is_file() else {}
    chosen: dict[str, int] = {}
    for name in Ports.model_fields:
        port = former.get(name) or free_port()
        while port in chosen.values() or not is_free(port):
            port = free_port()
        chosen[name] = port
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(chosen))
    partial.rename(file)
    return Ports(**chosen)
