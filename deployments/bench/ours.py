"""Our way, measured: one flow, from the start of its process to its end."""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from deployments.bench.site import NAME, Site
from deployments.demo.layout import CHECKOUT
from deployments.demo.processes import finish, start
from odoo_ops.errors import VerificationFailed
from odoo_ops.model.base import Value

_LIMIT_SECONDS = 3600


class Operation(Value):
    """What an agent did for a flow, on the machine's monotonic clock."""

    name: str
    begun: float
    ended: float


class Run(Value):
    """One flow run.

    Attributes:
        begun: when its process was started, on the same clock.
        seconds: from then until the process had ended.
    """

    begun: float
    seconds: float
    operations: tuple[Operation, ...]
    report: dict[str, Any]

    @property
    def orchestration_seconds(self) -> float:
        """Of its time, that in which no operation was at work: Python, Prefect, agents that start, locks."""
        return self.seconds - covered_seconds(self.operations)


def run_flow(site: Site, flow: str, environment: str = NAME) -> Run:
    """Run a flow on an environment, and see that it proved what it is to prove.

    Raises CommandFailed when it fails, VerificationFailed when a check of its report did not pass.
    """
    file, log = site.layout.run / "flow.json", site.layout.logs / "flows.log"
    file.unlink(missing_ok=True)
    words = [sys.executable, "-m", "deployments.bench.recorded", flow, environment, str(file)]
    begun = time.monotonic()
    finish(start(flow, words, site.variables, log, CHECKOUT), within_seconds=_LIMIT_SECONDS)
    seconds = time.monotonic() - begun
    found = json.loads(file.read_text())
    if failed := [check for check in found["report"]["checks"] if check["outcome"] == "failed"]:
        raise VerificationFailed(f"The flow {flow} found {failed}. Next step: read {log}.")
    operations = [Operation(name=name, begun=start_, ended=end) for name, start_, end in found["operations"]]
    return Run(begun=begun, seconds=seconds, operations=tuple(operations), report=found["report"])


def covered_seconds(operations: Sequence[Operation]) -> float:
    """For how long at least one of them was at work."""
    total, until = 0.0, float("-inf")
    for operation in sorted(operations, key=lambda operation: operation.begun):
        total += max(0.0, operation.ended - max(operation.begun, until))
        until = max(until, operation.ended)
    return total
