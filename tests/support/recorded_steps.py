"""Run flows and `odoo-ops` one after the other in this process, and print each error in every way that a log may.

Steps come as JSON on stdin, `[kind, name, arguments]`; what came of them goes as JSON into the file named in argv.
"""

import hashlib
import json
import subprocess
import sys
import traceback
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from secret_traces import secret_values
from typer.testing import CliRunner

from blocks import OdooEnvironment
from deployments.cli import app


def main(outcomes: Path) -> None:
    steps = json.load(sys.stdin)
    outcomes.write_text(json.dumps([_run(kind, name, arguments) for kind, name, arguments in steps]))


def _say(*words: str) -> None:
    sys.stdout.write("\n".join([*words, ""]))
    sys.stdout.flush()


def _run(kind: str, name: str, arguments: Any) -> object:  # noqa: ANN401 - each kind has its own
    _say(f"\n==== {datetime.now(UTC):%H:%M:%S} {kind} {name} {arguments}")
    try:
        match kind:
            case "flow":
                getattr(import_module(f"flows.{name}"), name)(**arguments)
            case "odoo-ops":
                result = CliRunner().invoke(app, arguments, input=name)
                _say(result.output)
                if result.exception:
                    _print_error(result.exception)
                return result.exit_code
            case "run":
                return subprocess.run(arguments, input=name, text=True, check=False).returncode
            case "planted":
                return _planted(name)
            case "spoil":
                _spoil(name)
            case "delete":
                Path(name).unlink()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
        _print_error(error)
        return f"{type(error).__name__}: {error}"
    return 0


def _print_error(error: BaseException) -> None:
    _say(str(error), repr(error), *traceback.TracebackException.from_exception(error, capture_locals=True).format())


def _planted(environment: str) -> dict[str, list[str]]:
    """Which secret fields of an environment's blocks hold what, as digests."""
    found: dict[str, list[str]] = {}
    for field, secret in secret_values(OdooEnvironment.load(environment)):
        found.setdefault(field, []).append(hashlib.sha256(secret.encode()).hexdigest())
    return found


def _spoil(environment: str) -> None:
    """Save an environment as no version can read it: without its database's role."""
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name(environment, "odoo-environment", include_secrets=True)
        del document.data["settings"]["database"]["user"]
        client.update_block_document(document.id, BlockDocumentUpdate(data={"settings": document.data["settings"]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
