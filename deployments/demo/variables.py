"""The environment variables of the demo's programs: nothing of the user's own setup takes part."""

from collections.abc import Mapping

from deployments.demo.layout import Layout
from deployments.demo.ports import Ports

MARK = "DEMO_OF_ODOO_OPS"  # not ODOO_…: such variables are kept from an Odoo on a copy
_OTHERS = ("PREFECT_", "ODOO_", "PG", "RESTIC_", "XDG_", "PYTHONDONTWRITEBYTECODE")
_LOOPBACK = "127.0.0.1"


def program_variables(layout: Layout, ports: Ports, own: Mapping[str, str]) -> dict[str, str]:
    """All variables of a program of the demo.

    Settings of Prefect, Odoo, PostgreSQL and restic in the user's own environment are left out. Whatever a
    program writes for its user goes below the run's folder; compiled Python is kept, or each flow run would take
    seconds to compile Prefect. MARK tells the demo's processes from all others.
    """
    home = layout.run / "home"
    kept = {name: value for name, value in own.items() if not name.startswith(_OTHERS)}
    return {
        **kept,
        MARK: str(layout.root),
        "HOME": str(home),
        "TMPDIR": str(layout.run / "tmp"),
        "PYTHONPYCACHEPREFIX": str(layout.root / "pycache"),
        "TZ": "UTC",
        "NO_PROXY": _LOOPBACK,
        "no_proxy": _LOOPBACK,
        "NO_COLOR": "1",
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": f"{ports.prefect_url}/api",
        "PREFECT_UI_STATIC_DIRECTORY": str(layout.root / "prefect-ui"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
