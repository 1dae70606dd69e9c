"""Run one flow in a process of its own, as a worker does, and write down where its time went.

`python -m deployments.bench.recorded FLOW ENVIRONMENT FILE`: FILE gets the flow's report as JSON, and the
operations that agents did for it: name, begin and end on the machine's monotonic clock.
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from flows.backup import backup
from flows.restore import restore
from odoo_ops.model.report import BackupReport, RestoreReport

_FLOWS: dict[str, Callable[[str], BackupReport | RestoreReport]] = {"backup": backup, "restore": restore}
_NAME_CHARACTERS = 60


class _Recorder(logging.Handler):
    """Turns what the host adapter logs of each operation into one that has a beginning and an end."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.operations: list[tuple[str, float, float]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple):
            _host, name, seconds = record.args
            ended = time.monotonic()
            self.operations.append((str(name), ended - float(str(seconds)), ended))


def main(flow: str, environment: str, file: Path) -> None:
    """Run it. Raises what the flow raises."""
    recorder, log = _Recorder(), logging.getLogger("odoo_ops.adapters.host")
    log.setLevel(logging.DEBUG)
    log.addHandler(recorder)
    begun = time.monotonic()
    report = _FLOWS[flow](environment)
    found = {
        "begun": begun,
        "ended": time.monotonic(),
        "operations": recorder.operations,
        "report": report.model_dump(mode="json"),
    }
    file.write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
