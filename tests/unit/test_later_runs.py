"""A flow that goes on later."""

from datetime import UTC, datetime

from tasks.later_runs import run_again_after


def test_run_without_a_deployment_is_told_what_to_run_and_when() -> None:
    at = datetime(2026, 3, 1, 12, 5, 43, tzinfo=UTC)
    said = run_again_after(at, {"source": "staging", "soak_minutes": 60, "refs": None})
    assert said == (
        "nothing is planned, as this run has no deployment. Next step: run it with source='staging', soak_minutes=60 "
        "from 2026-03-01 12:07 UTC on."
    )
