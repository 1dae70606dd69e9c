"""Steps that `recorded_steps` runs in a process of its own, with every program on record, and what is left of them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import recorded_steps
from exec_records import Started, recorder, started
from prefect.settings import PREFECT_API_URL, get_current_settings
from secret_traces import Canary, seen_in_database, seen_in_files

Step = tuple[str, str, Any]
# a step, and its outcome: a value, a type, or a pattern of what it says when it fails
Planned = tuple[Step, object]


@dataclass(frozen=True)
class RecordedRun:
    """Where the process of the steps lives.

    Attributes:
        planted: folder with the secrets' files, where nothing is searched; the record is kept there.
        output: file of all that the process says.
        homes: its home, its folder of temporary files and Prefect's home.
    """

    strace: Path
    planted: Path
    output: Path
    homes: tuple[Path, Path, Path]

    def run(self, plan: list[Planned], variables: Mapping[str, str] | None = None) -> list[Any]:
        """Run the steps one after the other, and see that each has the outcome that is planned; all outcomes."""
        outcomes = self.planted / "outcomes.json"
        home, temporary, prefect_home = map(str, self.homes)
        with self.output.open("wb") as file:
            done = subprocess.run(
                [
                    *recorder(self.strace, self.planted / "record-of-worker"),
                    *(sys.executable, recorded_steps.__file__, str(outcomes)),
                ],
                input=json.dumps([step for step, _ in plan]).encode(),
                env={
                    **os.environ,
                    "HOME": home,
                    "TMPDIR": temporary,
                    "PREFECT_HOME": prefect_home,
                    "PREFECT_API_URL": str(PREFECT_API_URL.value()),
                    "PREFECT_LOGGING_LEVEL": "DEBUG",
                    "PREFECT_LOGGING_TO_API_ENABLED": "true",
                    "PYTHONPATH": os.pathsep.join(sys.path),
                    **(variables or {}),
                },
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            )
        output = self.output.read_text()
        assert done.returncode == 0, output
        found: list[Any] = json.loads(outcomes.read_text())
        _check_outcomes(plan, found, output)
        return found

    def started(self) -> list[Started]:
        """Every program of all records."""
        return [each for record in sorted(self.planted.glob("record*")) for each in started(record)]


def _check_outcomes(plan: list[Planned], outcomes: list[Any], output: str) -> None:
    assert len(outcomes) == len(plan)
    for (step, expected), outcome in zip(plan, outcomes, strict=True):
        match expected:
            case str():
                assert re.search(expected, str(outcome), re.DOTALL), (step, outcome, output)
            case type():
                assert isinstance(outcome, expected), (step, outcome, output)
            case _:
                assert outcome == expected, (step, outcome, output)


def planted_fields(outcomes: list[Any], canaries: list[Canary]) -> set[str]:
    """The secret fields of blocks that held canaries, by the outcomes of the steps `planted`."""
    known = {canary.sha256 for canary in canaries}
    held = [outcome for outcome in outcomes if isinstance(outcome, dict)]
    return {field for each in held for field, digests in each.items() if known.issuperset(digests)}


def see_prefect_keeps_none(searched: list[Canary], control: str) -> None:
    """No canary but the control is in the database of the session's Prefect, and that one is in all that people see."""
    url = get_current_settings().server.database.connection_url
    database = Path(url.get_secret_value().partition(":///")[2])
    tables = seen_in_database(database, searched)
    assert {table: names for table, names in tables.items() if names - {control}} == {}
    assert {"log", "artifact", "flow_run", "flow_run_state"} <= {table for table, names in tables.items() if names}
    pages = seen_in_files([*database.parent.glob(f"{database.name}*")], searched)
    assert {path: names for path, names in pages.items() if names - {control}} == {}
    assert pages
